"""What a data set YAML may say (see datasets_cfg/README.md)."""

import re
from dataclasses import dataclass, field
from string import ascii_uppercase
from typing import Literal

from mhclf.config.columns import ColumnsConfig, RationaleConfig
from mhclf.config.source import SourceConfig
from mhclf.errors import ConfigError

Task = Literal["multiclass", "multilabel", "ordinal", "choice"]

# The name of a set is a folder below runs/ and part of messages and tables.
_NAME = re.compile(r"(?!\.)[^/\\\x00-\x1f\x7f\ud800-\udfff]{1,100}")


@dataclass(frozen=True)
class LabelName:
    """A label as it stands in the file (`raw`, one value or several) and as people read it (`name`)."""

    raw: str | tuple[str, ...]
    name: str

    @property
    def raw_values(self) -> tuple[str, ...]:
        """All values of the file that mean this label."""
        return (self.raw,) if isinstance(self.raw, str) else self.raw


@dataclass(frozen=True)
class SplitsConfig:
    """How rows become train, validation and test.

    Attributes
    ----------
    kind : str
        `given` (a file or a column names the split), `ratio`, or `folds`.
    test : float
        Share of the test part for `ratio`.
    validation : float
        Share of train that becomes validation where none is given.
    folds : int
        Number of parts for `folds`; each is the test part once.
    fold : int
        Which part is the test part, from 0.
    seed : int
        Fixes the rows; the seed of a run never moves a row.
    stratify : bool
        Keep class shares equal over the parts.
    group_by : str or null
        `group` keeps groups whole; null cuts them knowingly (for replaying a published random split).
    """

    kind: Literal["given", "ratio", "folds"] = "given"
    test: float = 0.2
    validation: float = 0.1
    folds: int = 5
    fold: int = 0
    seed: int = 0
    stratify: bool = True
    group_by: Literal["group"] | None = "group"

    def __post_init__(self) -> None:
        for name in ("test", "validation"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"splits: {name}: is {getattr(self, name)}, expected a share between 0 and 1.")
        if self.folds < 2 or not 0 <= self.fold < self.folds:
            raise ConfigError(
                f"splits: fold {self.fold} of {self.folds}: needs 2 folds or more, and a fold from 0 to folds - 1."
            )
        if not 0 <= self.seed < 2**31:
            raise ConfigError(f"splits: seed: is {self.seed}, expected a whole number from 0 to 2**31 - 1.")


@dataclass(frozen=True)
class PromptConfig:
    """Words for generation: the question and, per label, how it is said and described.

    `{context}` in the question stands for the row's context, where that is what was asked about the post.
    """

    question: str = ""
    label_words: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class RiskConfig:
    """Which labels are high risk, and the order of severity from mild to severe.

    An ordinal set needs no `order`: its label list is one.
    """

    high: tuple[str, ...] = ()
    order: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("high", "order"):
            values = getattr(self, name)
            if twice := sorted({value for value in values if values.count(value) > 1}):
                raise ConfigError(f"risk: {name}: '{twice[0]}' stands twice. Each label is listed once.")
        if self.order and not self.high:
            raise ConfigError("risk: order is given without high. Name the labels of high risk.")
        if self.order and (missing := [label for label in self.high if label not in self.order]):
            raise ConfigError(f"risk: order lacks the high-risk label '{missing[0]}'. It runs from mild to severe.")


