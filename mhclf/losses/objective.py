"""The training objective: classification loss plus the weighted contrastive term, with its parts kept apart."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mhclf.config.loss import ContrastiveConfig, EvidenceConfig, LossConfig
from mhclf.losses.classification import LOSSES, Targets
from mhclf.losses.contrastive import RAMPS, FeatureQueue, supervised_contrastive
from mhclf.losses.evidence import attention_evidence, mean_over_processes, token_evidence
from mhclf.losses.gather import every_process_sums, gathered
from mhclf.models.network import NetworkOutput

NO_EVIDENCE = EvidenceConfig()


@dataclass(frozen=True)
class LossParts:
    """A loss over the posts of all processes and what it is made of.

    `contrastive` is unweighted; `evidence` holds both of its terms by their weights, and `evidence_weight` how far the
    ramp has come; `auxiliary` is the mean over auxiliary tasks, where there are any; `generation` is the unweighted
    loss of explanations, where a language model learns them beside the labels.
    """

    total: Tensor
    classification: Tensor
    contrastive: Tensor | None
    contrastive_weight: float
    evidence: Tensor | None = None
    evidence_weight: float = 0.0
    auxiliary: Tensor | None = None
    generation: Tensor | None = None


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
    """`L = L_classification + w(t) L_contrastive + v(t) L_evidence`, with weights that grow over the steps.

    Under several processes, both are those of all their posts together, and so are the gradients after ddp's average.

    Parameters
    ----------
    facts : TrainFacts
    loss : LossConfig
        Names the classification loss.
    contrastive : ContrastiveConfig
        Weight, temperature, ramp, queue.
    evidence : EvidenceConfig
    """

    def __init__(
        self,
        facts: TrainFacts,
        loss: LossConfig,
        contrastive: ContrastiveConfig,
        evidence: EvidenceConfig = NO_EVIDENCE,
    ) -> None:
        super().__init__()
        self.evidence = evidence
        self.evidence_ramp = RAMPS.get(evidence.ramp)
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

    def forward(
        self, output: NetworkOutput, targets: Targets, training_progress: float, marks: Tensor | None = None
    ) -> LossParts:
        """Compute the loss.

        Parameters
        ----------
        output : NetworkOutput
        targets : Targets
        training_progress : float
            Share of all steps done, in [0, 1].
        marks : Tensor, optional
            Which tokens experts marked, shape (batch, tokens); see `Batch`.
        """
        everyone = gathered(targets.labels)
        per_post = self.classification(output, targets, everyone, training_progress)
        classification = every_process_sums(gathered(per_post).mean())
        evidence = self.marked_words(output, marks)
        reached = self.evidence_ramp(training_progress / self.evidence.ramp_share) if evidence is not None else 0.0
        total = classification if evidence is None else classification + reached * evidence
        if output.projection is None or self.config.weight == 0:
            return LossParts(total, classification, None, 0.0, evidence, reached)
        projections = gathered(output.projection)
        earlier = self.queue.content() if self.queue is not None else None
        contrastive = every_process_sums(
            supervised_contrastive(projections, everyone, self.config.temperature, levels=self.levels, earlier=earlier)
        )
        if self.queue is not None:
            self.queue.add(projections, everyone)
        weight = self.config.weight * self.ramp(training_progress / self.config.ramp_share)
        total = total + weight * contrastive
        return LossParts(total, classification, contrastive, weight, evidence, reached)

    def marked_words(self, output: NetworkOutput, marks: Tensor | None) -> Tensor | None:
        """Return the weighted sum of what is learnt from marked words, None where nothing is."""
        if marks is None or not self.evidence.on:
            return None
        terms = []
        if output.attention is not None:
            per_post = attention_evidence(output.attention, marks)
            terms.append(self.evidence.attention_weight * mean_over_processes(per_post, output.attention))
        if output.evidence is not None:
            per_post = token_evidence(output.evidence, marks)
            terms.append(self.evidence.head_weight * mean_over_processes(per_post, output.evidence))
        return torch.stack(terms).sum()
