"""Checkpoints: writing them whole, reading them safely, and going on from one."""

import io
import pickle
import signal
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Callback

from mhclf.errors import MhclfError, RunError
from mhclf.results.files import write_bytes
from mhclf.training.folder import RunFolder


class WholeCheckpoints(TorchCheckpointIO):
    """Writes a checkpoint beside its place and renames it, so that a kill leaves the old one or the new one.

    Lightning's own way goes through the system's temporary folder: where that is another disk, the last step is a
    copy, which a kill cuts short.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any | None = None) -> None:
        """Write one checkpoint whole or not at all."""
        content = io.BytesIO()
        torch.save(checkpoint, content)
        write_bytes(Path(path), content.getvalue())


class _TrainingStart(Callback):
    """Knows whether training has begun: what fails before is the restoring of a checkpoint."""

    def __init__(self) -> None:
        self.reached = False

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Note that everything is restored."""
        self.reached = True


def train_or_resume(
    trainer: lightning.Trainer,
    plan: lightning.LightningModule,
    data: lightning.LightningDataModule,
    folder: RunFolder,
) -> None:
    """Train from the start, or from the folder's last checkpoint where there is one.

    Raises
    ------
    RunError
        If the checkpoint is damaged, or of another version of the code.
    KeyboardInterrupt
        On Ctrl-C.
    """
    resume = folder.checkpoints / "last.ckpt"
    going_on = resume.is_file()
    if going_on:
        load_checkpoint(resume)
    start = _TrainingStart()
    trainer.callbacks.append(start)  # type: ignore[attr-defined]
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(plan, datamodule=data, ckpt_path=str(resume) if going_on else None, weights_only=True)
    except (ValueError, RuntimeError, KeyError) as error:
        if start.reached or not going_on or isinstance(error, MhclfError):
            raise
        # Lightning's and torch's words for weights or optimiser states that do not fit the network.
        raise RunError(
            f"{resume}: does not fit this run ({type(error).__name__}); another version of the code has most likely "
            f"written it. Remove {folder.path}, or use --overwrite, to start the run afresh."
        ) from error
    except SystemExit as error:
        if not isinstance(error.__context__, KeyboardInterrupt):
            raise
        # Lightning makes of Ctrl-C an exit with code 1, and leaves the signal ignored.
        signal.signal(signal.SIGINT, handler)
        raise KeyboardInterrupt from error


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Load a checkpoint of tensors and plain values; anything else in it is refused, not executed.

    Raises
    ------
    RunError
        If the file is missing, damaged or foreign.
    """
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
