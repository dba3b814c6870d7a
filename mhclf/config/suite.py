"""What a suite YAML may say: data sets x methods x encoders x seeds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mhclf.config.command_line import build_config, layered
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.errors import ConfigError
from mhclf.registry import nearest


@dataclass(frozen=True)
class SuiteConfig:
    """One suite.

    Attributes
    ----------
    name : str
        Names the table and the records.
    datasets, methods, encoders, seeds
        The grid; cells run seed by seed, so that a stopped suite has whole rows.
    baseline : str
        The method that the others are tested against, paired on posts.
    settings : mapping
        Run settings for every cell, above the recipe.
    dataset_settings : mapping
        Run settings for the cells of one data set.
    notes : list of str
        Printed below the table.
    """

    name: str
    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    encoders: tuple[str, ...] = ("minilm",)
    title: str = ""
    baseline: str = "finetune"
    settings: dict[str, Any] = field(default_factory=dict)
    dataset_settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("datasets", "methods", "seeds", "encoders"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"{name}: give one or more different values.")
        if self.baseline not in self.methods:
            raise ConfigError(
                f"baseline: '{self.baseline}' is none of the methods.{nearest(self.baseline, self.methods)}"
            )
        for dataset in self.dataset_settings:
            if dataset not in self.datasets:
                raise ConfigError(
                    f"dataset_settings: '{dataset}' is none of the datasets.{nearest(dataset, self.datasets)}"
                )
            if not isinstance(self.dataset_settings[dataset], dict):
                raise ConfigError(f"dataset_settings: {dataset}: expected a mapping of run settings.")


def read_suite(folder: Path, name: str) -> SuiteConfig:
    """Read a suite by name.

    Raises
    ------
    ConfigError
        If there is none, or its YAML is wrong.
    """
    names = sorted(path.stem for path in folder.glob("*.yaml"))
    if name not in names:
        raise ConfigError(f"suite: no suite is called '{name}'.{nearest(name, names)} Known: {', '.join(names)}.")
    path = folder / f"{name}.yaml"
    try:
        suite = from_mapping(SuiteConfig, read_yaml(path), str(path))
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{path}: {error}") from error
    if suite.name != name:
        raise ConfigError(f"{path}: name: is '{suite.name}', expected '{name}' as in the file name.")
    return suite


def suite_cells(suite: SuiteConfig, recipes: Path, over: dict[str, Any]) -> list[RunConfig]:
    """Return the run configuration of every cell, seed by seed.

    Parameters
    ----------
    suite : SuiteConfig
    recipes : Path
        Folder of the recipe YAMLs.
    over : dict
        Settings from the command line (`out`, `data_root`, `limit`); those that are None were not given.
    """
    return [
        build_config(
            recipes,
            layered(suite.settings, suite.dataset_settings.get(dataset, {})),
            {"data": dataset, "method": method, "encoder": encoder, "seed": seed},
            {key: value for key, value in over.items() if value is not None},
        )
        for seed in suite.seeds
        for dataset in suite.datasets
        for encoder in suite.encoders
        for method in suite.methods
    ]
