"""Training works: against Trainer as it comes, Trainer at its best, a bare loop, and our own plain fine-tuning."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from mhclf import train
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig
from mhclf.data.batches import batch_loader
from mhclf.data.load import load_table
from mhclf.losses.classification import Targets
from mhclf.results.speed import Check, Sample
from mhclf.training.environment import resolve_attention, resolve_precision
from mhclf.training.fit import build_plan, tokenise
from mhclf.training.saved import load_run
from speed.peers import (
    BATCH,
    BEST_FLAGS,
    BY_LENGTH,
    Tokenised,
    load_model,
    sorted_batches,
    tokenised,
    train_bare,
    train_with_trainer,
    trainer_arguments,
)
from speed.posts import chunks_of, read_posts, run_config, write_part
from speed.work import WORKS, Work

_POSTS = 640


def step_seconds(log: Path, posts: int, batch: int) -> float:
    """Return the time of all steps of a training log: batches, steps, and what stands between them.

    Parameters
    ----------
    log : Path
        `training_log.csv` of one epoch.
    posts, batch : int
        Train posts, and posts of a batch: all are full, or there is only one.
    """
    with log.open(newline="", encoding="utf-8") as file:
        rates = [float(row["samples_per_second"]) for row in csv.DictReader(file) if row["kind"] == "step"]
    each = min(posts, batch)
    if len(rates) * each != posts:
        raise ValueError(f"{log}: {len(rates)} steps of {each} posts are not {posts} posts.")
    return sum(each / rate for rate in rates)


def _without_dropout(model: Any) -> Any:
    """Return a model as it trains, in as many passes, but without chance."""
    for module in model.train().modules():
        for name in ("p", "attention_dropout"):
            if isinstance(getattr(module, name, None), float):
                setattr(module, name, 0.0)
    return model


class TrainingWork(Work):
    """One epoch over the same posts in batches of 32; what is timed are the steps, not loading or saving."""

    title_ours = "finetune"
    method = "finetune"
    guess = 60.0

    def prepare(self) -> None:
        """Write the posts as a data set; train both sides on four batches."""
        self.read = posts = read_posts(self.data, self.bench.data_root)
        self.count = chunks_of(self.bench.size(min(_POSTS, len(posts.train.texts))), BATCH)
        self.dataset = write_part(posts, self.count, self.bench.folder / "data")
        few = min(self.count, 4 * BATCH)
        warm = self._config(write_part(posts, few, self.bench.folder / "data"), self.method)
        self.model = train(warm, overwrite=True).folder / "model"
        self.tokens = tokenised(self.model, posts.train.first(self.count), posts.max_length)
        self.few = tokenised(self.model, posts.train.first(few), posts.max_length)
        self.settings |= {
            "posts": self.count,
            "batch": BATCH,
            "epochs": 1,
            "max_length": posts.max_length,
            "our_precision": resolve_precision(warm.trainer),
            "our_attention": resolve_attention(warm, posts.max_length),
        }

    def ours(self) -> Sample:
        """Train by `mhclf.train`; the log says how long the steps took."""
        return self._trained(self.method)

    def _trained(self, method: str) -> Sample:
        folder = train(self._config(self.dataset, method), overwrite=True).folder
        return Sample(step_seconds(folder / "training_log.csv", self.count, BATCH), self.count)

    def check(self) -> list[Check]:
        """Compare the loss of one batch and the norm of its gradient, from the same weights without dropout."""
        found = [self._plan_loss(), self._peer_loss()]
        sizes = []
        for network, loss in found:
            loss.backward()
            gradients = [item.grad for item in network.parameters() if item.grad is not None]
            sizes.append((float(loss.detach()), float(torch.nn.utils.get_total_norm(gradients))))
        (our_loss, our_norm), (their_loss, their_norm) = sizes
        return [
            Check("gap of the loss", abs(our_loss - their_loss), 1e-4),
            Check("relative gap of the gradient's norm", abs(our_norm / their_norm - 1), 1e-4),
        ]

    def _peer_loss(self) -> tuple[torch.nn.Module, Tensor]:
        model = _without_dropout(load_model(self.model))
        batch = sorted_batches(Tokenised(self.few.tokenizer, self.few.rows[:BATCH]), 0, "cpu")[0]
        return model, model(**batch).loss

    def _plan_loss(self) -> tuple[torch.nn.Module, Tensor]:
        """Return the network, and the loss that training by the library would take of the same posts."""
        run = load_run(self.model.parent)
        network, tokenizer = run.parts()
        # Saved networks are loaded with the kernel for prediction.
        network.encoder.set_attn_implementation(resolve_attention(run.config, run.max_length))
        dataset = write_part(self.read, min(self.count, BATCH), self.bench.folder / "data")
        table = load_table(str(dataset)).part("train")
        objective = build_plan(table, run.config, network, ()).objective
        posts = tokenise(tokenizer, table, run.config, run.max_length)
        batch = next(iter(batch_loader(posts, BatchConfig(size=BATCH), seed=None)))
        output = _without_dropout(network)(batch.inputs)
        return network, objective(output, Targets(batch.targets), 0.0).total

    def _config(self, dataset: Path, method: str) -> RunConfig:
        return run_config(self.bench, dataset, method, batch={"size": BATCH}, trainer={"epochs": 1})


class _AgainstTrainer(TrainingWork):
    """Against `transformers.Trainer` on the same network, loss and size of batch."""

    flags: ClassVar[dict[str, Any]]
    multiple: int | None = None

    def prepare(self) -> None:
        """See the base."""
        super().prepare()
        self._train(self.few)

    def theirs(self) -> Sample:
        """Train with Trainer."""
        return Sample(self._train(self.tokens), self.count)

    def _train(self, posts: Any) -> float:
        arguments = trainer_arguments(
            self.bench.folder / "trainer", self.bench.device, num_train_epochs=1, **self.flags
        )
        return train_with_trainer(load_model(self.model), posts, arguments, self.multiple)


@WORKS.register("training")
class TrainingDefaults(_AgainstTrainer):
    """Trainer's defaults (fp32, random batches) with a padding collator."""

    title_theirs = "Trainer, defaults"
    aims: ClassVar[Mapping[str, float]] = {"wellxplain": 4.0, "dreaddit": 2.5}
    flags: ClassVar[dict[str, Any]] = {}
    guess = 75.0


