"""The cells of a suite as YAML and as command lines."""

import json
import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mhclf.config.command_line import build_config
from mhclf.config.run import RunConfig
from mhclf.config.source import is_table_file
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.config.suite import PlannedCell

_FREE = ("--trainer.options", "--trainer.loggers")
"""Mappings whose keys are no options."""


def cells_yaml(cells: Sequence[PlannedCell]) -> str:
    """Return the resolved settings of every cell as a YAML list, under the cell's name."""
    return write_yaml({cell.name: to_mapping(cell.config) for cell in cells})


def run_options(config: RunConfig, recipes: Path) -> list[str]:
    """Return the options with which `train.py` has this configuration: recipe first, then what differs from it.

    Parameters
    ----------
    config : RunConfig
    recipes : Path
        Folder of the recipe YAMLs.

    Notes
    -----
    The command line reads a word that looks like a number as one inside `trainer.options` and `trainer.loggers`, whose
    values have no declared type.
    """
    recipe = to_mapping(build_config(recipes, {"method": config.method}))
    return ["--method", config.method, *_differing(to_mapping(config), recipe)]


def command_line(program: Sequence[str], config: RunConfig, recipes: Path, data_root: str) -> str:
    """Return one shell line that carries out a run, from whatever folder it is started.

    Parameters
    ----------
    program : sequence of str
        Interpreter and script.
    config : RunConfig
        Paths in it are made absolute.
    recipes : Path
    data_root : str
        Folder of the data files where the configuration names none; left out where it does not exist.
    """
    return shlex.join([*program, *run_options(with_absolute_paths(config, data_root), recipes), "--quiet"])


def with_absolute_paths(config: RunConfig, data_root: str) -> RunConfig:
    """Return the configuration of the same run for a process with another working folder.

    Parameters
    ----------
    config : RunConfig
    data_root : str
        Folder of the data files where the configuration names none; left out where it does not exist.
    """
    root = Path(config.data_root or data_root).expanduser().absolute()
    paths: dict[str, Any] = {"out": str(Path(config.out).absolute())}
    if config.data_root is not None or root.is_dir():
        paths["data_root"] = str(root)
    if Path(config.data).suffix in {".yaml", ".yml"} or is_table_file(config.data):
        paths["data"] = str(Path(config.data).absolute())
    if Path(config.encoder).expanduser().is_dir():
        paths["encoder"] = str(Path(config.encoder).expanduser().absolute())
    return replace(config, **paths)


def _differing(settings: dict[str, Any], recipe: dict[str, Any], prefix: str = "--") -> list[str]:
    options: list[str] = []
    for key, value in settings.items():
        if value == recipe[key]:
            continue
        if isinstance(value, dict) and isinstance(recipe[key], dict) and prefix + key not in _FREE:
            options += _differing(value, recipe[key], f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            options += [f"{prefix}{key}={text}"]
    return options
