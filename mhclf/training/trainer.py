"""The trainer: Lightning's, with our checkpoints, log and stopping rule, and whatever else the configuration names."""

import inspect
import logging
from collections.abc import Callable
from typing import Any, Literal

import lightning
from lightning.pytorch import loggers
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    ModelCheckpoint,
    RichProgressBar,
)

from mhclf.config.training import TrainerConfig
from mhclf.errors import ConfigError
from mhclf.registry import nearest
from mhclf.training.callbacks import TrainingLog
from mhclf.training.checkpoints import WholeCheckpoints
from mhclf.training.environment import resolve_precision
from mhclf.training.folder import RunFolder

logger = logging.getLogger(__name__)


class Patience(EarlyStopping):
    """Early stopping that holds for a resumed run, too: one that had stopped does not train another epoch."""

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Stop at once where the checkpoint says so."""
        trainer.should_stop = trainer.should_stop or self.wait_count >= self.patience


def build_trainer(
    config: TrainerConfig, folder: RunFolder, metric: str, better: Literal["max", "min"], on_epoch: Callable[[], None]
) -> lightning.Trainer:
    """Return the trainer of a run.

    Parameters
    ----------
    config : TrainerConfig
    folder : RunFolder
        Where checkpoints and `training_log.csv` go.
    metric : str
        The validation metric that chooses the best checkpoint.
    better : {'max', 'min'}
        Which of its values is the best.
    on_epoch : callable
        Called after each epoch.

    Raises
    ------
    ConfigError
        If `options` or `loggers` name what Lightning lacks, or what this library sets itself.
    """
    monitored = f"validation/{metric}"
    shown = logger.isEnabledFor(logging.INFO)
    callbacks: list[Callback] = [
        TrainingLog(folder.path / "training_log.csv", metric, on_epoch),
        *averaging(config),
        ModelCheckpoint(
            folder.checkpoints,
            "best",
            monitored,
            mode=better,
            # Callbacks put the average into whole checkpoints only.
            save_weights_only=not config.average,
            enable_version_counter=False,
        ),
        ModelCheckpoint(folder.checkpoints, "last", save_on_train_epoch_end=True, enable_version_counter=False),
    ]
    if config.patience:
        callbacks.append(Patience(monitored, mode=better, patience=config.patience))
    if shown:
        callbacks.append(RichProgressBar(leave=True))
    ours: dict[str, Any] = {
        "max_epochs": config.epochs,
        "accelerator": config.accelerator,
        "devices": config.devices,
        "strategy": config.strategy,
        "accumulate_grad_batches": config.accumulate,
        "precision": precision(config),
        "callbacks": callbacks,
        "logger": build_loggers(config, folder) or False,
        "enable_model_summary": False,
        "enable_progress_bar": shown,
        "num_sanity_val_steps": 0,
        "default_root_dir": folder.path,
        # Our loaders share the posts out themselves.
        "use_distributed_sampler": False,
    }
    check_options(config, ours)
    # Strategies that share a model out write files of their own kind.
    whole = config.strategy == "auto" or config.strategy.startswith("ddp")
    plugins = {"plugins": [WholeCheckpoints()]} if whole else {}
    return lightning.Trainer(**(plugins | ours | config.options))


def precision(config: TrainerConfig) -> Literal["bf16-mixed", "32-true"]:
    """Return Lightning's name of the precision."""
    return "bf16-mixed" if resolve_precision(config) == "bf16" else "32-true"


def averaging(config: TrainerConfig) -> list[Callback]:
    """Return the callback of the moving average; it must see a step before the checkpoints do."""
    return [EMAWeightAveraging(decay=config.average_decay)] if config.average else []


def check_options(config: TrainerConfig, ours: dict[str, Any]) -> None:
    """Refuse trainer options that Lightning does not have, or that have a key of their own here.

    Raises
    ------
    ConfigError
        Names the option and the nearest one that exists.
    """
    known = [name for name in inspect.signature(lightning.Trainer.__init__).parameters if name != "self"]
    own = {"max_epochs": "epochs", "accumulate_grad_batches": "accumulate", "logger": "loggers"}
    for name, value in config.options.items():
        if name not in known:
            raise ConfigError(f"trainer: options: lightning.Trainer has no option '{name}'.{nearest(name, known)}")
        if name in {"gradient_clip_val", "gradient_clip_algorithm"}:
            raise ConfigError(f"trainer: options: '{name}' has no effect here. Give --optim.gradient_clip (by norm).")
        if name in {"fast_dev_run", "barebones", "enable_checkpointing"}:
            raise ConfigError(
                f"trainer: options: '{name}' would leave the run without the checkpoint that its model is taken from. "
                "For a quick look give --limit 50 --trainer.epochs 1."
            )
        if (name == "limit_val_batches" and value == 0) or (
            name == "check_val_every_n_epoch" and value is not None and value > config.epochs
        ):
            raise ConfigError(
                f"trainer: options: '{name}: {value}' would leave the run without a validated epoch, from which its "
                f"model is taken; it trains for {config.epochs}."
            )
        if name in {"accelerator", "devices", "strategy", "precision", *own}:
            raise ConfigError(f"trainer: options: give '{name}' as --trainer.{own.get(name, name)}.")
        if name in ours and name not in {"num_sanity_val_steps", "enable_model_summary"}:
            raise ConfigError(f"trainer: options: '{name}' is set by this library. Leave it out.")


def build_loggers(config: TrainerConfig, folder: RunFolder) -> list[Any]:
    """Return the loggers that the configuration names; they write below the run folder unless told otherwise.

    Raises
    ------
    ConfigError
        If Lightning has no such logger, its package is not installed, or an option does not fit.
    """
    built = []
    known = [name for name in dir(loggers) if name.endswith("Logger") and name != "Logger"]
    for name, options in config.loggers.items():
        if name not in known:
            raise ConfigError(f"trainer: loggers: no logger is called '{name}'. Known: {', '.join(known)}.")
        logger_class = getattr(loggers, name)
        takes_folder = "save_dir" in inspect.signature(logger_class.__init__).parameters
        where = {"save_dir": str(folder.path / "logs")} if takes_folder else {}
        try:
            built.append(logger_class(**(where | options)))
        except (TypeError, ModuleNotFoundError) as error:
            raise ConfigError(f"trainer: loggers: {name}: {' '.join(str(error).split())}") from error
    return built
