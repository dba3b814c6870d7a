"""Batches for the trainer, each process with its part."""

from typing import Any

import lightning
from torch.utils.data import DataLoader

from mhclf.config.training import BatchConfig
from mhclf.data.batches import Share, batch_loader
from mhclf.data.tokens import TokenisedPosts


class PostData(lightning.LightningDataModule):
    """Train posts, shared out over processes, and validation posts, which every process reads whole.

    Parameters
    ----------
    train, validation : TokenisedPosts
    config : BatchConfig
    seed : int
        Fixes the order of the epochs.
    """

    def __init__(self, train: TokenisedPosts, validation: TokenisedPosts, config: BatchConfig, seed: int) -> None:
        super().__init__()
        self.train, self.validation, self.config, self.seed = train, validation, config, seed

    def train_dataloader(self) -> DataLoader[Any]:
        """Return this process's batches of train posts."""
        trainer = self.trainer
        share = Share(trainer.global_rank, trainer.world_size) if trainer is not None else Share()
        return batch_loader(self.train, self.config, self.seed, share)

    def val_dataloader(self) -> DataLoader[Any]:
        """Return batches of all validation posts."""
        return batch_loader(self.validation, self.config, seed=None)