@WORKS.register("training_best_flags")
class TrainingBestFlags(_AgainstTrainer):
    """Trainer with bf16, batches by length, and widths in multiples of 8."""

    title_theirs = "Trainer, bf16, group_by_length"
    aims: ClassVar[Mapping[str, float]] = {"": 1.0}
    flags: ClassVar[dict[str, Any]] = BEST_FLAGS
    multiple = 8
    guess = 35.0


@WORKS.register("training_by_length")
class TrainingByLength(_AgainstTrainer):
    """Trainer with batches by length, in fp32: its best flags on a processor that is no faster in bf16."""

    title_theirs = "Trainer, group_by_length"
    aims: ClassVar[Mapping[str, float]] = {"": 1.0}
    flags: ClassVar[dict[str, Any]] = BY_LENGTH
    guess = 35.0


@WORKS.register("training_bare_loop")
class TrainingBareLoop(TrainingWork):
    """A plain torch loop over batches that lie in memory, padded and sorted by length."""

    title_theirs = "bare torch loop"
    aims: ClassVar[Mapping[str, float]] = {"": 0.95}
    guess = 30.0

    def prepare(self) -> None:
        """See the base."""
        super().prepare()
        train_bare(load_model(self.model), sorted_batches(self.few, 0, self.bench.device), self.bench.device)

    def theirs(self) -> Sample:
        """Train by the loop."""
        batches = sorted_batches(self.tokens, 1, self.bench.device)
        return Sample(train_bare(load_model(self.model), batches, self.bench.device), self.count)


@WORKS.register("training_layer_attention")
class TrainingLayerAttention(TrainingWork):
    """Layer attention and the contrastive loss against our own plain fine-tuning."""

    title_ours = "lara_supcon"
    title_theirs = "finetune"
    method = "lara_supcon"
    kind = "times_as_long"
    unit = "posts/s"
    aims: ClassVar[Mapping[str, float]] = {"": 1.05}
    guess = 30.0

    def theirs(self) -> Sample:
        """Train by the plain recipe."""
        return self._trained("finetune")

    def check(self) -> list[Check]:
        """Nothing: the two are meant to differ."""
        return []
