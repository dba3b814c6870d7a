"""What a suite of prompting runs may say: data sets x strategies."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mhclf.config.command_line import layered
from mhclf.config.generation import GenerationConfig
from mhclf.config.structure import find_yaml, from_mapping, read_yaml
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class GenerationSuiteConfig:
    """One suite of prompting runs.

    Attributes
    ----------
    name : str
        Names the table and the records.
    datasets : list of str
    strategies : mapping
        Name of the row -> settings of `GenerationConfig`, `strategy` among them.
    title : str
    settings : mapping
        For every cell, below those of the strategy.
    notes : list of str
        Printed below the title.
    """

    name: str
    datasets: tuple[str, ...]
    strategies: dict[str, dict[str, Any]]
    title: str = ""
    settings: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.datasets or not self.strategies:
            raise ConfigError(f"suite {self.name}: give datasets and strategies.")


def read_generation_suite(folder: Path, name: str) -> GenerationSuiteConfig:
    """Read a suite by name.

    Raises
    ------
    ConfigError
        If there is none, or its content is wrong.
    """
    path = find_yaml(folder, name, "suite")
    return from_mapping(GenerationSuiteConfig, read_yaml(path), str(path))


def generation_cells(suite: GenerationSuiteConfig, over: dict[str, Any]) -> list[tuple[str, GenerationConfig]]:
    """Return row name and configuration of every cell; `over` lies on top, its empty values left out."""
    given = {key: value for key, value in over.items() if value is not None}
    return [
        (
            row,
            from_mapping(
                GenerationConfig, layered(suite.settings, own, {"data": data}, given), f"suite {suite.name}, {row}"
            ),
        )
        for data in suite.datasets
        for row, own in suite.strategies.items()
    ]
