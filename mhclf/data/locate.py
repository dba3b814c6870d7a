"""Finds a data set's YAML by name and its files under the data root."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mhclf.config.columns import GivenColumns
from mhclf.config.dataset import DatasetConfig
from mhclf.config.source import TABLE_ENDINGS, FileConfig, is_table_file
from mhclf.config.structure import from_mapping, read_yaml, to_short_mapping, write_yaml
from mhclf.data.fetch import fetch_file
from mhclf.errors import ConfigError, DataError
from mhclf.registry import mistyped, nearest

_PACKAGE = Path(__file__).resolve().parent.parent


def config_folder() -> Path:
    """Return the folder of the data set YAMLs: the checkout's, or the copy inside an installed package."""
    checkout = _PACKAGE.parent / "datasets_cfg"
    return checkout if checkout.is_dir() else _PACKAGE / "datasets_cfg"


def dataset_names() -> list[str]:
    """Return the names of the data sets that come with the library, sorted."""
    return sorted(path.stem for path in config_folder().glob("*.yaml") if not path.stem.startswith("_"))


@dataclass(frozen=True)
class LocatedDataset:
    """A data set's configuration with the path of its YAML, or of the data file out of which it was guessed.

    `guessed` says for a data file what was guessed and why, a sentence each.
    """

    config: DatasetConfig
    path: Path
    guessed: tuple[str, ...] = ()

    def account(self) -> str:
        """Return what to tell a user about a data file: the guesses and the YAML that says the same; '' for a YAML."""
        if not self.guessed:
            return ""
        lines = [f"{self.path}: no YAML is given, so this is guessed:", *(f"  {reason}" for reason in self.guessed)]
        yaml = "".join(f"  {line}\n" for line in dataset_yaml(self.config).splitlines())
        keep = (
            f"To change it, put these lines into a YAML beside {self.path.name} (a run folder has them: dataset.yaml)"
        )
        return "\n".join(lines) + f"\n{keep}:\n{yaml}"


def dataset_yaml(config: DatasetConfig) -> str:
    """Return the YAML of a data set, without the keys that hold their defaults."""
    return write_yaml(to_short_mapping(config))


def find_dataset(name: str, columns: GivenColumns | None = None) -> LocatedDataset:
    """Read the YAML of a data set given by name or by path, or guess it for the path of a data file.

    Parameters
    ----------
    name : str
        `demo`, `dreaddit`, ...; or the path of a YAML, or of a csv, tsv, json, jsonl, parquet or xlsx file.
    columns : GivenColumns, optional
        Columns of a data file that are not guessed.

    Raises
    ------
    ConfigError
        If there is no such name or file, or the YAML is wrong.
    DataError
        If a data file cannot be read, or its columns cannot be guessed.
    """
    path = Path(name)
    if is_table_file(name):
        return _guessed(path, columns)
    if path.suffix not in (".yaml", ".yml"):
        path = config_folder() / f"{name}.yaml"
        if name not in dataset_names():
            known = dataset_names()
            raise ConfigError(
                f"data: no data set is called '{name}'.{nearest(name, known)} "
                f"Known: {', '.join(known)}. For your own, give the path of its YAML or of its data file "
                f"({', '.join(TABLE_ENDINGS)})."
            )
    mapping = _with_extends(path)
    try:
        return LocatedDataset(from_mapping(DatasetConfig, mapping, str(path)), path)
    except ConfigError as error:
        if str(path) in str(error):
            raise
        raise ConfigError(f"{path}: {error}") from error


def _guessed(path: Path, columns: GivenColumns | None) -> LocatedDataset:
    try:
        there = path.is_file()
    except (OSError, ValueError):
        there = False
    if not there:
        beside = sorted(item.name for item in path.parent.iterdir()) if path.parent.is_dir() else []
        meant = mistyped(path.name, beside)
        hint = f" Did you mean '{meant}'?" if meant else ""
        raise ConfigError(f"data: there is no file '{path}'.{hint} Check the path.")
    # Tables are read by pandas, which the doors load after their options.
    from mhclf.data.guess import guess_dataset
    from mhclf.data.readers import read_table

    frame = read_table(path)
    if frame.empty:
        raise DataError(f"{path}: has a header but no rows.")
    found = guess_dataset(frame, str(path), columns)
    return LocatedDataset(found.config, path, found.reasons)


def _with_extends(path: Path, depth: int = 0) -> dict[str, Any]:
    """Return the mapping at `path` laid over the one that its `extends:` key names (a file beside it)."""
    mapping = read_yaml(path)
    base_name = mapping.pop("extends", None)
    if base_name is None:
        return mapping
    if depth >= 5:
        raise ConfigError(f"{path}: extends: more than five files deep; is there a circle?")
    if not isinstance(base_name, str):
        raise ConfigError(f"{path}: extends: expected the name of a YAML file beside this one.")
    return _merge(_with_extends(path.parent / base_name, depth + 1), mapping)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        # Files are replaced as a whole: a set with other files has other splits.
        nested = key != "files" and isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if nested else value
    return merged


def find_file(file: FileConfig, yaml_path: Path, data_root: str | None, access: str = "") -> Path:
    """Return where a data file lies: beside the YAML, under the data root, or fetched from its address.

    Parameters
    ----------
    file : FileConfig
        As the YAML gives it.
    yaml_path : Path
        The YAML that names it.
    data_root : str, optional
        Replaces `$MHCLF_DATA` and `./data`.
    access : str
        How to get it, for the message where it is nowhere.

    Raises
    ------
    DataError
        If it is nowhere (lists the places and says how to get it), or cannot be fetched.
    """
    candidates = _candidates(file.path, yaml_path, data_root) if file.path else []
    for candidate in candidates:
        try:
            if candidate.is_dir():
                raise DataError(f"{candidate}: is a folder, expected a file. Mend 'source: files' in {yaml_path}.")
            if candidate.is_file():
                return candidate
        except OSError as error:
            raise DataError(
                f"{candidate}: cannot be read ({error.strerror}). Check the path in {yaml_path}."
            ) from error
    looked = ", ".join(str(candidate) for candidate in candidates)
    if file.url:
        try:
            return fetch_file(file.url, file.sha256)
        except DataError as error:
            if not candidates:
                raise
            where = f"{yaml_path}: the file '{file.path}' was not found (looked at {looked})"
            raise DataError(f"{where} and could not be fetched. {error}") from error
    how = f" How to get it: {access}" if access else ""
    raise DataError(
        f"{yaml_path}: the file '{file.path}' was not found (looked at {looked}). "
        f"Give its folder with --data-root DIR or the environment variable MHCLF_DATA.{how}"
    )


def check_files(located: LocatedDataset, data_root: str | None) -> None:
    """Refuse a set whose files are neither here nor public, before anything slow is imported."""
    for _, files in located.config.source.files_by_split():
        for file in files:
            if not file.url:
                find_file(file, located.path, data_root, located.config.access)


def _candidates(name: str, yaml_path: Path, data_root: str | None) -> list[Path]:
    root = data_root or os.environ.get("MHCLF_DATA") or "data"
    return [yaml_path.parent / name, Path(root) / name]
