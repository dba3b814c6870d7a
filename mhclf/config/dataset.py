"""What a data set YAML may say (see datasets_cfg/README.md)."""

from dataclasses import dataclass, field
from typing import Literal

from mhclf.errors import ConfigError

Task = Literal["multiclass", "multilabel", "ordinal", "choice"]


@dataclass(frozen=True)
class LabelName:
    """A label as it stands in the file (`raw`) and as people read it (`name`)."""

    raw: str
    name: str


@dataclass(frozen=True)
class SourceConfig:
    """Where the rows are.

    Attributes
    ----------
    files : str or mapping
        One file, or split name -> file. Relative names are looked up beside the YAML, then under the data root.
    format : str
        `auto` takes it from the file's ending.
    """

    files: str | dict[str, str]
    format: Literal["auto", "csv", "tsv", "json", "jsonl", "parquet"] = "auto"

    def __post_init__(self) -> None:
        if not self.files:
            raise ConfigError("source: files: is empty. Give one file, or a line 'split: file' for each split.")


@dataclass(frozen=True)
class ColumnsConfig:
    """Which column holds what.

    Attributes
    ----------
    text : str
        The post.
    label : str or list of str
        One column, or for `multilabel` one 0/1 column per label in the order of `labels`. One column may hold a
        list of labels when the task is `multilabel`.
    group : str, optional
        Rows with the same value are never cut by a split and are resampled together in intervals.
    group_file : str, optional
        A text file beside the YAML with one group number a row, for groups that no column states.
    """

    text: str
    label: str | tuple[str, ...]
    id: str | None = None
    explanation: str | None = None
    group: str | None = None
    group_file: str | None = None
    split: str | None = None

    def __post_init__(self) -> None:
        if self.group and self.group_file:
            raise ConfigError("columns: give 'group' or 'group_file', not both.")


@dataclass(frozen=True)
class RationaleConfig:
    """Expert evidence inside the text.

    Attributes
    ----------
    column : str
        The column that holds it.
    kind : str
        `phrases` (text to be found in the post), `char_spans` ([start, end] pairs of characters) or
        `token_spans` ([start, end] pairs of white-space words).
    separators : str
        Characters that may part several phrases in one cell; the whole cell is tried first.
    """

    column: str
    kind: Literal["phrases", "char_spans", "token_spans"] = "phrases"
    separators: str = ",;"


@dataclass(frozen=True)
class SplitsConfig:
    """How rows become train, validation and test.

    Attributes
    ----------
    kind : str
        `given` (a file or a column names the split) or `ratio`.
    test : float
        Share of the test part for `ratio`.
    validation : float
        Share of train that becomes validation where none is given.
    seed : int
        Fixes the rows; the seed of a run never moves a row.
    stratify : bool
        Keep class shares equal over the parts.
    group_by : str or null
        `group` keeps groups whole; null cuts them knowingly (for replaying a published random split).
    """

    kind: Literal["given", "ratio"] = "given"
    test: float = 0.2
    validation: float = 0.1
    seed: int = 0
    stratify: bool = True
    group_by: Literal["group"] | None = "group"

    def __post_init__(self) -> None:
        for name in ("test", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"splits: {name}: is {getattr(self, name)}, expected a share between 0 and 1.")
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"splits: seed: is {self.seed}, expected a whole number from 0 to 2**31 - 1.")


@dataclass(frozen=True)
class PromptConfig:
    """Words for generation: the question and, per label, how it is said and described."""

    question: str = ""
    label_words: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RiskConfig:
    """Which labels are high risk, and the order of severity from mild to severe."""

    high: tuple[str, ...] = ()
    order: tuple[str, ...] = ()


@dataclass(frozen=True)
class DatasetConfig:
    """One data set: the content of one YAML (contract 4)."""

    name: str
    task: Task
    labels: tuple[str | LabelName, ...]
    source: SourceConfig
    columns: ColumnsConfig
    schema_version: int = 1
    title: str = ""
    language: str = "en"
    rationale: RationaleConfig | None = None
    repair: bool = True
    splits: SplitsConfig = SplitsConfig()
    max_length: int = 256
    metrics: tuple[str, ...] = ()
    prompt: PromptConfig = PromptConfig()
    risk: RiskConfig = RiskConfig()
    shares_text_with: tuple[str, ...] = ()
    licence: str = ""
    access: str = ""
    citation: str = ""
    ethics: str = ""

    def __post_init__(self) -> None:
        names = self.label_names
        if len(names) < 2 and self.task != "multilabel":
            raise ConfigError(f"labels: {len(names)} given, a {self.task} task needs two or more.")
        if not names:
            raise ConfigError("labels: 0 given, a multilabel task needs one or more.")
        for kind, values in (("name", names), ("raw value", tuple(label.raw for label in self.label_pairs))):
            twice = sorted({value for value in values if values.count(value) > 1})
            if twice:
                raise ConfigError(f"labels: the {kind} '{twice[0]}' stands twice. Each label is listed once.")
        if isinstance(self.columns.label, tuple) and self.task != "multilabel":
            raise ConfigError(f"columns: label: a list of columns is for 'task: multilabel', not '{self.task}'.")
        if isinstance(self.columns.label, tuple) and len(self.columns.label) != len(names):
            raise ConfigError(
                f"columns: label: lists {len(self.columns.label)} columns for {len(names)} labels. "
                "Give one column per label in the same order."
            )
        if self.max_length < 4:
            raise ConfigError(f"max_length: is {self.max_length}, expected 4 tokens or more.")
        for label in (*self.risk.high, *self.risk.order, *self.prompt.label_words, *self.prompt.descriptions):
            if label not in names:
                raise ConfigError(
                    f"'{label}' is named under risk or prompt but is none of the labels {', '.join(names)}."
                )

    @property
    def label_pairs(self) -> tuple[LabelName, ...]:
        """Labels with raw value and name; a bare label is both."""
        return tuple(
            label if isinstance(label, LabelName) else LabelName(raw=label, name=label) for label in self.labels
        )

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names in the YAML's order; the index is the class number everywhere."""
        return tuple(label.name for label in self.label_pairs)

    @property
    def headline_metric(self) -> str:
        """The first of `metrics`, by default macro-F1."""
        return self.metrics[0] if self.metrics else "macro_f1"
