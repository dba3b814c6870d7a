"""The run folder: its name, its lock, its status, and plain files written whole or not at all."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from safetensors import SafetensorError

from mhclf.config.dataset import DatasetConfig
from mhclf.config.run import RunConfig
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.data.manifest import content_hash
from mhclf.errors import ConfigError, RunError, disk_fault
from mhclf.models.weights import EncoderSource
from mhclf.results.files import read_mapping, remove_leftovers, write_text

_NOT_HASHED = ("out", "data_root", "report", "mask_identifiers", "columns")
_DEFAULTS = 1
"""Raise this when a default of `RunConfig` changes, or what a setting means."""


@dataclass(frozen=True)
class RunFolder:
    """Paths of one run (contract 5)."""

    path: Path

    @property
    def checkpoints(self) -> Path:
        """Folder of `best.ckpt` and `last.ckpt`."""
        return self.path / "checkpoints"

    @property
    def model(self) -> Path:
        """Folder of the saved model."""
        return self.path / "model"

    def status(self) -> dict[str, Any]:
        """Return the content of `status.json`, or an empty mapping."""
        path = self.path / "status.json"
        return read_mapping(path, "Remove the run folder or use --overwrite.") if path.exists() else {}

    @property
    def complete(self) -> bool:
        """Whether the run has ended well."""
        return self.status().get("state") == "complete"

    def write_json(self, name: str, content: Any) -> None:
        """Write a JSON file whole or not at all."""
        write_text(self.path / name, json.dumps(content, indent=1, ensure_ascii=False) + "\n")

    def write_config(self, config: RunConfig) -> None:
        """Write `config.yaml`."""
        write_text(self.path / "config.yaml", write_yaml(to_mapping(config)))

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder's lock; it is freed by the system when the process ends, however it ends.

        Raises
        ------
        RunError
            If another process holds it, or the folder cannot be written: at once, or because the disk fills up later.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with FileLock(self.path / ".lock", timeout=0):
                for folder in (self.path, self.checkpoints, self.model):
                    remove_leftovers(folder)
                yield
        except Timeout as error:
            raise RunError(
                f"{self.path}: another process works in this run folder. Wait for it, or change --out."
            ) from error
        except PermissionError as error:
            raise RunError(
                f"{error.filename or self.path}: cannot be written. Check permissions or change --out."
            ) from error
        except (FileExistsError, NotADirectoryError) as error:
            raise ConfigError(f"out: {self.path} cannot be made: a file is in the way. Change --out.") from error
        except (OSError, SafetensorError) as error:
            fault = disk_fault(error)
            if fault is None:
                raise
            raise RunError(
                f"{getattr(error, 'filename', None) or self.path}: cannot be written ({fault}). Make room or change "
                "--out; the same command goes on from what is done."
            ) from error


def run_folder(
    config: RunConfig, dataset: DatasetConfig, encoder: EncoderSource, data_hash: str, method: str = ""
) -> RunFolder:
    """Return the folder of a run: its name ends in a hash of the resolved configuration, the data and the weights.

    Only settings that differ from their defaults are hashed, with `_DEFAULTS`, the version of the defaults: a new
    option leaves the names of earlier runs as they are, a changed default does not. `method` is its name in the
    folder's, where that is not the configuration's.
    """
    settings = {
        key: value
        for key, value in changed_settings(to_mapping(config), to_mapping(RunConfig())).items()
        if key not in _NOT_HASHED
    }
    # Paths say where things lie, not what they are.
    settings |= {"data": dataset.name, "encoder": [encoder.name, encoder.sha256]}
    reading = [dataset.task, dataset.label_names, dataset.headline_metric]
    short = content_hash([_DEFAULTS, settings, reading, data_hash])[:8]
    name = "-".join([_safe(method or config.method), _safe(encoder.name), f"seed{config.seed}", short])
    return RunFolder(Path(config.out) / _safe(dataset.name) / name)


def _safe(name: str) -> str:
    """Return `name` as a folder name without separators or leading dots, short enough to stand beside others."""
    return re.sub(r"[^\w.+-]", "_", name).lstrip(".")[:60] or "_"


def changed_settings(settings: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return what differs from the defaults, nested mappings likewise."""
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        if isinstance(value, dict) and isinstance(defaults.get(key), dict):
            if inner := changed_settings(value, defaults[key]):
                changed[key] = inner
        elif value != defaults.get(key):
            changed[key] = value
    return changed
