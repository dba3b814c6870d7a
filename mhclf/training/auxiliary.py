"""Auxiliary tasks: other data sets that are learnt on the same encoder with heads of their own."""

import torch
from torch import Tensor, nn

from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.config.run import RunConfig
from mhclf.data.batches import PostBatches, Share, batch_classes
from mhclf.data.table import PostTable
from mhclf.data.tokens import Batch, TokenisedPosts
from mhclf.losses.classification import Targets
from mhclf.losses.objective import Objective
from mhclf.models.heads import HEADS
from mhclf.models.network import ClassifierNetwork, NetworkOutput
from mhclf.training.facts import train_facts


class AuxiliaryTask(nn.Module):
    """A head, a loss and the train posts of another data set.

    The loss is the likelihood, with the run's class weights and label smoothing: other losses, soft labels and the
    contrastive term belong to the main task, which an auxiliary set need not fit.

    Parameters
    ----------
    table : PostTable
        Its train rows.
    posts : TokenisedPosts
        The same rows.
    hidden : int
        Width of the shared representation.
    config : RunConfig
    """

    def __init__(self, table: PostTable, posts: TokenisedPosts, hidden: int, config: RunConfig) -> None:
        super().__init__()
        self.head = HEADS.get(table.config.task)(hidden, len(table.labels), config.model.dropout)
        loss = LossConfig(
            class_weights=config.loss.class_weights,
            effective_beta=config.loss.effective_beta,
            label_smoothing=config.loss.label_smoothing,
        )
        self.objective = Objective(train_facts(table), loss, ContrastiveConfig(weight=0.0))
        self.posts = posts
        classes = batch_classes(table.targets) if config.batch.per_class else None
        self.sampler = PostBatches(posts.lengths, config.batch, config.seed, classes)
        self._batches: list[list[int]] = []

    def batch(self, step: int) -> Batch:
        """Return the batch of a step; when all posts had their turn they are drawn anew."""
        epoch, place = divmod(step, len(self.sampler))
        if not self._batches or self.sampler.epoch != epoch:
            self.sampler.set_epoch(epoch)
            self._batches = self.sampler.batches()
        rows = self._batches[place % len(self._batches)]
        share = self.sampler.share
        return self.posts.collate(rows[share.rank :: share.world])

    def share(self, share: Share) -> None:
        """Say which part of each batch this process takes."""
        self.sampler.share = share
        self._batches = []

    def loss(self, network: ClassifierNetwork, step: int, device: torch.device) -> Tensor:
        """Return the loss of one batch on the shared encoder, pooling and aggregation."""
        batch = self.batch(step).to(device)
        aggregated = network.aggregation(network.summarise(batch.inputs))
        output = NetworkOutput(self.head(aggregated.representation), aggregated)
        total: Tensor = self.objective(output, Targets(batch.targets, batch.confidence), 1.0).total
        return total
