"""Rubrics as files: by which criteria explanations are judged, on which scale."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mhclf.config.structure import find_yaml, from_mapping, read_yaml
from mhclf.errors import ConfigError

FOLDER = Path(__file__).resolve().parent / "rubrics"
LONGEST_SCALE = 11
"""Numbers of a scale at most: 0 to 10."""


@dataclass(frozen=True)
class Criterion:
    """One criterion.

    Attributes
    ----------
    name : str
    description : mapping
        Language -> what is asked.
    anchors : mapping
        Language -> score (in quotation marks) -> what an explanation with that score looks like.
    """

    name: str
    description: dict[str, str]
    anchors: dict[str, dict[str, str]]


@dataclass(frozen=True)
class Rubric:
    """Criteria on one scale of whole numbers.

    Attributes
    ----------
    title : str
    lowest, highest : int
        Ends of the scale; 0 or above.
    criteria : tuple of Criterion
    """

    title: str
    lowest: int
    highest: int
    criteria: tuple[Criterion, ...]

    def __post_init__(self) -> None:
        if not 0 <= self.lowest < self.highest or self.highest - self.lowest >= LONGEST_SCALE:
            raise ConfigError(
                f"lowest, highest: are {self.lowest} and {self.highest}, expected whole numbers from 0 on, the second "
                f"larger by 1 to {LONGEST_SCALE - 1}."
            )
        names = self.names
        if not names or len(set(names)) < len(names):
            raise ConfigError("criteria: expected one or more, each with a name of its own.")
        numerals = [str(score) for score in self.scores]
        for item in self.criteria:
            if set(item.description) != set(item.anchors) or not item.description:
                raise ConfigError(f"criterion '{item.name}': description and anchors must have the same languages.")
            for language, anchors in item.anchors.items():
                unknown = sorted(set(anchors) - set(numerals))
                if unknown:
                    raise ConfigError(
                        f"criterion '{item.name}', {language}: the anchor '{unknown[0]}' is no score from "
                        f"{self.lowest} to {self.highest}."
                    )
                if not {numerals[0], numerals[-1]} <= set(anchors):
                    raise ConfigError(
                        f"criterion '{item.name}', {language}: anchors must say what the ends of the scale mean "
                        f"({numerals[0]} and {numerals[-1]})."
                    )

    @property
    def scores(self) -> tuple[int, ...]:
        """The numbers of the scale."""
        return tuple(range(self.lowest, self.highest + 1))

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the criteria."""
        return tuple(item.name for item in self.criteria)

    def only(self, names: Sequence[str]) -> "Rubric":
        """Return the rubric with those of its criteria that are among `names`; at least one must be."""
        kept = tuple(item for item in self.criteria if item.name in names)
        if not kept:
            raise ConfigError(
                f"rubric: '{self.title}' has none of the criteria {', '.join(names)}; its own: {', '.join(self.names)}."
            )
        return replace(self, criteria=kept)


def rubric_names() -> list[str]:
    """Return the names of the shipped rubrics."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def read_rubric(name: str, language: str) -> Rubric:
    """Read a shipped rubric by name, or one of yours by path.

    Raises
    ------
    ConfigError
        If there is none, its content is wrong, or a criterion has no words in the language.
    """
    path = Path(name)
    if path.suffix not in {".yaml", ".yml"}:
        path = find_yaml(FOLDER, name, "rubric")
    content = read_yaml(path)
    try:
        rubric = from_mapping(Rubric, content, str(path))
    except ConfigError as error:
        # What a class finds wrong in itself does not know its file.
        message = str(error)
        raise ConfigError(message if message.startswith(str(path)) else f"{path}: {message}") from error
    for item in rubric.criteria:
        if language not in item.description:
            worded = ", ".join(sorted(item.description))
            raise ConfigError(f"{path}: criterion '{item.name}' is worded in {worded}, not in '{language}'.")
    return rubric
