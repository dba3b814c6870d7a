"""What a comparison of systems may say: prompted, tuned, jointly trained ones and classifiers, on the same rows."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mhclf.config.command_line import build_run_settings, layered
from mhclf.config.generation import GenerationConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.joint import JointConfig
from mhclf.config.run import RunConfig, short_name
from mhclf.config.structure import find_yaml, from_mapping, read_yaml
from mhclf.config.suite import SuiteConfig
from mhclf.config.suite_grid import GridConfig
from mhclf.errors import ConfigError
from mhclf.registry import nearest


@dataclass(frozen=True)
class SystemConfig:
    """How one row of a comparison is made: one of `majority`, `prompt`, `joint` and `train`.

    Attributes
    ----------
    majority : bool
        The most frequent label of train for every post.
    prompt : mapping, optional
        Settings of `generate.py prompt`.
    tune : mapping, optional
        Settings of `generate.py tune`, on the grid's `tuned_on`; the tuned model is the one that is prompted.
    labels : str
        Of a prompt: name of a system that is trained, whose labels are explained.
    joint : mapping, optional
        Settings of `generate.py joint`, `method` among them.
    train : mapping, optional
        Settings of `train.py`, `method` among them.
    """

    majority: bool = False
    prompt: dict[str, Any] | None = None
    tune: dict[str, Any] | None = None
    labels: str = ""
    joint: dict[str, Any] | None = None
    train: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        if sum(part is not None for part in (self.prompt, self.joint, self.train, self.majority or None)) != 1:
            raise ConfigError("systems: give each one of 'majority', 'prompt', 'joint' and 'train'.")
        if self.prompt is None and (self.tune is not None or self.labels):
            raise ConfigError("systems: 'tune' and 'labels' come before a 'prompt'. Add one, or leave them out.")
        if self.labels and not (self.prompt or {}).get("explain"):
            raise ConfigError("systems: of given 'labels' only explanations are asked for. Add 'explain: true'.")
        if self.labels and "labels" in (self.prompt or {}):
            raise ConfigError("systems: 'labels' are those of another system. Leave 'labels' out of the prompt.")


@dataclass(frozen=True)
class ComparisonGrid:
    """A data set and the systems that are held against each other on its test rows.

    Attributes
    ----------
    data : str
    systems : list of str
    tuned_on : str
        Data set that `tune` learns from; empty for `data` itself.
    limit : int, optional
        Rows per split of all of these systems.
    dataset_settings : mapping
        Settings of `joint` and `train` on this data set.
    """

    data: str
    systems: tuple[str, ...]
    tuned_on: str = ""
    limit: int | None = None
    dataset_settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ComparisonConfig:
    """One comparison.

    Attributes
    ----------
    name : str
        Names the tables and the records.
    systems : mapping of str to SystemConfig
        Name of a row -> how it is made.
    grids : list of ComparisonGrid
    baselines : list of str
        The systems that the others are tested against, paired on posts.
    seed : int
    encoder : str
        For BERTScore of explanations; empty leaves it out.
    classifier : str
        The trained system whose attributions the explanations of language models are held against; empty for none. A
        classifier that is explained, or explains itself, is held against its own.
    attribution : str
        Method of `explain.attribute`; empty for none at all.
    title : str
    notes : list of str
        Printed below the title.
    """

    name: str
    systems: dict[str, SystemConfig]
    grids: tuple[ComparisonGrid, ...]
    baselines: tuple[str, ...]
    seed: int = 1
    encoder: str = "minilm"
    classifier: str = ""
    attribution: str = ""
    title: str = ""
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.grids:
            raise ConfigError("grids: give one or more, each with data and systems.")
        named = [name for grid in self.grids for name in grid.systems]
        named += [
            *self.baselines,
            *filter(None, [self.classifier]),
            *(system.labels for system in self.systems.values() if system.labels),
        ]
        for name in named:
            if name not in self.systems:
                raise ConfigError(f"systems: '{name}' is none.{nearest(name, self.systems)}")
        for name, system in self.systems.items():
            if system.labels and self.systems[system.labels].train is None:
                raise ConfigError(f"systems: {name}: labels: '{system.labels}' is not trained. Name one with 'train'.")
        data = [short_name(grid.data) for grid in self.grids]
        if len(set(data)) != len(data):
            raise ConfigError("grids: give each data set once; two files of one name count as one.")
        # What a suite of these systems would refuse is refused before anything runs.
        self.as_suite("")

    def as_suite(self, encoder: str) -> SuiteConfig:
        """Return the suite whose tables show the labels: systems in the place of methods, all under one encoder."""
        grids = tuple(GridConfig((grid.data,), grid.systems, (self.seed,), (encoder,)) for grid in self.grids)
        return SuiteConfig(self.name, grids, self.title, self.baselines, notes=self.notes)


@dataclass(frozen=True)
class SystemCell:
    """One system on one data set, its settings read.

    Attributes
    ----------
    name, data : str
    majority : bool
        Then `prompt` says on which rows.
    prompt, tune, joint, train
        What `SystemConfig` gives, as settings.
    labels : RunConfig or None
        Of the classifier whose labels are explained.
    """

    name: str
    data: str
    majority: bool = False
    prompt: GenerationConfig | None = None
    tune: InstructionConfig | None = None
    joint: JointConfig | None = None
    train: RunConfig | None = None
    labels: RunConfig | None = None


def read_comparison(folder: Path, name: str) -> ComparisonConfig:
    """Read a comparison by name.

    Raises
    ------
    ConfigError
        If there is none, or its content is wrong.
    """
    path = find_yaml(folder, name, "comparison")
    return from_mapping(ComparisonConfig, read_yaml(path), str(path))


def comparison_cells(comparison: ComparisonConfig, recipes: Path, over: dict[str, Any]) -> list[SystemCell]:
    """Return every cell with its settings, grid by grid.

    Parameters
    ----------
    comparison : ComparisonConfig
    recipes : Path
        Folder of the recipe YAMLs.
    over : dict
        Settings from the command line (`out`, `data_root`, `limit`); those that are None were not given.

    Raises
    ------
    ConfigError
        On a wrong setting.
    """
    given = {key: value for key, value in over.items() if value is not None}
    return [
        _cell(name, comparison.systems, grid, recipes, {"seed": comparison.seed}, given)
        for grid in comparison.grids
        for name in grid.systems
    ]


def _cell(
    name: str,
    systems: dict[str, SystemConfig],
    grid: ComparisonGrid,
    recipes: Path,
    common: dict[str, Any],
    given: dict[str, Any],
) -> SystemCell:
    system = systems[name]
    where = f"systems: {name}"
    limit = {} if grid.limit is None else {"limit": grid.limit}
    on_top = (common, limit, {"data": grid.data}, given)

    def trained(settings: dict[str, Any]) -> RunConfig:
        return build_run_settings(RunConfig, recipes, grid.dataset_settings, settings, *on_top)

    if system.train is not None:
        return SystemCell(name, grid.data, train=trained(system.train))
    if system.joint is not None:
        joint = build_run_settings(JointConfig, recipes, grid.dataset_settings, system.joint, *on_top)
        return SystemCell(name, grid.data, joint=joint)
    tune = None
    if system.tune is not None:
        learnt = {"data": grid.tuned_on or grid.data}
        tune = from_mapping(InstructionConfig, layered(system.tune, common, limit, learnt, given), where)
    prompt = from_mapping(GenerationConfig, layered(system.prompt or {}, *on_top), where)
    classifier = systems[system.labels].train if system.labels else None
    labels = None if classifier is None else trained(classifier)
    return SystemCell(name, grid.data, system.majority, prompt, tune, labels=labels)
