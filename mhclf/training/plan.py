"""The training plan: steps, optimiser, schedule, logged quantities. Knows no files."""

from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mhclf.config.run import OptimConfig
from mhclf.data.tokens import Batch
from mhclf.errors import RunError
from mhclf.evaluation import scores
from mhclf.losses.objective import LossParts, Objective
from mhclf.models.network import ClassifierNetwork


class LossNotFiniteError(RunError):
    """The loss became infinite or NaN; `rows` are the positions of the batch's posts in the training table."""

    def __init__(self, step: int, rows: list[int]) -> None:
        super().__init__(f"The loss is not finite at step {step}.")
        self.step, self.rows = step, rows


class ClassificationPlan(lightning.LightningModule):
    """Train a `ClassifierNetwork` by an `Objective`.

    Parameters
    ----------
    network : ClassifierNetwork
    objective : Objective
    optim : OptimConfig
    seed : int
        Each step draws its dropout from this seed and its number, so that a resumed run equals an unbroken one.
    headline_metric : str
        Logged on validation as `validation/<metric>`; chooses the best checkpoint.
    """

    def __init__(
        self, network: ClassifierNetwork, objective: Objective, optim: OptimConfig, seed: int, headline_metric: str
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.optim = optim
        self.seed_value = seed
        self.headline_metric = headline_metric
        self._validation: list[tuple[Tensor, Tensor]] = []

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One step; returns the loss and its parts for callbacks."""
        # By step, not by epoch: Lightning leaves out the epoch's start hook when it resumes from an epoch's end.
        torch.manual_seed(self.seed_value * 1_000_003 + self.global_step)
        progress = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        parts = self.objective(self.network(batch.inputs), batch.targets, progress)
        if not torch.isfinite(parts.total):
            raise LossNotFiniteError(self.global_step, batch.rows.tolist())
        return {"loss": parts.total, "parts": _detached(parts), "posts": len(batch.rows)}

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep logits and targets until the epoch's end."""
        self._validation.append((self.network(batch.inputs).logits.float(), batch.targets))

    def on_validation_epoch_end(self) -> None:
        """Log the validation loss and the headline metric over all posts at once."""
        logits = torch.cat([logits for logits, _ in self._validation])
        targets = torch.cat([targets for _, targets in self._validation])
        self._validation.clear()
        if not torch.isfinite(logits).all():
            raise RunError(
                f"The network's outputs are not finite after epoch {self.current_epoch}. "
                "Lower --optim.lr or --optim.head_lr, or use --trainer.precision fp32."
            )
        head, config = self.network.head, self.network.config
        probabilities = head.probabilities(logits)
        values = scores(
            config.task,
            targets.cpu().numpy(),
            head.decide(probabilities).cpu().numpy(),
            probabilities.cpu().numpy(),
            config.labels,
        )
        self.log("validation/loss", self.objective.classification(logits, targets))
        self.log(f"validation/{self.headline_metric}", values[self.headline_metric], prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW over three groups (no decay for biases and norms; new parts with their own rate), linear schedule."""
        encoder = self.network.encoder_parameters()
        groups = [
            {"params": [p for p in encoder if p.ndim > 1], "lr": self.optim.lr},
            {"params": [p for p in encoder if p.ndim <= 1], "lr": self.optim.lr, "weight_decay": 0.0},
            {"params": self.network.new_parameters(), "lr": self.optim.head_lr},
        ]
        fused = self.device.type in {"cpu", "cuda"}
        optimizer = torch.optim.AdamW(groups, weight_decay=self.optim.weight_decay, fused=fused)
        total = max(1, int(self.trainer.estimated_stepping_batches))
        warmup = max(1, round(self.optim.warmup * total))

        def factor(step: int) -> float:
            return min((step + 1) / warmup, max(0.0, (total - step) / max(1, total - warmup)))

        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm here: Lightning refuses its own clipping with a fused optimiser under mixed precision."""
        if self.optim.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.optim.gradient_clip)


def _detached(parts: LossParts) -> LossParts:
    contrastive = parts.contrastive.detach() if parts.contrastive is not None else None
    return LossParts(parts.total.detach(), parts.classification.detach(), contrastive, parts.contrastive_weight)
