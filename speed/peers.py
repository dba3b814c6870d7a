"""What a user would train with instead: Hugging Face's Trainer, and a bare loop."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from torch import Tensor
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

import mhclf.hf  # noqa: F401 (registers the model)
from mhclf.config.training import TrainerConfig
from mhclf.data.tokens import width_step
from mhclf.models.encoder import quiet_transformers
from mhclf.training.environment import resolve_precision
from speed.posts import Part
from speed.work import Clock

BATCH = 32


@dataclass(frozen=True)
class Tokenised:
    """A saved model's tokenizer, and posts in its numbers."""

    tokenizer: transformers.PreTrainedTokenizerBase
    rows: list[dict[str, Any]]


def tokenised(model: Path, part: Part, max_length: int) -> Tokenised:
    """Tokenise posts for a model folder."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoded = tokenizer(list(part.texts), truncation=True, max_length=max_length)
    rows = [{key: encoded[key][row] for key in encoded} | {"labels": target} for row, target in enumerate(part.targets)]
    return Tokenised(tokenizer, rows)


def load_model(folder: Path) -> Any:
    """Load a saved model for training, in which it reads a batch in one pass as other models do."""
    with quiet_transformers():
        model: Any = AutoModelForSequenceClassification.from_pretrained(folder).train()
    model.network.split_batches = False
    return model


class _EpochClock(TrainerCallback):
    """Adds up the time of epochs: batches, steps and what the trainer does between them; no evaluation, no saving."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def on_epoch_begin(self, *_: Any, **__: Any) -> None:
        self.clock = Clock()
        self.clock.__enter__()

    def on_epoch_end(self, *_: Any, **__: Any) -> None:
        self.clock.__exit__()
        self.seconds += self.clock.seconds


def trainer_arguments(folder: Path, device: str, **settings: Any) -> TrainingArguments:
    """Return Trainer's arguments: its defaults but for the size of a batch and what would print or write."""
    return TrainingArguments(
        output_dir=str(folder),
        per_device_train_batch_size=BATCH,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=device == "cpu",
        **settings,
    )


BY_LENGTH: dict[str, Any] = {"train_sampling_strategy": "group_by_length"}
"""Posts of similar length together."""

BEST_FLAGS: dict[str, Any] = BY_LENGTH | {"bf16": True}
"""And half the bytes; see Trainer's guide to efficient training."""


def train_with_trainer(
    model: Any, posts: Tokenised, arguments: TrainingArguments, multiple: int | None = None
) -> float:
    """Train, and return the seconds of the epochs."""
    clock = _EpochClock()
    trainer = Trainer(
        model=model,
        args=arguments,
        train_dataset=posts.rows,
        data_collator=DataCollatorWithPadding(posts.tokenizer, pad_to_multiple_of=multiple),
        processing_class=posts.tokenizer,
        callbacks=[clock],
    )
    trainer.remove_callback(transformers.trainer_callback.PrinterCallback)
    trainer.train()
    return clock.seconds


def _precision(device: str) -> str:
    """Return in what we would train on a device."""
    return resolve_precision(TrainerConfig(accelerator="gpu" if device == "cuda" else "cpu"))


def sorted_batches(posts: Tokenised, seed: int, device: str) -> list[dict[str, Tensor]]:
    """Return padded batches of posts of similar length, in random order; padded as ours are."""
    order = sorted(range(len(posts.rows)), key=lambda row: len(posts.rows[row]["input_ids"]))
    collate = DataCollatorWithPadding(posts.tokenizer, pad_to_multiple_of=width_step(device, _precision(device)))
    parts = [order[start : start + BATCH] for start in range(0, len(order), BATCH)]
    batches = [collate([posts.rows[row] for row in part]) for part in parts]
    shuffled: Sequence[int] = torch.randperm(len(batches), generator=torch.Generator().manual_seed(seed)).tolist()
    return [{key: value.to(device) for key, value in batches[number].items()} for number in shuffled]


def train_bare(model: Any, batches: list[dict[str, Tensor]], device: str) -> float:
    """Train one epoch by a plain loop in our precision, and return its seconds."""
    half = _precision(device) == "bf16"
    model.to(device).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-5, weight_decay=0.01, fused=True)
    with Clock() as clock:
        for batch in batches:
            with torch.autocast(device, torch.bfloat16, enabled=half):
                loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
    return clock.seconds
