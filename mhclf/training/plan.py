"""The training plan: steps, optimiser, schedule, logged quantities. Knows no files."""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

import lightning
import torch
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from mhclf.config.training import OptimConfig
from mhclf.data.batches import Share
from mhclf.data.tokens import Batch
from mhclf.errors import RunError
from mhclf.evaluation import scores
from mhclf.losses.classification import Targets, likelihood
from mhclf.losses.gather import gathered
from mhclf.losses.objective import LossParts, Objective
from mhclf.models.dropout import dropout_on
from mhclf.models.encoder import encoder_blocks
from mhclf.models.network import ClassifierNetwork, NetworkOutput
from mhclf.training.auxiliary import AuxiliaryTask


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
    auxiliary : sequence of AuxiliaryTask
        Learnt beside the task on the same encoder; each gives one batch a step.
    auxiliary_weight : float
        Weight of the mean of their losses.
    """

    def __init__(
        self,
        network: ClassifierNetwork,
        objective: Objective,
        optim: OptimConfig,
        seed: int,
        headline_metric: str,
        auxiliary: Sequence[AuxiliaryTask] = (),
        auxiliary_weight: float = 1.0,
    ) -> None:
        super().__init__()
        self.network = network
        self.objective = objective
        self.optim = optim
        self.seed_value = seed
        self.headline_metric = headline_metric
        self.auxiliary = list(auxiliary)
        # Registered here, so that their heads are trained and saved; the list keeps their type.
        self.auxiliary_modules = torch.nn.ModuleList(auxiliary)
        self.auxiliary_weight = auxiliary_weight
        self._validation: list[tuple[Tensor, Tensor]] = []

    def on_fit_start(self) -> None:
        """Tell the auxiliary tasks which part of each batch is ours."""
        for task in self.auxiliary:
            task.share(Share(self.global_rank, self.trainer.world_size))

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Any]:
        """One step; returns the loss and its parts for callbacks."""
        # By step, not by epoch: Lightning leaves out the epoch's start hook when it resumes from an epoch's end.
        torch.manual_seed(batch_seed(self.seed_value, self.global_step, self._part(batch_idx)))
        with dropout_on(self.device):
            _, parts = self.losses(batch, batch_idx % self.trainer.accumulate_grad_batches)
        loss = parts.total
        if not torch.isfinite(loss):
            raise LossNotFiniteError(self.global_step, batch.rows.tolist())
        parts = _detached(parts)
        if self.trainer.loggers:
            self._tell_loggers(parts)
        return {"loss": loss, "parts": parts, "posts": len(gathered(batch.rows))}

    def losses(self, batch: Batch, part: int = 0) -> tuple[NetworkOutput, LossParts]:
        """Return what the network says of a batch, and all losses; `part` counts the batches of one step."""
        progress = self.global_step / max(1, int(self.trainer.estimated_stepping_batches))
        watched = batch.marks is not None and self.objective.evidence.attention_weight > 0
        output = self.network(batch.inputs, watch_attention=watched)
        parts = self.objective(output, Targets(batch.targets, batch.confidence), progress, batch.marks)
        if self.auxiliary:
            # Every batch of an accumulated step learns an auxiliary batch of its own.
            turn = self.global_step * self.trainer.accumulate_grad_batches + part
            losses = [task.loss(self.network, turn, self.device) for task in self.auxiliary]
            auxiliary = torch.stack(losses).mean()
            parts = replace(parts, total=parts.total + self.auxiliary_weight * auxiliary, auxiliary=auxiliary)
        return output, parts

    def _part(self, batch_idx: int) -> int:
        """Return which of a step's batches this is, over accumulation and processes."""
        return batch_idx % self.trainer.accumulate_grad_batches + self.global_rank * 1000

    def _tell_loggers(self, parts: LossParts) -> None:
        self.log("train/loss", parts.total)
        self.log("train/loss/classification", parts.classification)
        if parts.contrastive is not None:
            self.log("train/loss/contrastive", parts.contrastive)
            self.log("train/contrastive_weight", parts.contrastive_weight)
        if parts.evidence is not None:
            self.log("train/loss/evidence", parts.evidence)
        if parts.auxiliary is not None:
            self.log("train/loss/auxiliary", parts.auxiliary)
        if parts.generation is not None:
            self.log("train/loss/generation", parts.generation)
        self.log("train/learning_rate", self.trainer.optimizers[0].param_groups[0]["lr"])

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Keep logits and targets until the epoch's end."""
        self.keep(self.network(batch.inputs), batch)

    def keep(self, output: NetworkOutput, batch: Batch) -> None:
        """Keep what validation needs of a batch."""
        self._validation.append((output.logits.float(), batch.targets))

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
        self.log("validation/loss", likelihood(config.task, logits, targets))
        self.log(f"validation/{self.headline_metric}", values[self.headline_metric], prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW, linear schedule: no decay for biases and norms, an own rate for new parts, lower layers slower."""
        groups = [group for group in self.parameter_groups() if group["params"]]
        fused = self.device.type in {"cpu", "cuda"}
        optimizer = torch.optim.AdamW(groups, weight_decay=self.optim.weight_decay, fused=fused)
        return warm_up_and_decay(optimizer, int(self.trainer.estimated_stepping_batches), self.optim.warmup)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the optimiser's groups; the first one's rate is logged: the encoder's top, or a frozen one's head."""
        optim = self.optim
        heads = [parameter for task in self.auxiliary for parameter in task.parameters()]
        groups = decayed_or_not([*self.network.new_parameters(), *heads], optim.head_lr)
        if optim.layer_decay < 1:
            blocks = encoder_blocks(self.network.encoder)
        else:
            blocks = [list(self.network.encoder.parameters())]
        for depth, block in enumerate(blocks):
            rate = optim.lr * optim.layer_decay ** (len(blocks) - 1 - depth)
            groups += decayed_or_not([parameter for parameter in block if parameter.requires_grad], rate)
        return groups[::-1]

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm here: Lightning refuses its own clipping with a fused optimiser under mixed precision."""
        if self.optim.gradient_clip > 0:
            torch.nn.utils.clip_grad_norm_(self.parameters(), self.optim.gradient_clip)


def batch_seed(seed: int, step: int, part: int) -> int:
    """Return the seed of one batch: those of one step, accumulated or on several processes, draw apart."""
    return seed * 1_000_003 + step + part * 1_000_000_007


def decayed_or_not(parameters: list[torch.nn.Parameter], rate: float) -> list[dict[str, Any]]:
    """Return two groups: weights, and what has one dimension or none (biases, norms, gates), which does not decay."""
    return [
        {"params": [p for p in parameters if p.ndim > 1], "lr": rate},
        {"params": [p for p in parameters if p.ndim <= 1], "lr": rate, "weight_decay": 0.0},
    ]


def warm_up_and_decay(optimizer: torch.optim.Optimizer, steps: int, warmup: float) -> dict[str, Any]:
    """Return what Lightning takes: rates that grow over the share `warmup` of all steps, then fall to zero."""
    total = max(1, steps)
    first = max(1, round(warmup * total))

    def factor(step: int) -> float:
        return min((step + 1) / first, max(0.0, (total - step) / max(1, total - first)))

    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": LambdaLR(optimizer, factor), "interval": "step"}}


def _detached(parts: LossParts) -> LossParts:
    found = {field.name: getattr(parts, field.name) for field in fields(parts)}
    tensors: dict[str, Any] = {name: value.detach() for name, value in found.items() if isinstance(value, Tensor)}
    return replace(parts, **tensors)
