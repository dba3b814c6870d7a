"""One grid of a suite: data sets x methods x encoders x seeds, cuts of the data, and what follows a finished run."""

from dataclasses import dataclass, field
from typing import Any

from mhclf.config.command_line import layered
from mhclf.config.run import short_name
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class TargetConfig:
    """A data set that a finished run is scored on, minus the posts that it was trained on.

    Attributes
    ----------
    data : str
    label_map : mapping, optional
        Target label -> source label or labels; labels of equal names belong together where it is not given.
    renormalise : bool
        Never decide for a source label that no target label maps to.
    """

    data: str
    label_map: dict[str, Any] | None = None
    renormalise: bool = False


@dataclass(frozen=True)
class NoiseConfig:
    """Changes of the test posts under which a finished run predicts them again.

    Attributes
    ----------
    kinds : list of str
        Names in `mhclf.data.noise`.
    strength : float
        Share of words that are changed, in (0, 1].
    seed : int
        Fixes the changes, the same for every run.
    """

    kinds: tuple[str, ...]
    strength: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        if not self.kinds or len(set(self.kinds)) != len(self.kinds):
            raise ConfigError("noise: kinds: give one or more different values.")
        if not 0 < self.strength <= 1:
            raise ConfigError(f"noise: strength: is {self.strength:g}, expected above 0 and at most 1.")


def target_label(target: TargetConfig) -> str:
    """Return what is added to the name of a data set where its runs are scored on another."""
    return f" \u2192 {short_name(target.data)}"


def noise_label(kind: str) -> str:
    """Return what is added to the name of a data set whose test posts are changed."""
    return f", {kind}"


@dataclass(frozen=True)
class GridConfig:
    """One grid: every data set with every method, encoder and seed.

    Attributes
    ----------
    datasets, methods, seeds, encoders
        Cells run seed by seed, so that a stopped suite has whole rows. A method is a recipe or a variant of the suite.
    settings : mapping
        Run settings for the grid's cells, above those of suite and data set.
    protocol : str, optional
        Name of the protocol, as `protocol` of a run.
    split_seeds : list of int
        Repeated splits: each makes data sets of its own, `NAME, split 2`, with a table of their own.
    shares : list of float
        Learning curve: shares of the train rows; `NAME, 10 % of train`. A share of 1 is the data set as it is.
    per_class : list of int
        Few-shot: train posts of each class; `NAME, 16 a class`.
    limit : int, optional
        Rows per split; `NAME, 200 rows a split`.
    targets : list of TargetConfig
        Transfer: every finished run is scored on these data sets, each in a table `NAME \u2192 TARGET`.
    noise : NoiseConfig, optional
        Robustness: every finished run predicts its changed test posts, in a table `NAME, KIND` for each kind.
    """

    datasets: tuple[str, ...]
    methods: tuple[str, ...]
    seeds: tuple[int, ...]
    encoders: tuple[str, ...] = ("minilm",)
    settings: dict[str, Any] = field(default_factory=dict)
    protocol: str | None = None
    split_seeds: tuple[int, ...] = ()
    shares: tuple[float, ...] = ()
    per_class: tuple[int, ...] = ()
    limit: int | None = None
    targets: tuple[TargetConfig, ...] = ()
    noise: NoiseConfig | None = None

    def __post_init__(self) -> None:
        for name in ("datasets", "methods", "seeds", "encoders"):
            values = getattr(self, name)
            if not values or len(set(values)) != len(values):
                raise ConfigError(f"{name}: give one or more different values.")
        for name in ("split_seeds", "shares", "per_class"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ConfigError(f"{name}: give different values.")
        names = [short_name(target.data) for target in self.targets]
        if len(set(names)) != len(names):
            raise ConfigError("targets: give different data sets.")
        for share in self.shares:
            if not 0 < share <= 1:
                raise ConfigError(f"shares: is {share}, expected above 0 and at most 1.")

    @property
    def parts(self) -> tuple["DataPart", ...]:
        """What each data set is cut to: one entry for each split seed and each share or few-shot size."""
        sizes = [_share_part(share) for share in self.shares]
        sizes += [DataPart(f", {count} a class", {"subset": {"per_class": count}}) for count in self.per_class]
        splits = [DataPart(f", split {seed}", {"split_seed": seed}) for seed in self.split_seeds]
        limit = DataPart()
        if self.limit is not None:
            limit = DataPart(f", {self.limit} rows a split", {"limit": self.limit})
        protocol = DataPart("", {} if self.protocol is None else {"protocol": self.protocol})
        return tuple(
            DataPart(
                split.label + size.label + limit.label, layered(*(p.settings for p in (split, size, limit, protocol)))
            )
            for split in splits or [DataPart()]
            for size in sizes or [DataPart()]
        )

    def tables(self, dataset: str) -> tuple[str, ...]:
        """Return the names of a data set's tables: as it is cut, on each target, under each kind of change."""
        follow = [target_label(target) for target in self.targets]
        follow += [noise_label(kind) for kind in self.noise.kinds] if self.noise else []
        return tuple(
            name
            for part in self.parts
            for name in (part.of(dataset), *(DataPart(part.label + label).of(dataset) for label in follow))
        )


@dataclass(frozen=True)
class DataPart:
    """A cut of a data set: what is added to its name, and the run settings that make it."""

    label: str = ""
    settings: dict[str, Any] = field(default_factory=dict)

    def of(self, dataset: str) -> str:
        """Return the name under which a table shows a data set's cut."""
        return short_name(dataset) + self.label if self.label else dataset


def _share_part(share: float) -> DataPart:
    return DataPart() if share == 1 else DataPart(f", {100 * share:g} % of train", {"subset": {"share": share}})
