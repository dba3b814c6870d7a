"""One prompting run: from a data set's rows to predictions, explanations and records in a run folder."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mhclf.config.dataset import DatasetConfig
from mhclf.config.generation import GenerationConfig
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.data.audit import leaks_of
from mhclf.data.load import load_table
from mhclf.data.manifest import build_manifest, content_hash
from mhclf.data.subsets import limit_rows
from mhclf.errors import ConfigError
from mhclf.generation.answers import answer_records, generation_lines, prediction_frame
from mhclf.generation.asking import Progress
from mhclf.generation.backends import load_backend, local_precision
from mhclf.generation.cache import AnswerCache
from mhclf.generation.interview import apply_fits, fit_answers, prepare_interview
from mhclf.generation.label_fit import label_fit_file, read_label_fit
from mhclf.generation.page import redraw_masked, write_generations
from mhclf.generation.prompting import check_language, with_overrides
from mhclf.generation.requests import Backend
from mhclf.generation.strategy import Strategy, read_strategy
from mhclf.results.files import write_text
from mhclf.results.records import ResultRecord, read_records, write_records
from mhclf.training.environment import describe_environment
from mhclf.training.folder import RunFolder
from mhclf.training.saved import read_predictions

_NOT_HASHED = ("out", "data_root", "data", "strategy", "local", "endpoint")
"""Where things lie; what data set, strategy and model are is hashed by content."""
_HOW = {"score": "", "parse": " (parsed)", "run": " (classifier's label)"}


@dataclass(frozen=True)
class GenerationOutcome:
    """A finished prompting run: its folder, its records, whether it was finished before."""

    folder: Path
    records: tuple[ResultRecord, ...]
    was_complete: bool


def run_prompts(
    config: GenerationConfig,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    backend: Backend | None = None,
    mask_identifiers: bool = False,
) -> GenerationOutcome:
    """Ask a model about the rows of a data set; a stopped run goes on, a complete one is returned.

    Parameters
    ----------
    config : GenerationConfig
    overwrite : bool
        Make the folder afresh. Answers in the cache are used all the same: they are answers to the same questions.
    on_progress : callable, optional
    backend : Backend, optional
        In place of the configured one.
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in what `generations.html` shows. A later start
        of the same run writes its page so.

    Returns
    -------
    GenerationOutcome
        The folder holds `config.yaml`, `environment.json`, `data_manifest.json`, `predictions.parquet`,
        `results.jsonl` and `generations.jsonl` (what the model said, which may quote posts); where explanations were
        asked for, `generations.html`.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    strategy = read_strategy(config.strategy)
    shots, samples = with_overrides(strategy, config)
    table = load_table(config.data, data_root=config.data_root, mask=config.mask)
    _check(config, table.config)
    check_language(strategy, config.strategy, table.config.language)
    # Nothing is trained: what the audit would stop at is only noted, and a set may have a test part alone.
    table, findings = leaks_of(table, "drop")
    if config.limit is not None:
        table = limit_rows(table, config.limit)
    if not (table.frame["split"] == config.split).any():
        raise ConfigError(f"{table.config.name}: has no {config.split} row. Choose another --split.")
    if config.labels.fit == "validation" and not (table.frame["split"] == "validation").any():
        raise ConfigError(f"labels: fit: {table.config.name} has no validation row. Use --labels.fit none.")
    tuned = read_label_fit(label_fit_file(config.local)) if config.labels.fit == "tuned" else None
    manifest = build_manifest(table, findings, config.protocol)
    backend = backend or load_backend(config.backend, config.local, config.endpoint)
    folder = _folder(config, table.config, strategy, backend, manifest["hashes"])
    with folder.locked():
        if folder.complete and not overwrite:
            if config.explain and mask_identifiers:
                redraw_masked(folder.path, table.part(config.split))
            return GenerationOutcome(folder.path, tuple(_read_records(folder)), was_complete=True)
        start = time.perf_counter()
        write_text(folder.path / "config.yaml", write_yaml(to_mapping(config)))
        environment = describe_environment(local_precision(config.local), "default")
        folder.write_json("environment.json", environment | {"backend": dict(backend.identity)})
        folder.write_json("status.json", {"state": "running"})
        cache = AnswerCache(Path(config.out) / "answers.sqlite")
        fitted: dict[str, Any] = {}
        try:
            asked = (config, strategy, shots, samples, table)
            interview = prepare_interview(*asked, config.split, backend, cache, on_progress)
            answers = interview.labels()
            if config.labels.fit == "validation":
                held = prepare_interview(*asked, "validation", backend, cache, on_progress)
                answers, fitted = apply_fits(answers, fit_answers(held.labels()))
            elif tuned is not None:
                answers, fitted = apply_fits(
                    answers, tuned.for_questions(table.config.name, interview.questions, config.post_tokens)
                )
            # Last of all: what is explained is what was decided in the end.
            if config.explain:
                answers = interview.explained(answers)
        finally:
            cache.close()
        folder.write_json("data_manifest.json", manifest | {"posts_cut": interview.cut, "fitted": fitted})
        prediction_frame(answers).to_parquet(folder.path / "predictions.parquet", index=False)
        write_text(folder.path / "generations.jsonl", generation_lines(answers))
        if config.explain:
            write_generations(folder.path, answers.part, mask_identifiers=mask_identifiers)
        identity = {
            "run": folder.path.name,
            "dataset": table.config.name,
            "method": Path(config.strategy).stem + _HOW[config.labels.by],
            "encoder": str(backend.identity["model"]),
            "seed": config.seed,
            "protocol": config.protocol,
            "data_hash": manifest["hashes"]["data"],
        }
        records = answer_records(answers, identity)
        write_records(folder.path / "results.jsonl", records)
        folder.write_json("status.json", {"state": "complete", "seconds": round(time.perf_counter() - start, 1)})
    return GenerationOutcome(folder.path, tuple(records), was_complete=False)


