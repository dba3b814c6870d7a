"""The training log as a callback: one CSV row a batch and one an epoch, kept consistent over a restart."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning
from lightning.pytorch.callbacks import Callback

from mhclf.results.files import write_text

_COLUMNS = (
    "kind",
    "epoch",
    "step",
    "loss",
    "loss/classification",
    "loss/contrastive",
    "loss/evidence",
    "loss/auxiliary",
    "loss/generation",
    "contrastive_weight",
    "learning_rate",
    "samples_per_second",
    "validation_loss",
    "validation_generation_loss",
)


class TrainingLog(Callback):
    """Write `training_log.csv`.

    Parameters
    ----------
    path : Path
        The file; rows of steps that a resumed run will repeat are cut off first.
    headline_metric : str
        Gives the column `validation_<metric>`.
    on_epoch : callable
        Called after each epoch, to note the time spent so far.
    """

    def __init__(self, path: Path, headline_metric: str, on_epoch: Callable[[], None]) -> None:
        self.path = path
        self.on_epoch = on_epoch
        self.metric = headline_metric
        self.columns = (*_COLUMNS, f"validation_{headline_metric}")
        self._rows: list[dict[str, Any]] = []
        self._epoch_start = self._last = 0.0
        self._posts = 0
        self._losses: list[float] = []
        self._writes = True

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the file, or cut it back to the checkpoint's step; only the first of several processes writes."""
        self._writes = trainer.is_global_zero
        kept: list[dict[str, Any]] = []
        if self.path.is_file() and trainer.global_step:
            with self.path.open(newline="", encoding="utf-8") as file:
                rows = [row for row in csv.DictReader(file) if str(row.get("step") or "").isdigit()]
            # Up to the last whole epoch: of accumulated batches, the next epoch's first ones have the same step.
            ends = [
                place
                for place, row in enumerate(rows, start=1)
                if row["kind"] == "epoch" and int(row["step"]) <= trainer.global_step
            ]
            kept = rows[: ends[-1]] if ends else []
        lines = [",".join(self.columns)]
        lines += [",".join(row.get(column) or "" for column in self.columns) for row in kept]
        if self._writes:
            write_text(self.path, "\n".join(lines) + "\n")
        # Also here: the epoch's start hook is left out when a run resumes from an epoch's end.
        self.on_train_epoch_start(trainer, pl_module)

    def on_train_epoch_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._epoch_start = self._last = time.perf_counter()
        self._posts, self._losses = 0, []

    def on_train_batch_end(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add a batch's row; written to disk every twenty batches."""
        parts, now = outputs["parts"], time.perf_counter()
        self._posts += outputs["posts"]
        self._losses.append(float(parts.total))
        self._rows.append(
            {
                "kind": "step",
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "loss": float(parts.total),
                "loss/classification": float(parts.classification),
                "loss/contrastive": float(parts.contrastive) if parts.contrastive is not None else "",
                "loss/evidence": float(parts.evidence) if parts.evidence is not None else "",
                "loss/auxiliary": float(parts.auxiliary) if parts.auxiliary is not None else "",
                "loss/generation": float(parts.generation) if parts.generation is not None else "",
                "contrastive_weight": parts.contrastive_weight,
                "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
                "samples_per_second": _rate(outputs["posts"], now - self._last),
            }
        )
        self._last = now
        if len(self._rows) >= 20:
            self._flush()

    def on_train_epoch_end(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Add the epoch's row, after validation."""
        logged = trainer.callback_metrics
        generation = logged.get("validation/generation_loss")
        self._rows.append(
            {
                "kind": "epoch",
                "epoch": trainer.current_epoch,
                "step": trainer.global_step,
                "loss": sum(self._losses) / max(1, len(self._losses)),
                "samples_per_second": _rate(self._posts, time.perf_counter() - self._epoch_start),
                "validation_loss": float(logged.get("validation/loss", float("nan"))),
                "validation_generation_loss": float(generation) if generation is not None else "",
                f"validation_{self.metric}": float(logged.get(f"validation/{self.metric}", float("nan"))),
            }
        )
        self._flush()
        self.on_epoch()

    def _flush(self) -> None:
        if not self._writes:
            self._rows.clear()
            return
        with self.path.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, self.columns, restval="").writerows(self._rows)
        self._rows.clear()


def _rate(posts: int, seconds: float) -> float | str:
    """Return posts a second, empty where a coarse clock shows the same time twice."""
    return round(posts / seconds, 2) if seconds > 0 else ""
