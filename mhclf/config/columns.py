"""Which column of a data set holds what."""

from dataclasses import dataclass
from typing import Literal

from mhclf.errors import ConfigError


@dataclass(frozen=True)
class TurnsConfig:
    """Earlier rows of the same conversation as context.

    Attributes
    ----------
    turns : int
        How many rows before this one.
    conversation : str
        Column whose value the rows of one conversation share; rows stand in the order in which they were said.
    speaker : str, optional
        Column whose value is put before each turn.
    """

    turns: int
    conversation: str
    speaker: str | None = None

    def __post_init__(self) -> None:
        if self.turns < 1:
            raise ConfigError(f"columns: context: turns: is {self.turns}, expected 1 or more.")


@dataclass(frozen=True)
class ColumnsConfig:
    """Which column holds what.

    Attributes
    ----------
    text : str or list of str
        The post; several columns are joined, a line each.
    text_kind : str
        `plain`, or `python_list`: a list of texts written the way Python prints it, joined with an empty line.
    text_instead : str, optional
        Column to take where the text is empty or one of `text_empty`.
    text_empty : list of str
        Cells that stand for no text, such as `[removed]`.
    label : str or list of str
        One column, or for `multilabel` one 0/1 column per label in the order of `labels`. One column may hold a
        list of labels when the task is `multilabel`.
    label_kind : str
        `plain`, or `answer`: a sentence in which the words of just one label stand.
    explanation : str, optional
        Free text that says why; `explanations` of the data set says who wrote it.
    group : str, optional
        Rows with the same value are never cut by a split and are resampled together in intervals.
    group_file : str, optional
        A text file beside the YAML with one group number a row, for groups that no column states. Rows are counted
        after `where` and `leave_out`; so they are for `split_file`.
    split : str, optional
        Column that names the split of each row.
    split_file : str, optional
        A text file beside the YAML with one split name a row (`-` leaves the row out).
    context : str or TurnsConfig, optional
        What was said before: a column, or earlier rows of the same conversation. The model reads it before the text.
    confidence : str, optional
        Share of annotators behind the label, from 0 to 1.
    options : str or list of str, optional
        Of `task: choice`: a column for each option in the order of `labels`, or one column that holds lists of them.
    """

    text: str | tuple[str, ...]
    label: str | tuple[str, ...]
    id: str | None = None
    text_kind: Literal["plain", "python_list"] = "plain"
    label_kind: Literal["plain", "answer"] = "plain"
    text_instead: str | None = None
    text_empty: tuple[str, ...] = ()
    explanation: str | None = None
    group: str | None = None
    group_file: str | None = None
    split: str | None = None
    split_file: str | None = None
    context: str | TurnsConfig | None = None
    confidence: str | None = None
    options: str | tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if self.group and self.group_file:
            raise ConfigError("columns: give 'group' or 'group_file', not both.")
        if self.split and self.split_file:
            raise ConfigError("columns: give 'split' or 'split_file', not both.")
        if self.text == ():
            raise ConfigError("columns: text: lists no column.")
        if self.text_empty and not self.text_instead:
            raise ConfigError("columns: 'text_empty' needs 'text_instead', the column to take then.")

    @property
    def option_columns(self) -> tuple[str, ...]:
        """The columns that hold the options of a row."""
        return (self.options,) if isinstance(self.options, str) else self.options or ()

    @property
    def text_columns(self) -> tuple[str, ...]:
        """The columns that make up the text."""
        return (self.text,) if isinstance(self.text, str) else self.text


@dataclass(frozen=True)
class GivenColumns:
    """Columns of a data file that has no YAML; what is left out is guessed.

    Attributes
    ----------
    text : str, optional
        Column of the posts.
    label : list of str
        Column of the labels, or several 0/1 columns, one for each label.
    id : str, optional
        Column of the ids.
    group : str, optional
        Column whose equal values keep rows in one split, such as the author.
    """

    text: str | None = None
    label: tuple[str, ...] = ()
    id: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class RationaleConfig:
    """Expert evidence inside the text.

    Attributes
    ----------
    column : str or mapping
        The column that holds it, or label name -> column where each label has evidence of its own.
    kind : str
        `phrases` (text to be found in the post), `char_spans` ([start, end] pairs of characters) or
        `token_spans` ([start, end] pairs of white-space words).
    separators : str
        Characters that may part several phrases in one cell; the whole cell is tried first.
    second : str
        File with what a second annotator marked: the same id and evidence columns, phrases.
    """

    column: str | dict[str, str]
    kind: Literal["phrases", "char_spans", "token_spans"] = "phrases"
    separators: str = ",;"
    second: str = ""

    def __post_init__(self) -> None:
        if self.second and (self.kind != "phrases" or not isinstance(self.column, str)):
            raise ConfigError("rationale: second: is read for one column of phrases. Leave it out otherwise.")

    @property
    def columns(self) -> tuple[tuple[str | None, str], ...]:
        """(label name or None, column) pairs."""
        return ((None, self.column),) if isinstance(self.column, str) else tuple(self.column.items())