def _check(config: GenerationConfig, dataset: DatasetConfig) -> None:
    if dataset.task == "choice" and (config.labels.form, config.labels.questions) != ("words", "auto"):
        raise ConfigError(
            f"labels: form and questions change nothing where each row has options of its own, as in {dataset.name}. "
            "Leave them out."
        )
    if config.protocol == "mentallama-2024" and not dataset.published_labels:
        raise ConfigError(
            f"protocol: {dataset.name} has no 'published_labels', the rule by which the published code reads answers. "
            "Use an imhi_ data set, or --protocol sound."
        )
    if config.labels.fit == "validation" and config.split == "validation":
        raise ConfigError(
            "labels: fit: the rows of --split validation cannot be fitted on and scored. Use --split test."
        )


def _folder(
    config: GenerationConfig, dataset: DatasetConfig, strategy: Strategy, backend: Backend, hashes: Mapping[str, str]
) -> RunFolder:
    """Return the folder of a run: its name ends in a hash of all that decides its numbers, and of no path."""
    settings = {key: value for key, value in to_mapping(config).items() if key not in _NOT_HASHED}
    if config.labels.by == "run":
        saved = read_predictions(Path(config.labels.run))
        told = content_hash([saved.ids.tolist(), saved.prediction.tolist(), saved.probability.round(6).tolist()])
        settings["labels"] |= {"run": told}
    if config.labels.fit == "tuned":
        settings["labels"] |= {"tuned": to_mapping(read_label_fit(label_fit_file(config.local)))}
    words = [dataset.task, dataset.language, dataset.label_names, to_mapping(dataset.prompt)]
    if config.protocol == "mentallama-2024":
        words.append([dataset.published_labels, dataset.published_answers])
    # Examples show explanations, and the run's are measured against them.
    data = [hashes["data"], hashes.get("explanations", "")]
    content = [settings, to_mapping(strategy), words, dict(backend.identity), data]
    names = (Path(config.strategy).stem, str(backend.identity["model"]))
    safe = [re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_" for name in names]
    name = f"{safe[0]}-{safe[1]}-seed{config.seed}-{content_hash(content)[:8]}"
    return RunFolder(Path(config.out) / dataset.name / name)


def _read_records(folder: RunFolder) -> list[ResultRecord]:
    return list(read_records(folder.path / "results.jsonl"))
