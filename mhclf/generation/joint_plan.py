"""The plan of a classifier that learns to explain."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mhclf.config.joint import ExplanationConfig
from mhclf.data.tokens import Batch
from mhclf.generation.explanation_head import ExplanationHead
from mhclf.generation.joint_data import JointBatch
from mhclf.losses.objective import LossParts
from mhclf.models.network import NetworkOutput
from mhclf.training.plan import ClassificationPlan, decayed_or_not

HEAD = "head."


class JointPlan(ClassificationPlan):
    """Train a classifier and the head that explains it: `L = L_classifier + weight * L_generation`.

    Posts without an explanation count for the classifier only. The headline metric of the classifier chooses the best
    checkpoint.

    Parameters
    ----------
    plan : ClassificationPlan
        Of the classifier alone.
    head : ExplanationHead
    config : ExplanationConfig
    """

    def __init__(self, plan: ClassificationPlan, head: ExplanationHead, config: ExplanationConfig) -> None:
        super().__init__(
            plan.network,
            plan.objective,
            plan.optim,
            plan.seed_value,
            plan.headline_metric,
            plan.auxiliary,
            plan.auxiliary_weight,
        )
        self.head = head
        self.config = config
        # The frozen part of the decoder is not in checkpoints.
        self.strict_loading = False
        self._held_out: list[tuple[float, float]] = []

    def losses(self, batch: Batch, part: int = 0) -> tuple[NetworkOutput, LossParts]:
        """Return what the network says of a batch, and all losses; `part` counts the batches of one step."""
        output, parts = super().losses(batch, part)
        generation = self.generation_loss(output, batch) if self.config.weight > 0 else None
        if generation is None:
            return output, parts
        return output, replace(parts, total=parts.total + self.config.weight * generation, generation=generation)

    def generation_loss(self, output: NetworkOutput, batch: Batch) -> Tensor | None:
        """Return the loss of the explanations of a batch, None where it has none."""
        if not isinstance(batch, JointBatch) or batch.explanations is None or batch.explained is None:
            return None
        rows = output.aggregated.representation[batch.explained]
        loss: Tensor = self.head(rows, batch.explanations, self.config.micro_batch)
        return loss

    def keep(self, output: NetworkOutput, batch: Batch) -> None:
        """Keep what validation needs of a batch."""
        super().keep(output, batch)
        loss = self.generation_loss(output, batch)
        if loss is not None and isinstance(batch, JointBatch) and batch.explanations is not None:
            weight = float(batch.explanations.weights.sum())
            self._held_out.append((float(loss) * weight, weight))

    def on_validation_epoch_end(self) -> None:
        """Log the classifier's numbers and the mean generation loss over all tokens of validation."""
        super().on_validation_epoch_end()
        if self._held_out:
            total, weight = (sum(values) for values in zip(*self._held_out, strict=True))
            self.log("validation/generation_loss", total / weight, prog_bar=True)
        self._held_out.clear()

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return the classifier's groups, then those of the head with a rate of its own."""
        return [*super().parameter_groups(), *decayed_or_not(self.head.learning(), self.config.lr)]

    def configure_gradient_clipping(
        self, optimizer: Any, gradient_clip_val: Any = None, gradient_clip_algorithm: Any = None
    ) -> None:
        """Clip by norm, classifier and head apart: a large gradient of one does not slow the other."""
        if self.optim.gradient_clip > 0:
            head = self.head.learning()
            own = {id(parameter) for parameter in head}
            rest = [parameter for parameter in self.parameters() if id(parameter) not in own]
            for group in (rest, head):
                torch.nn.utils.clip_grad_norm_(group, self.optim.gradient_clip)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave out the frozen part of the decoder."""
        names = self._saved_names()
        checkpoint["state_dict"] = {name: value for name, value in checkpoint["state_dict"].items() if name in names}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse a checkpoint that holds other weights than this plan saves."""
        if set(checkpoint["state_dict"]) != self._saved_names():
            raise KeyError("the checkpoint's weights are not those of this model")

    def _saved_names(self) -> set[str]:
        learning = {name for name, parameter in self.named_parameters() if parameter.requires_grad}
        return {name for name in self.state_dict() if not name.startswith(HEAD) or name in learning}
