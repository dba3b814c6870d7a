"""What a suite YAML may say, and the cells that it plans."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mhclf.config.command_line import build_config, layered, recipe_names
from mhclf.config.run import RunConfig, short_name
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.config.suite_grid import GridConfig, NoiseConfig, TargetConfig
from mhclf.errors import ConfigError
from mhclf.registry import nearest

_CELL_KEYS = ("data", "encoder", "seed", "out", "data_root")
"""What the grid and the command line say, and no variant."""


@dataclass(frozen=True)
class ExplainedConfig:
    """What a suite explains of its runs (`explain.py --suite`).

    Attributes
    ----------
    methods : list of str
        Attribution methods; `core` and `all` stand for those that fit a run.
    posts : int
        Test posts with expert evidence, at most.
    posts_of : mapping
        Data set -> a smaller number of its own.
    curves : bool
        Measure deletion and insertion curves, too, and show every metric.
    """

    methods: tuple[str, ...] = ("core",)
    posts: int = 200
    posts_of: dict[str, int] = field(default_factory=dict)
    curves: bool = False

    def __post_init__(self) -> None:
        if self.posts < 1:
            raise ConfigError(f"explained: posts: is {self.posts}, expected 1 or more.")
        for dataset, posts in self.posts_of.items():
            if not 1 <= posts <= self.posts:
                raise ConfigError(f"explained: posts_of: {dataset}: is {posts}, expected 1 to {self.posts}.")


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
    variants : mapping
        Name -> run settings with `method: RECIPE` among them: a row of its own under that name, above all other
        settings of the suite.
    explained : ExplainedConfig
        What `explain.py --suite` does with its runs.
    ranks_without : list of str
        Data sets whose test posts stand in another one, too: mean ranks leave them out, as their test takes data sets
        as independent.
    notes : list of str
        Printed below the title.
    """

    name: str
    grids: tuple[GridConfig, ...]
    title: str = ""
    baselines: tuple[str, ...] = ("finetune",)
    settings: dict[str, Any] = field(default_factory=dict)
    dataset_settings: dict[str, Any] = field(default_factory=dict)
    variants: dict[str, dict[str, Any]] = field(default_factory=dict)
    explained: ExplainedConfig = field(default_factory=ExplainedConfig)
    ranks_without: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.grids:
            raise ConfigError("grids: give one or more, each with datasets, methods and seeds.")
        for dataset in self.ranks_without:
            if dataset not in self.datasets:
                raise ConfigError(
                    f"ranks_without: '{dataset}' is none of the datasets.{nearest(dataset, self.datasets)}"
                )
        for baseline in self.baselines:
            if baseline not in self.methods:
                raise ConfigError(f"baselines: '{baseline}' is none of the methods.{nearest(baseline, self.methods)}")
        sources = tuple(dict.fromkeys(name for grid in self.grids for name in grid.datasets))
        for dataset in self.dataset_settings:
            if dataset not in sources:
                raise ConfigError(f"dataset_settings: '{dataset}' is none of the datasets.{nearest(dataset, sources)}")
            if not isinstance(self.dataset_settings[dataset], dict):
                raise ConfigError(f"dataset_settings: {dataset}: expected a mapping of run settings.")
        for dataset in self.explained.posts_of:
            if dataset not in sources:
                raise ConfigError(
                    f"explained: posts_of: '{dataset}' is none of the datasets.{nearest(dataset, sources)}"
                )
        for name, settings in self.variants.items():
            if not isinstance(settings.get("method"), str):
                raise ConfigError(f"variants: {name}: the key 'method' is missing. Add 'method: RECIPE'.")
            if taken := [key for key in _CELL_KEYS if key in settings]:
                raise ConfigError(f"variants: {name}: '{taken[0]}' is said by the grids. Leave it out.")
            if name not in self.methods:
                raise ConfigError(f"variants: '{name}' is in no grid's methods.{nearest(name, self.methods)}")

    @property
    def datasets(self) -> tuple[str, ...]:
        """Data sets of all grids under the names of their tables, in order of appearance."""
        return tuple(
            dict.fromkeys(table for grid in self.grids for name in grid.datasets for table in grid.tables(name))
        )

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods (recipes and variants) of all grids, in order of appearance."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.methods))

    @property
    def encoders(self) -> tuple[str, ...]:
        """Encoders of all grids, in order of appearance."""
        return tuple(dict.fromkeys(name for grid in self.grids for name in grid.encoders))

    def lines(self, dataset: str) -> tuple[tuple[str, str], ...]:
        """Return the pairs of encoder and method that a data set's table has, in order."""
        grids = [grid for grid in self.grids if any(dataset in grid.tables(name) for name in grid.datasets)]
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
    return read_suite_file(folder / f"{name}.yaml")


