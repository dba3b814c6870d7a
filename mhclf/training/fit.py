"""Fitting a network: the trainer, its checkpoints, and going on where a killed run stopped."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint, RichProgressBar
from transformers import PreTrainedTokenizerBase

from mhclf.config.run import RunConfig
from mhclf.data.table import PostTable
from mhclf.data.tokens import TokenisedPosts, batch_loader
from mhclf.errors import ConfigError, RunError
from mhclf.evaluation import higher_is_better
from mhclf.losses.objective import Objective
from mhclf.models.encoder import load_encoder, load_tokenizer, longest_input
from mhclf.models.network import ClassifierNetwork, NetworkConfig
from mhclf.models.weights import EncoderSource
from mhclf.training.callbacks import TrainingLog
from mhclf.training.environment import quiet_lightning, resolve_precision
from mhclf.training.folder import RunFolder
from mhclf.training.plan import ClassificationPlan, LossNotFiniteError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fitted:
    """A trained network (best checkpoint, on the CPU, in fp32) with its tokenizer."""

    network: ClassifierNetwork
    tokenizer: PreTrainedTokenizerBase
    truncated: int


def build_network(table: PostTable, config: RunConfig, source: EncoderSource, attention: str) -> ClassifierNetwork:
    """Build encoder and new parts; the new parts' start depends on the seed alone."""
    encoder = load_encoder(source, attention)
    torch.manual_seed(config.seed)
    parts = NetworkConfig(
        table.config.task,
        table.labels,
        config.model.aggregation,
        config.model.pooling,
        config.model.dropout,
        config.contrastive.projection_size if config.contrastive.weight > 0 else 0,
    )
    # Encoders come from the library in evaluation mode, and Lightning keeps the mode it finds.
    return ClassifierNetwork(encoder, parts).train()


def fit_network(
    table: PostTable,
    config: RunConfig,
    source: EncoderSource,
    attention: str,
    max_length: int,
    folder: RunFolder,
    on_epoch: Callable[[], None],
) -> Fitted:
    """Train on `train`, choose by `validation`; test rows are not touched.

    Raises
    ------
    RunError
        If the loss stops being finite (names the posts of the batch by id), or a checkpoint is damaged.
    """
    quiet_lightning()
    tokenizer = load_tokenizer(source)
    train, validation = table.part("train"), table.part("validation")
    train_posts = TokenisedPosts(tokenizer, train.texts, train.targets, max_length, train.contexts)
    validation_posts = TokenisedPosts(tokenizer, validation.texts, validation.targets, max_length, validation.contexts)
    network = build_network(table, config, source, attention)
    positions = longest_input(network.encoder)
    if positions is not None and max_length > positions:
        raise ConfigError(
            f"max_length: is {max_length}, but the encoder '{source.name}' reads {positions} tokens at most."
        )
    metric = table.config.headline_metric
    plan = ClassificationPlan(
        network, Objective(table.config.task, config.contrastive), config.optim, config.seed, metric
    )
    best = ModelCheckpoint(
        folder.checkpoints,
        "best",
        f"validation/{metric}",
        mode="max" if higher_is_better(metric) else "min",
        save_weights_only=True,
        enable_version_counter=False,
    )
    last = ModelCheckpoint(folder.checkpoints, "last", save_on_train_epoch_end=True, enable_version_counter=False)
    trainer = lightning.Trainer(
        max_epochs=config.trainer.epochs,
        accelerator=config.trainer.accelerator,
        devices=1,
        precision="bf16-mixed" if resolve_precision(config.trainer) == "bf16" else "32-true",
        callbacks=[TrainingLog(folder.path / "training_log.csv", metric, on_epoch), best, last, *_progress_bar()],
        logger=False,
        enable_model_summary=False,
        enable_progress_bar=logger.isEnabledFor(logging.INFO),
        num_sanity_val_steps=0,
        default_root_dir=folder.path,
    )
    resume = folder.checkpoints / "last.ckpt"
    try:
        trainer.fit(
            plan,
            batch_loader(train_posts, config.batch, config.seed),
            batch_loader(validation_posts, config.batch, seed=None),
            ckpt_path=str(_checked(resume)) if resume.is_file() else None,
            weights_only=True,
        )
    except LossNotFiniteError as error:
        ids = ", ".join(train.frame["id"].iloc[error.rows].astype(str))
        raise RunError(
            f"{folder.path}: the loss is not finite at step {error.step}; the batch holds the posts {ids}. "
            "Lower --optim.lr or --optim.head_lr, or use --trainer.precision fp32."
        ) from error
    if trainer.interrupted:
        raise KeyboardInterrupt
    state = load_checkpoint(folder.checkpoints / "best.ckpt")["state_dict"]
    network.load_state_dict({key.removeprefix("network."): value for key, value in state.items()})
    return Fitted(network.cpu().float().eval(), tokenizer, train_posts.truncated)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint of tensors and plain values; anything else in it is refused, not executed.

    Raises
    ------
    RunError
        If the file is missing, damaged or foreign.
    """
    import pickle

    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise RunError(
            f"{path}: is no readable checkpoint of this library ({type(error).__name__}). "
            "Remove it to start the run afresh, or use --overwrite."
        ) from error
    if not isinstance(content, dict) or "state_dict" not in content:
        raise RunError(f"{path}: holds no state_dict. Remove it to start the run afresh, or use --overwrite.")
    return content


def _checked(path: Path) -> Path:
    load_checkpoint(path)
    return path


def _progress_bar() -> list[RichProgressBar]:
    return [RichProgressBar(leave=True)] if logger.isEnabledFor(logging.INFO) else []
