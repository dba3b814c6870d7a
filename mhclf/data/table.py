"""The loaded data set: one row a post, repaired, masked, checked, with targets and rationales."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.config.dataset import DatasetConfig
from mhclf.data.repair import Rationale

SPLITS = ("train", "validation", "test")


def join_contexts(texts: list[str], contexts: list[str] | None) -> list[str]:
    """Return each post after its context, a line apart; the posts themselves where there is none."""
    if contexts is None:
        return texts
    return [f"{before}\n{text}" if before else text for before, text in zip(contexts, texts, strict=True)]


def option_lines(letters: Sequence[str], options: Sequence[str]) -> list[str]:
    """Return options as they are listed: `A. the first`."""
    return [f"{letter}. {option}" for letter, option in zip(letters, options, strict=True)]


@dataclass(frozen=True)
class PostTable:
    """Posts with everything that later steps need.

    Attributes
    ----------
    config : DatasetConfig
        The YAML's content.
    frame : pandas.DataFrame
        Columns `id`, `text`, `group`, `split`, `explanation`, `context` (text; '' for none) and `confidence` (share of
        annotators; NaN for none), index 0..n-1. Of a `choice` also `options` (tuples of text).
    targets : numpy.ndarray
        `multiclass`, `ordinal`, `choice`: class numbers, shape (n,). `multilabel`: 0/1, shape (n, labels).
    rationales : tuple of Rationale
        One for each row; empty where the set has none.
    counts : mapping
        What loading did: rows read, repaired, masked, left out, rationales located.
    left_out : mapping
        Fault -> 'file, row n' of each row that the YAML left out because of it.
    """

    config: DatasetConfig
    frame: pd.DataFrame
    targets: npt.NDArray[np.int64]
    rationales: tuple[Rationale, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def texts(self) -> list[str]:
        """The posts as a list."""
        return [str(text) for text in self.frame["text"]]

    @property
    def contexts(self) -> list[str] | None:
        """What was said before each post, or None where the set has no context."""
        return [str(text) for text in self.frame["context"]] if self.config.columns.context else None

    @property
    def options(self) -> list[tuple[str, ...]] | None:
        """The options of each row, or None where all rows have the same answers."""
        return list(self.frame["options"]) if self.config.columns.options else None

    @property
    def texts_with_options(self) -> list[str]:
        """The posts, with the options of the row below, a line each, where rows have their own."""
        if self.options is None:
            return self.texts
        pairs = zip(self.texts, self.options, strict=True)
        return ["\n".join([text, *option_lines(self.labels, own)]) for text, own in pairs]

    @property
    def texts_in_context(self) -> list[str]:
        """Context, post and options as one text: what makes two rows alike, and for methods that read only one."""
        return join_contexts(self.texts_with_options, self.contexts)

    @property
    def labels(self) -> tuple[str, ...]:
        """Label names in class order."""
        return self.config.label_names

    def select(self, rows: Sequence[int] | npt.NDArray[Any]) -> "PostTable":
        """Return the rows at these positions (or where a mask is true), in order."""
        chosen = np.asarray(rows)
        index = np.flatnonzero(chosen) if chosen.dtype == bool else chosen.astype(int)
        return replace(
            self,
            frame=self.frame.iloc[index].reset_index(drop=True),
            targets=self.targets[index],
            rationales=tuple(self.rationales[i] for i in index) if self.rationales else (),
        )

    def part(self, split: str) -> "PostTable":
        """Return the rows of one split."""
        return self.select((self.frame["split"] == split).to_numpy())

    def with_splits(self, splits: npt.NDArray[Any]) -> "PostTable":
        """Return the same rows with another split column."""
        return replace(self, frame=self.frame.assign(split=splits))

    def gold_names(self) -> list[Any]:
        """Return label names: one text a row, or a list of texts for `multilabel`."""
        if self.targets.ndim == 1:
            return [self.labels[target] for target in self.targets]
        return [[name for name, on in zip(self.labels, row, strict=True) if on] for row in self.targets]