def read_suite_file(path: Path) -> SuiteConfig:
    """Read a suite from its YAML.

    Raises
    ------
    ConfigError
        If there is none, it is wrong, or it has another name than the file.
    """
    try:
        suite = from_mapping(SuiteConfig, read_yaml(path), str(path))
    except ConfigError as error:
        raise error if str(path) in str(error) else ConfigError(f"{path}: {error}") from error
    if suite.name != path.stem:
        raise ConfigError(f"{path}: name: is '{suite.name}', expected '{path.stem}' as in the file name.")
    return suite


@dataclass(frozen=True)
class PlannedCell:
    """A cell of a suite: its run, and the names under which the table shows it.

    Attributes
    ----------
    config : RunConfig
    method : str
        Recipe or variant.
    part : str
        What is added to the data set's name; empty for the set as it is.
    targets : tuple of TargetConfig
        Data sets that the finished run is scored on.
    noise : NoiseConfig or None
        Changes of its test posts under which it predicts again.
    """

    config: RunConfig
    method: str
    part: str = ""
    targets: tuple[TargetConfig, ...] = ()
    noise: NoiseConfig | None = None

    @property
    def name(self) -> str:
        """Data set, method, encoder and seed, for lines and messages."""
        config = self.config
        return f"{short_name(config.data)}{self.part} {self.method} {short_name(config.encoder)} seed {config.seed}"


def plan_cells(suite: SuiteConfig, recipes: Path, over: dict[str, Any]) -> list[PlannedCell]:
    """Return every cell, grid by grid and seed by seed; one that several grids hold has the last one's settings.

    Parameters
    ----------
    suite : SuiteConfig
    recipes : Path
        Folder of the recipe YAMLs.
    over : dict
        Settings from the command line (`out`, `data_root`, `limit`); those that are None were not given.

    Raises
    ------
    ConfigError
        On a wrong setting, or a variant with the name of a recipe.
    """
    given = {key: value for key, value in over.items() if value is not None}
    for name in recipe_names(recipes):
        if name in suite.variants:
            raise ConfigError(f"variants: '{name}' is a recipe's name. Choose another.")
    cells = {
        (seed, part.of(dataset), encoder, method): PlannedCell(
            build_config(
                recipes,
                layered(suite.settings, suite.dataset_settings.get(dataset, {}), grid.settings, part.settings),
                {"method": method} | suite.variants.get(method, {}),
                {"data": dataset, "encoder": encoder, "seed": seed},
                given,
            ),
            method,
            part.label,
            grid.targets,
            grid.noise,
        )
        for grid in suite.grids
        for seed in grid.seeds
        for dataset in grid.datasets
        for part in grid.parts
        for encoder in grid.encoders
        for method in grid.methods
    }
    return list(cells.values())


def suite_cells(suite: SuiteConfig, recipes: Path, over: dict[str, Any]) -> list[RunConfig]:
    """Return the run configuration of every cell; see `plan_cells`."""
    return [cell.config for cell in plan_cells(suite, recipes, over)]
