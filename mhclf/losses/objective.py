"""The training objective: classification loss plus the weighted contrastive term, with its parts kept apart."""

from dataclasses import dataclass

from torch import Tensor, nn

from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.losses.classification import LOSSES, Targets
from mhclf.losses.contrastive import RAMPS, FeatureQueue, supervised_contrastive
from mhclf.losses.gather import every_process_sums, gathered
from mhclf.models.network import NetworkOutput


@dataclass(frozen=True)
class LossParts:
    """A loss over the posts of all processes and what it is made of; parts are unweighted.

    `auxiliary` is the mean over auxiliary tasks, where there are any.
    """

    total: Tensor
    classification: Tensor
    contrastive: Tensor | None
    contrastive_weight: float
    auxiliary: Tensor | None = None


@dataclass(frozen=True)
class TrainFacts:
    """What a loss must know of the train posts.

    Attributes
    ----------
    task : str
    class_counts : Tensor
        Posts of each label, shape (labels,).
    posts : int
    """

    task: str
    class_counts: Tensor
    posts: int


class Objective(nn.Module):
    """`L = L_classification + w(t) L_contrastive`, with `w` growing over the steps.

    Under several processes, both are those of all their posts together, and so are the gradients after ddp's average.

    Parameters
    ----------
    facts : TrainFacts
    loss : LossConfig
        Names the classification loss.
    contrastive : ContrastiveConfig
        Weight, temperature, ramp, queue.
    """

    def __init__(self, facts: TrainFacts, loss: LossConfig, contrastive: ContrastiveConfig) -> None:
        super().__init__()
        self.task = facts.task
        self.classification = LOSSES.get(loss.name)(facts.task, loss, facts.class_counts, facts.posts)
        self.ramp = RAMPS.get(contrastive.ramp)
        self.config = contrastive
        labels = len(facts.class_counts)
        self.levels = labels if contrastive.ordinal and facts.task == "ordinal" else 0
        self.queue: FeatureQueue | None = None
        if contrastive.weight > 0 and contrastive.queue:
            columns = labels if facts.task == "multilabel" else 0
            self.queue = FeatureQueue(contrastive.queue, contrastive.projection_size, columns)

    def forward(self, output: NetworkOutput, targets: Targets, training_progress: float) -> LossParts:
        """Compute the loss.

        Parameters
        ----------
        output : NetworkOutput
        targets : Targets
        training_progress : float
            Share of all steps done, in [0, 1].
        """
        everyone = gathered(targets.labels)
        per_post = self.classification(output, targets, everyone, training_progress)
        classification = every_process_sums(gathered(per_post).mean())
        if output.projection is None or self.config.weight == 0:
            return LossParts(classification, classification, None, 0.0)
        projections = gathered(output.projection)
        earlier = self.queue.content() if self.queue is not None else None
        contrastive = every_process_sums(
            supervised_contrastive(projections, everyone, self.config.temperature, levels=self.levels, earlier=earlier)
        )
        if self.queue is not None:
            self.queue.add(projections, everyone)
        weight = self.config.weight * self.ramp(training_progress / self.config.ramp_share)
        return LossParts(classification + weight * contrastive, classification, contrastive, weight)
