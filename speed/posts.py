"""Posts of a data set, a small part of it as a data set of its own, and a run trained on that."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from mhclf import load_dataset, load_run, train
from mhclf.config.command_line import build_config
from mhclf.config.places import recipe_folder
from mhclf.config.run import RunConfig
from mhclf.data.locate import find_dataset
from mhclf.errors import ConfigError
from mhclf.results.files import write_text
from mhclf.training.saved import Run
from speed.work import Bench

_VALIDATION = 64
_MODEL_POSTS, _MODEL_EPOCHS = 640, 2
"""What a run is trained on that others measure: enough to be sure of its labels."""


@dataclass(frozen=True)
class Part:
    """Posts of one split, with class numbers."""

    texts: tuple[str, ...]
    targets: tuple[int, ...]

    def first(self, count: int) -> "Part":
        """Return the first posts."""
        return Part(self.texts[:count], self.targets[:count])


@dataclass(frozen=True)
class Posts:
    """A data set, its splits shuffled once.

    Attributes
    ----------
    name : str
    labels : tuple of str
    max_length : int
    train, validation, test : Part
    """

    name: str
    labels: tuple[str, ...]
    max_length: int
    train: Part
    validation: Part
    test: Part


@lru_cache(maxsize=4)
def read_posts(name: str, data_root: str | None) -> Posts:
    """Load a data set of one label a post.

    Raises
    ------
    ConfigError
        If its task is another.
    """
    config = find_dataset(name).config
    if config.task != "multiclass":
        raise ConfigError(f"data: '{name}' is {config.task}; choose a set with task: multiclass.")
    splits = load_dataset(name, data_root=data_root)
    parts = []
    for split in ("train", "validation", "test"):
        if split not in splits:
            raise ConfigError(f"data: '{name}' has no {split} part; choose a set that has one.")
        rows = splits[split]
        texts, targets = list(rows["text"]), list(rows["label"])
        order = np.random.default_rng(0).permutation(len(texts)).tolist()
        parts.append(Part(tuple(texts[row] for row in order), tuple(targets[row] for row in order)))
    return Posts(name, config.label_names, config.max_length, *parts)


def write_part(posts: Posts, count: int, folder: Path) -> Path:
    """Write the first train posts, and a few for validation, as a data set; returns its YAML."""
    name = f"{posts.name}-{count}"
    splits = {"train": posts.train.first(count), "validation": posts.validation.first(_VALIDATION)}
    for split, part in splits.items():
        rows = [
            {"id": f"{split}-{row}", "text": text, "label": posts.labels[target]}
            for row, (text, target) in enumerate(zip(part.texts, part.targets, strict=True))
        ]
        write_text(folder / f"{name}.{split}.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    content = {
        "name": name,
        "task": "multiclass",
        "labels": list(posts.labels),
        "source": {"files": {split: f"{name}.{split}.jsonl" for split in splits}},
        "columns": {"id": "id", "text": "text", "label": "label"},
        "max_length": posts.max_length,
    }
    return write_text(folder / f"{name}.yaml", yaml.safe_dump(content, allow_unicode=True))


def run_config(bench: Bench, dataset: Path, method: str, **settings: Any) -> RunConfig:
    """Return the settings of a run on a part: no test, no report, whatever else the recipe says."""
    own = {
        "data": str(dataset),
        "method": method,
        "encoder": bench.encoder,
        "out": str(bench.folder / "runs"),
        "test": False,
        "report": False,
        # The same rows on both sides, also where one post is there twice.
        "audit": {"on_leak": "keep"},
        "trainer": {"accelerator": "gpu" if bench.device == "cuda" else "cpu"},
    }
    return build_config(recipe_folder(), own, settings)


def trained_run(bench: Bench, posts: Posts, method: str = "finetune") -> Run:
    """Return a run that was trained on a part of the data; trained once for all works."""
    count = min(bench.size(_MODEL_POSTS), len(posts.train.texts))
    dataset = write_part(posts, count, bench.folder / "data")
    config = run_config(bench, dataset, method, trainer={"epochs": _MODEL_EPOCHS})
    return load_run(train(config).folder).to(bench.device)


def chunks_of(count: int, size: int) -> int:
    """Return the largest multiple of `size` up to `count`; `count` where that is none."""
    return count // size * size or count


def made_up_posts(count: int, words: tuple[int, int], seed: int, vocabulary: Sequence[str]) -> list[str]:
    """Return posts of random words.

    Parameters
    ----------
    count : int
    words : (int, int)
        Fewest and most words of a post.
    seed : int
    vocabulary : sequence of str
    """
    generator = np.random.default_rng(seed)
    lengths = generator.integers(words[0], words[1] + 1, size=count)
    drawn = generator.integers(0, len(vocabulary), size=int(lengths.sum())).tolist()
    found, at = [], 0
    for length in lengths.tolist():
        found.append(" ".join(vocabulary[number] for number in drawn[at : at + length]))
        at += length
    return found
