"""The training objective: classification loss plus the weighted contrastive term, with its parts kept apart."""

from dataclasses import dataclass

from torch import Tensor

from mhclf.config.run import ContrastiveConfig
from mhclf.losses.classification import CLASSIFICATION_LOSSES
from mhclf.losses.contrastive import RAMPS, supervised_contrastive
from mhclf.models.network import NetworkOutput


@dataclass(frozen=True)
class LossParts:
    """A loss and what it is made of; `contrastive` is unweighted."""

    total: Tensor
    classification: Tensor
    contrastive: Tensor | None
    contrastive_weight: float


class Objective:
    """`L = L_classification + w(t) L_contrastive`, with `w` growing over the steps.

    Parameters
    ----------
    task : str
        Names the classification loss.
    contrastive : ContrastiveConfig
        Weight, temperature and ramp.
    """

    def __init__(self, task: str, contrastive: ContrastiveConfig) -> None:
        self.classification = CLASSIFICATION_LOSSES.get(task)
        self.ramp = RAMPS.get(contrastive.ramp)
        self.config = contrastive

    def __call__(self, output: NetworkOutput, targets: Tensor, training_progress: float) -> LossParts:
        """Compute the loss.

        Parameters
        ----------
        output : NetworkOutput
        targets : Tensor
            Class numbers (batch,) or 0/1 labels (batch, labels).
        training_progress : float
            Share of all steps done, in [0, 1].
        """
        classification = self.classification(output.logits, targets)
        if output.projection is None or self.config.weight == 0:
            return LossParts(classification, classification, None, 0.0)
        contrastive = supervised_contrastive(output.projection, targets, self.config.temperature)
        weight = self.config.weight * self.ramp(training_progress / self.config.ramp_share)
        return LossParts(classification + weight * contrastive, classification, contrastive, weight)