@dataclass(frozen=True)
class DatasetConfig:
    """One data set: the content of one YAML (contract 4).

    Of a `choice` each row has options of its own, and `labels` name their places: A, B, C.

    `explanations` says who wrote the explanation column: `expert` (people), `silver` (a machine), or '' (not known).
    `published_labels` are (part of an answer, label) pairs, tried in order: how the published code reads labels out
    of the reference answers. `published_answers` are how it reads those of a model, where it does so by other words;
    the last pair may have an empty part, and names what an answer without any becomes (else the first label).
    """

    name: str
    task: Task
    labels: tuple[str | LabelName, ...]
    source: SourceConfig
    columns: ColumnsConfig
    schema_version: int = 1
    title: str = ""
    language: str = "en"
    rationale: RationaleConfig | None = None
    explanations: Literal["expert", "silver", ""] = ""
    repair: bool = True
    splits: SplitsConfig = SplitsConfig()
    max_length: int = 256
    metrics: tuple[str, ...] = ()
    prompt: PromptConfig = PromptConfig()
    published_labels: tuple[tuple[str, ...], ...] = ()
    published_answers: tuple[tuple[str, ...], ...] = ()
    risk: RiskConfig = RiskConfig()
    shares_text_with: tuple[str, ...] = ()
    licence: str = ""
    access: str = ""
    citation: str = ""
    ethics: str = ""

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(
                f"name: {self.name[:110]!r} cannot name a folder. Use up to 100 letters, digits, spaces and signs but "
                "no slash, backslash or control character, and no dot at the start."
            )
        names = self.label_names
        if len(names) < 2 and self.task != "multilabel":
            raise ConfigError(f"labels: {len(names)} given, a {self.task} task needs two or more.")
        if not names:
            raise ConfigError("labels: 0 given, a multilabel task needs one or more.")
        raws = tuple(raw for label in self.label_pairs for raw in label.raw_values)
        for kind, values in (("name", names), ("raw value", raws)):
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
        if self.columns.label_kind == "answer" and (
            self.task == "multilabel" or not isinstance(self.columns.label, str)
        ):
            raise ConfigError("columns: label_kind: 'answer' is for one column that holds one label.")
        self._check_options()
        if self.max_length < 4:
            raise ConfigError(f"max_length: is {self.max_length}, expected 4 tokens or more.")
        if self.rationale and self.rationale.kind != "phrases" and len(self.columns.text_columns) > 1:
            raise ConfigError("rationale: spans count characters of one text column; 'columns: text' joins several.")
        for name in ("published_labels", "published_answers"):
            if any(len(pair) != 2 for pair in getattr(self, name)):
                raise ConfigError(f"{name}: expected [part of the answer, label] pairs.")
        if self.published_answers and not self.published_labels:
            raise ConfigError("published_answers: stand beside 'published_labels'. Give both.")
        evidence = self.rationale.column if self.rationale and isinstance(self.rationale.column, dict) else ()
        for label in evidence:
            if label not in names:
                raise ConfigError(f"rationale: column: '{label}' is none of the labels {', '.join(names)}.")
        for label in (*self.risk.high, *self.risk.order, *self.prompt.label_words, *self.prompt.descriptions):
            if label not in names:
                raise ConfigError(
                    f"'{label}' is named under risk or prompt but is none of the labels {', '.join(names)}."
                )
        if "{context}" in self.prompt.question and not self.columns.context:
            raise ConfigError("prompt: question: asks for {context}, but 'columns' name no context.")
        if set(self.risk.high) == set(names):
            raise ConfigError("risk: high: names every label. Name those of high risk only.")

    def _check_options(self) -> None:
        options = self.columns.options
        if self.task != "choice":
            if options is not None:
                raise ConfigError(f"columns: options: is for 'task: choice', not '{self.task}'. Leave it out.")
            return
        if options is None:
            raise ConfigError("columns: options: missing; 'task: choice' needs the columns of the options.")
        if isinstance(options, tuple) and len(options) != len(self.label_names):
            raise ConfigError(
                f"columns: options: lists {len(options)} columns for {len(self.label_names)} labels. "
                "Give one column an option."
            )
        letters = tuple(ascii_uppercase[: len(self.label_names)])
        if self.label_names != letters:
            raise ConfigError(
                "labels: of a 'choice' they are the places of the options, called A, B, C, ... in this order, 26 at "
                'most. Write {raw: "0", name: "A"} where the file says 0.'
            )
        if self.prompt.label_words or self.prompt.descriptions:
            raise ConfigError("prompt: label_words and descriptions: options are words of the rows. Leave both out.")

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
        """The first of `metrics`; by default macro-F1, and accuracy where a label is but the place of an option."""
        return self.metrics[0] if self.metrics else "accuracy" if self.task == "choice" else "macro_f1"
