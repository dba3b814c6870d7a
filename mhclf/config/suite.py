"""What a suite YAML may say: grids of data sets x methods x encoders x seeds."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mhclf.config.command_line import build_config, layered
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.errors import ConfigError
from mhclf.registry import nearest


@dataclass(frozen=True)
class GridConfig:
    """One grid: every data set with every method, encoder and seed.

    Attributes
    ----------
    datasets, methods, seeds, encoders
        Cells run seed by seed, so that a stopped suite has whole rows.
    settings : mapping
        Run settings for the grid's cells, above those of suite and data set.
    """

    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    encoders: tuple[str, ...] = ("minilm",)
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("datasets", "methods", "seeds", "encoders"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"{name}: give one or more different values.")


@dataclass(frozen=True)
class SuiteConfig:
    """One suite.

    Attributes
    ----------
    name : str
        Names the table and the records.
    grids : list of GridConfig
        Its cells; a cell of two grids runs once.
    baselines : list of str
        The methods that the others are tested against, paired on posts.
    settings : mapping
        Run settings for every cell, above the recipe.
    dataset_settings : mapping
        Run settings for the cells of one data set.
    notes : list of str
        Printed below the title.
    """

    name: str
    grids: tuple[GridConfig, ...]
    title: str = ""
    baselines: tuple[str, ...] = ("finetune",)
    settings: dict[str, Any] = field(default_factory=dict)
    dataset_settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.grids:
            raise ConfigError("grids: give one or more, each with datasets, methods and seeds.")
        for baseline in self.baselines:
            if baseline not in self.methods:
                raise ConfigError(f"baselines: '{baseline}' is none of the methods.{nearest(baseline, self.methods)}")
        for dataset in self.dataset_settings:
            if dataset not in self.datasets:
                raise ConfigError(
                    f"dataset_settings: '{dataset}' is none of the datasets.{nearest(dataset, self.datasets)}"
                )
            if not isinstance(self.dataset_settings[dataset], dict):
                raise ConfigError(f"dataset_settings: {dataset}: expected a mapping of run settings.")

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets of all grids, in order of appearance."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.datasets))

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods of all grids, in order of appearance."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.methods))

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders of all grids, in order of appearance."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.encoders))

    def lines(self, dataset: str) -> tuple[tuple[str, str], ...]:
        """Return the pairs of encoder and method that a data set's table has, in order."""
        grids = [grid for grid in self.grids if dataset in grid.datasets]
        planned = {(encoder, method) for grid in grids for encoder in grid.encoders for method in grid.methods}
        return tuple(
            (encoder, method) for encoder in self.encoders for method in self.methods if (encoder, method) in planned
        )


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
    """Return the run configuration of every cell, grid by grid and seed by seed.

    Parameters
    ----------
    suite : SuiteConfig
    recipes : Path
        Folder of the recipe YAMLs.
    over : dict
        Settings from the command line (`out`, `data_root`, `limit`); those that are None were not given.
    """
    given = {key: value for key, value in over.items() if value is not None}
    cells = {
        (seed, dataset, encoder, method): build_config(
            recipes,
            layered(suite.settings, suite.dataset_settings.get(dataset, {}), grid.settings),
            {"data": dataset, "method": method, "encoder": encoder, "seed": seed},
            given,
        )
        for grid in suite.grids
        for seed in grid.seeds
        for dataset in grid.datasets
        for encoder in grid.encoders
        for method in grid.methods
    }
    return list(cells.values())
