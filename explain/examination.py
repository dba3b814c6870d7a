"""The contract of an examination: what each part is given, and what it returns."""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure

from explain.attribution import Attribution
from explain.methods import attribute
from explain.model import Precision
from mhclf.data.table import PostTable
from mhclf.registry import Registry
from mhclf.results.tables import Table
from mhclf.training.saved import Run

METHODS = ("attention", "layer_attentive_attention", "input_x_gradient", "integrated_gradients", "occlusion", "random")
"""Attribution methods that are compared where none are named."""


@dataclass(frozen=True)
class Posts:
    """Posts of one split.

    Attributes
    ----------
    texts : list of str
    contexts : list of str or None
    gold : array
        Class numbers (n,) or 0/1 labels (n, labels).
    groups : array of str, shape (n,)
    """

    texts: list[str]
    contexts: list[str] | None
    gold: npt.NDArray[np.int64]
    groups: npt.NDArray[np.object_]

    @classmethod
    def of(cls, table: PostTable) -> "Posts":
        """Return the posts of a table."""
        return cls(table.texts, table.contexts, table.targets, table.frame["group"].to_numpy(dtype=object))

    def first(self, count: int) -> "Posts":
        """Return at most so many posts, spread evenly over the split."""
        if len(self.texts) <= count:
            return self
        rows = np.unique(np.linspace(0, len(self.texts) - 1, count).round().astype(int))
        contexts = None if self.contexts is None else [self.contexts[row] for row in rows]
        return Posts([self.texts[row] for row in rows], contexts, self.gold[rows], self.groups[rows])


@dataclass(frozen=True)
class Material:
    """What an examination looks at.

    Attributes
    ----------
    run : Run
    train, test : Posts
        Probes are fitted on train posts; everything is measured on test posts.
    few : Posts
        The test posts that attribution methods explain.
    beside : tuple of Run
        Other runs on the same posts: other seeds, without the contrastive loss, trained on shuffled labels
        (`shuffle_labels`).
    methods : tuple of str
    seed : int
    precision : {'fp32', 'bf16'}
        Of passes without gradients.
    """

    run: Run
    train: Posts
    test: Posts
    few: Posts
    beside: tuple[Run, ...] = ()
    methods: tuple[str, ...] = METHODS
    seed: int = 0
    precision: Precision = "fp32"

    @cached_property
    def attributions(self) -> dict[str, list[Attribution]]:
        """By every method, of the few posts, each for the label that the model predicts; made when first asked for."""
        few = self.few
        return {
            name: attribute(self.run, few.texts, name, contexts=few.contexts, seed=self.seed, precision=self.precision)
            for name in self.methods
        }


def run_name(run: Run) -> str:
    """Return what tells a run from others on the same posts."""
    shuffled = ", shuffled labels" if run.config.shuffle_labels else ""
    return f"{run.config.method}, seed {run.config.seed}{shuffled}"


@dataclass(frozen=True)
class Finding:
    """One part of an examination.

    Attributes
    ----------
    title : str
    sentences : tuple of str
        What was done and found, with n.
    tables : tuple of Table
    figures : dict of Figure
        By file name, without ending.
    frames : dict of DataFrame
        Every number behind tables and figures, by file name; no post text.
    """

    title: str
    sentences: tuple[str, ...]
    tables: tuple[Table, ...] = ()
    figures: dict[str, Figure] = field(default_factory=dict)
    frames: dict[str, pd.DataFrame] = field(default_factory=dict)


EXAMINATIONS: Registry[Callable[[Material], Finding]] = Registry("examination")
"""Each takes the material and returns its part, or raises what says why the run has none."""
