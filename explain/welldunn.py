"""The protocol `welldunn-2024` beside the sound one: each published defect is a switch.

WellDunn (Mohammadi et al., BlackboxNLP 2024, arXiv:2406.12058) is replayed from its released notebooks.
The code here is our own; what it does differently from a sound evaluation is named one by one in `Defects`.
"""

from dataclasses import dataclass, fields, replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.typing import ArrayLike

from mhclf.errors import ConfigError, DataError
from mhclf.registry import nearest

SEEDS = (200, 345, 546)
"""`random_state` of the published splits."""

SHARE = 0.2
COVERAGES = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75)


Integers = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Defects:
    """What the published evaluation does otherwise; all off is the sound protocol, all on `welldunn-2024`.

    Attributes
    ----------
    random_cut : bool
        Split: rows are cut at random, so that sentences of one source post stand on both sides.
    leaked_split : bool
        Split: the validation rows get new row numbers before those are dropped from the data, so that the first rows
        leave training instead of the sampled ones; about 80 % of validation is trained on. Includes `random_cut`.
    gold_count : bool
        Decisions: as many labels are predicted as the gold has.
    one_head : bool
        Overlap: head 0 of the last layer instead of the mean of its heads.
    padding : bool
        Overlap and rank: posts are cut or padded to 64 tokens, rows of padding count, `[PAD]` competes for the top.
    kept_specials : bool
        Overlap: only the strings `[CLS]` and `[SEP]` are taken out, not `<s>`, `</s>`, `[PAD]` and their kin.
    string_keys : bool
        Overlap: scores are kept by string, so that of a repeated word the last score stays.
    word_pieces : bool
        Overlap: tokens are compared as strings, letter case and signs included, with the expert phrase cut at white
        space; a word of several pieces is never found.
    fixed_top : bool
        Overlap: the 4 highest instead of as many as the expert marked.
    first_layer : bool
        Rank: layer index 0, last head, instead of the last layer.
    value_table : bool
        Rank: that of the table (posts, tokens) of singular values, instead of the mean rank of the posts' attention.
    gold_column : bool
        Coverage: rows are sorted by the last gold label instead of the reservation.
    lost_row : bool
        Coverage: one row less is kept than the coverage says.
    """

    random_cut: bool = False
    leaked_split: bool = False
    gold_count: bool = False
    one_head: bool = False
    padding: bool = False
    kept_specials: bool = False
    string_keys: bool = False
    word_pieces: bool = False
    fixed_top: bool = False
    first_layer: bool = False
    value_table: bool = False
    gold_column: bool = False
    lost_row: bool = False

    @classmethod
    def only(cls, *names: str) -> "Defects":
        """Return the sound protocol with these defects turned on.

        Raises
        ------
        ConfigError
            On an unknown name.
        """
        known = [item.name for item in fields(cls)]
        for name in names:
            if name not in known:
                raise ConfigError(f"Unknown defect '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
        return replace(cls(), **dict.fromkeys(names, True))


SPLIT_DEFECTS = ("random_cut", "leaked_split")
OVERLAP_DEFECTS = ("one_head", "padding", "kept_specials", "string_keys", "word_pieces", "fixed_top")
RANK_DEFECTS = ("first_layer", "padding", "value_table")
COVERAGE_DEFECTS = ("gold_column", "lost_row")
SOUND = Defects()
PUBLISHED = Defects(**{item.name: True for item in fields(Defects)})


def published_cut(n: int, seed: int, defects: Defects, share: float = SHARE) -> tuple[Integers, Integers]:
    """Return the train and validation rows of the published random 80/20 cut.

    Parameters
    ----------
    n : int
        Rows of the data, in the order of the file.
    seed : int
        Of pandas' `sample`.
    defects : Defects
        With `leaked_split` the first rows leave training, otherwise the sampled ones.
    share : float
        Of the validation rows.

    Returns
    -------
    train, validation : array of int
        As many in both cases; the same validation rows.
    """
    validation = pd.Series(np.arange(n)).sample(frac=share, random_state=seed).to_numpy()
    if defects.leaked_split:
        return np.arange(len(validation), n), validation
    return np.setdiff1d(np.arange(n), validation), validation


def decide_labels(probabilities: ArrayLike, gold: ArrayLike, defects: Defects) -> Integers:
    """Return 0/1 labels (n, labels): from .5 on, or with `gold_count` the k most probable, k the gold's own number.

    Equal probabilities: the later label wins, as in the published code.
    """
    given, truth = np.asarray(probabilities, dtype=np.float64), np.asarray(gold)
    if given.shape != truth.shape or given.ndim != 2:
        raise DataError(f"probabilities and gold must both be (n, labels), got {given.shape} and {truth.shape}.")
    if not defects.gold_count:
        return (given >= 0.5).astype(np.int64)
    found = np.zeros(given.shape, dtype=np.int64)
    for row, (values, own) in enumerate(zip(given, truth, strict=True)):
        found[row, np.argsort(values, kind="stable")[::-1][: int(own.sum())]] = 1
    return found


def kept_rows(reservation: ArrayLike, gold: ArrayLike, labels: int, coverage: float, defects: Defects) -> Integers:
    """Return the rows that are answered at a coverage, surest first.

    Parameters
    ----------
    reservation : array (n,)
        How much the model would rather not decide.
    gold : array (n,)
        Class numbers.
    labels : int
        Number of classes.
    coverage : float
        In (0, 1].
    defects : Defects
        With `gold_column` the last class's gold decides the order, which leaves that class out first; rows are taken
        in the order given where it ties. With `lost_row` round(coverage n - 1) rows are kept.
    """
    unsure, truth = np.asarray(reservation, dtype=np.float64), np.asarray(gold)
    if unsure.ndim != 1 or unsure.shape != truth.shape:
        raise DataError(f"reservation and gold must be of the same posts, got {unsure.shape} and {truth.shape}.")
    if not 0 < coverage <= 1:
        raise ConfigError(f"coverage: is {coverage:g}, expected above 0 and at most 1.")
    key = (truth == labels - 1).astype(np.float64) if defects.gold_column else unsure
    kept = round(coverage * len(unsure) - (1 if defects.lost_row else 0))
    return np.argsort(key, kind="stable")[: max(kept, 0)]
