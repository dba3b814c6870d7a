"""What losses must know of the train posts."""

import torch

from mhclf.data.table import PostTable
from mhclf.losses.objective import TrainFacts


def train_facts(train: PostTable) -> TrainFacts:
    """Return task, class counts and number of posts of a table of train rows."""
    targets = torch.from_numpy(train.targets)
    labels = len(train.labels)
    counts = targets.sum(dim=0) if targets.ndim == 2 else torch.bincount(targets, minlength=labels)
    return TrainFacts(train.config.task, counts, len(train))
