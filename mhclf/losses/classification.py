"""Classification losses: each gives one value a post, so that they can be weighted, averaged and split exactly."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mhclf.config.loss import LossConfig
from mhclf.errors import ConfigError
from mhclf.losses.class_weights import class_weights, positive_label_weights
from mhclf.models.heads import reservation_share
from mhclf.models.network import NetworkOutput
from mhclf.registry import Registry


@dataclass(frozen=True)
class Targets:
    """What the posts of a batch should be.

    Attributes
    ----------
    labels : Tensor
        Class numbers (batch,), or 0/1 labels (batch, labels).
    confidence : Tensor or None
        Share of annotators behind each post's label, (batch,); NaN where it is not known.
    """

    labels: Tensor
    confidence: Tensor | None = None


def likelihood(task: str, logits: Tensor, labels: Tensor) -> Tensor:
    """Return the mean negative log-likelihood: cross-entropy, for `multilabel` binary cross-entropy over all labels.

    The logits of ordered labels are log-probabilities, so that cross-entropy is their likelihood, too.
    """
    if task == "multilabel":
        return functional.binary_cross_entropy_with_logits(logits.float(), labels.float())
    return functional.cross_entropy(logits.float(), labels)


class ClassificationLoss:
    """Base of all classification losses.

    Parameters
    ----------
    task : str
    config : LossConfig
    class_counts : Tensor
        Train posts of each label, shape (labels,).
    posts : int
        Train posts.

    Raises
    ------
    ConfigError
        Where a setting does not fit the task.
    """

    tasks: tuple[str, ...] = ("multiclass", "ordinal", "multilabel")

    def __init__(self, task: str, config: LossConfig, class_counts: Tensor, posts: int) -> None:
        if task not in self.tasks:
            raise ConfigError(f"loss: '{config.name}' is no loss of a {task} task; it fits {', '.join(self.tasks)}.")
        if config.soft_labels and task == "multilabel":
            raise ConfigError("loss: soft_labels: needs one label a post; leave it off for a multilabel task.")
        self.task, self.config = task, config
        self.labels = len(class_counts)
        self.weights = class_weights(config, class_counts) if task != "multilabel" else None
        self.positive_weights = positive_label_weights(config, class_counts, posts) if task == "multilabel" else None

    def __call__(self, output: NetworkOutput, targets: Targets, everyone: Tensor, progress: float) -> Tensor:
        """Return the loss of each post, shape (batch,).

        Parameters
        ----------
        output : NetworkOutput
        targets : Targets
            Of the same posts.
        everyone : Tensor
            Labels of all posts of this step, those on other devices included.
        progress : float
            Share of all steps done, in [0, 1].
        """
        raise NotImplementedError

    def distribution(self, targets: Targets) -> Tensor:
        """Return the target probability of each label, shape (batch, labels), smoothed and softened as configured."""
        wanted = functional.one_hot(targets.labels, self.labels).float()
        if self.config.soft_labels and targets.confidence is not None:
            # Without a known confidence the label is taken as certain.
            share = targets.confidence.nan_to_num(nan=1.0).clamp(0, 1).unsqueeze(-1)
            wanted = wanted * share + (1 - wanted) * (1 - share) / max(1, self.labels - 1)
        smoothing = self.config.label_smoothing
        return wanted * (1 - smoothing) + smoothing / self.labels

    def by_label(self, logits: Tensor, targets: Targets) -> tuple[Tensor, Tensor]:
        """Return weighted targets and log-probabilities, each (batch, labels), or (batch, 2 labels) for `multilabel`.

        Their product, summed over columns, is minus the likelihood of a post; for `multilabel` the mean over labels.
        """
        if self.task == "multilabel":
            on = targets.labels.float()
            smoothing = self.config.label_smoothing
            on = on * (1 - smoothing) + smoothing / 2
            positive = on * _like(self.positive_weights, logits)
            columns = torch.cat([positive, 1 - on], dim=-1) / self.labels
            return columns, torch.cat([functional.logsigmoid(logits), functional.logsigmoid(-logits)], dim=-1)
        return self.distribution(targets) * _like(self.weights, logits), logits.log_softmax(dim=-1)


LOSSES: Registry[type[ClassificationLoss]] = Registry("loss")


@LOSSES.register("auto")
class Likelihood(ClassificationLoss):
    """Cross-entropy; for several labels a post, binary cross-entropy averaged over labels."""

    def __call__(self, output: NetworkOutput, targets: Targets, everyone: Tensor, progress: float) -> Tensor:
        """See the base."""
        wanted, log_probability = self.by_label(output.logits.float(), targets)
        return -(wanted * log_probability).sum(dim=-1)


@LOSSES.register("focal")
class Focal(ClassificationLoss):
    r"""Focal loss :math:`-(1 - p_t)^\gamma \log p_t` (Lin et al. 2017, arXiv:1708.02002)."""

    def __call__(self, output: NetworkOutput, targets: Targets, everyone: Tensor, progress: float) -> Tensor:
        """See the base."""
        wanted, log_probability = self.by_label(output.logits.float(), targets)
        # 1 - p by expm1 keeps its gradient finite where p is close to 1.
        far = (-torch.expm1(log_probability)).clamp(min=1e-12) ** self.config.focal_gamma
        return -(wanted * far * log_probability).sum(dim=-1)


@LOSSES.register("gamblers")
class Gamblers(ClassificationLoss):
    r"""Gambler's loss :math:`-\log(\sum_j y_j p_j + r / o)` (Liu et al. 2019, arXiv:1907.00208).

    :math:`p` and the reservation :math:`r` are one softmax over the labels' logits and the reservation's;
    :math:`o` is the payoff.
    """

    tasks = ("multiclass", "ordinal")

    def __init__(self, task: str, config: LossConfig, class_counts: Tensor, posts: int) -> None:
        super().__init__(task, config, class_counts, posts)
        self.payoff = float(config.payoff or self.labels)
        if self.payoff > self.labels:
            raise ConfigError(f"loss: payoff: is {self.payoff:g}, expected above 1 and at most {self.labels} (labels).")

    def __call__(self, output: NetworkOutput, targets: Targets, everyone: Tensor, progress: float) -> Tensor:
        """See the base."""
        logits = output.logits.float()
        wanted, log_probability = self.by_label(logits, targets)
        if output.reservation is None:
            raise ConfigError("loss: 'gamblers' needs a reservation. Add --model.abstain true.")
        if progress < self.config.start_share:
            # The reservation stays in the graph: ddp wants a gradient, if zero, for every parameter.
            return -(wanted * log_probability).sum(dim=-1) + 0.0 * reservation_share(logits, output.reservation)
        # In logarithms: a post that is decided wrongly beyond doubt keeps its gradient.
        both = torch.cat([logits, output.reservation.float().unsqueeze(-1)], dim=-1).log_softmax(dim=-1)
        weight = wanted.sum(dim=-1)
        share = (wanted / weight.clamp(min=torch.finfo(weight.dtype).tiny).unsqueeze(-1)).log()
        kept = both[:, -1:] - math.log(self.payoff)
        return -weight * torch.cat([share + both[:, :-1], kept], dim=-1).logsumexp(dim=-1)


@LOSSES.register("balanced_accuracy")
class BalancedAccuracy(Likelihood):
    r"""Cross-entropy and a surrogate of balanced accuracy.

    .. math:: L = L_{CE} + \beta \bigl(1 - \tfrac{1}{K} \sum_k \mathrm{mean}_{i: y_i = k} \, p_{ik}\bigr)

    with :math:`K` the classes in the batch. Menta (arXiv:2512.02716) names such a term; its formula is not
    published, this one is ours.
    """

    tasks = ("multiclass", "ordinal")

    def __call__(self, output: NetworkOutput, targets: Targets, everyone: Tensor, progress: float) -> Tensor:
        """See the base."""
        counts = torch.bincount(everyone, minlength=self.labels)
        classes = (counts > 0).sum()
        probability = output.logits.float().softmax(dim=-1).gather(1, targets.labels.unsqueeze(-1)).squeeze(-1)
        # The mean of these over all posts of the step is 1 minus the mean over classes.
        surrogate = 1 - len(everyone) * probability / (classes * counts[targets.labels])
        return super().__call__(output, targets, everyone, progress) + self.config.balanced_weight * surrogate


def _like(weights: Tensor | None, logits: Tensor) -> Tensor | float:
    return 1.0 if weights is None else weights.to(logits)
