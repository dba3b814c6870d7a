"""Does something trivial predict the label: the length of a post, or the label's own name in it?"""

import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier

from mhclf.cjk import CJK
from mhclf.data.splits import strata

_FOLDS = 5

_LEAST_GAIN = 0.05
"""Balanced accuracy above the majority class that is worth a warning, however sure it is."""

_ERRORS = 3.0
"""Standard errors that a gain has to exceed."""

# Words of label names that say nothing about the label: "intellectual and vocational", "not stressed".
_FUNCTION_WORDS = frozenset(
    re.findall(
        "[a-z]+", "a an and any at but by for from in is label no non none not of on or other the to with without"
    )
)


@dataclass(frozen=True)
class Shortcut:
    """How well one trivial property of the posts predicts their label.

    Attributes
    ----------
    name : {'length', 'label words'}
        What the prediction was made from.
    score, majority : float or None
        Balanced accuracy, from 0 to 1, of the out-of-fold predictions and of always saying the commonest class, on
        the same rows. None where nothing could be predicted; `reason` says why.
    metric : str
        Always `balanced_accuracy`.
    folds : int
        Parts of the cross-validation; 0 where there was none.
    error : float
        Standard error of `score - majority` if the property said nothing about the label.
    reason : str
        Why there is no score; '' where there is one.
    """

    name: Literal["length", "label words"]
    score: float | None
    majority: float | None
    metric: Literal["balanced_accuracy"] = "balanced_accuracy"
    folds: int = 0
    error: float = 0.0
    reason: str = ""

    @property
    def suspicious(self) -> bool:
        """Whether the score lies above the majority by more than 0.05 and by more than three standard errors."""
        if self.score is None or self.majority is None:
            return False
        return self.score - self.majority > max(_LEAST_GAIN, _ERRORS * self.error)


def shortcut_scores(
    texts: Sequence[str],
    targets: npt.NDArray[np.int64],
    labels: Sequence[str],
    label_words: Mapping[str, Sequence[str]] | None = None,
    groups: Sequence[str] | npt.NDArray[Any] | None = None,
    seed: int = 0,
) -> list[Shortcut]:
    """Predict the labels by cross-validation from length alone, and from the label's words alone.

    Parameters
    ----------
    texts : sequence of str
        The posts.
    targets : numpy.ndarray
        Class numbers, shape (n,), or 0/1, shape (n, labels).
    labels : sequence of str
        Names in class order.
    label_words : mapping of str to sequence of str, optional
        Further words or phrases of a label by its name.
    groups : sequence, optional
        One value a post; posts of one group stay in the same fold. Each post stands alone when not given.
    seed : int
        Of the folds.

    Returns
    -------
    list of Shortcut
        Two: `length` (a small decision tree on the numbers of characters and of words between blanks) and
        `label words` (logistic regression on which words of the label names occur as whole words, case ignored).

    Notes
    -----
    Balanced accuracy is the mean over classes of the share of their posts that are found. Plain accuracy hides a
    shortcut under imbalance: with 95 % in one class, finding half of the rest by a keyword gains 2.5 points. Macro-F1
    has no fixed chance level: in two equal classes the majority gets 0.33 and a coin 0.50, so that noise would look
    like a shortcut. By balanced accuracy every guess that does not look at the text gets 1 / classes on average, which
    is also what the majority class gets. Both models weigh classes alike, since they are scored so.

    For 0/1 targets every label is predicted by itself and the scores are averaged over the labels that occur both ways.

    The gain over the majority is a sum over posts: with K classes, n_c posts in class c and a share q_c of all
    predictions being c, a post of class c adds (1[found] - q_c) / (K n_c). Summed within groups these terms are
    independent with mean 0 where the property says nothing, so that the standard error is the root of the sum of their
    squares. Posts of one group count together, however alike they are; with nine groups or fewer nothing is ever
    suspicious. In simulations with labels drawn at random and 12 to 120 posts, fewer than one in a hundred was.

    Classes in fewer than two groups cannot be predicted out of fold and are left out. There are five folds, or fewer
    where a class has fewer groups.
    """
    columns = targets[:, None] if targets.ndim == 1 else targets
    numbers = np.arange(len(texts)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    rows, kept, fewest = _usable(columns, numbers, single=targets.ndim == 1)
    if not kept:
        reason = "fewer than two classes lie in two groups or more" if len(texts) else "there are no posts"
        return [Shortcut("length", None, None, reason=reason), Shortcut("label words", None, None, reason=reason)]
    columns, numbers = columns[rows][:, kept], numbers[rows]
    chosen = [texts[row] for row in rows]
    folds = _folds(columns[:, 0] if targets.ndim == 1 else strata(columns), numbers, min(_FOLDS, fewest), seed)
    lengths = np.array([(len(text), len(text.split())) for text in chosen], dtype=np.float64)
    smallest_leaf = max(1, min(20, len(rows) // 20))
    tree = DecisionTreeClassifier(
        max_leaf_nodes=32, min_samples_leaf=smallest_leaf, class_weight="balanced", random_state=seed
    )
    results = [_score("length", tree, lengths, columns, numbers, folds)]
    found = _word_features(chosen, labels, label_words or {})
    if found.any():
        regression = LogisticRegression(class_weight="balanced", max_iter=300)
        results.append(_score("label words", regression, found, columns, numbers, folds))
    else:
        results.append(Shortcut("label words", None, None, reason="no word of a label name occurs in the posts"))
    return results


def _usable(
    columns: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], *, single: bool
) -> tuple[npt.NDArray[np.int64], list[int], int]:
    """Return rows and columns with at least two classes in two groups each, and the fewest groups of a class."""
    kept, fewest = [], len(columns)
    rows = np.arange(len(columns))
    for column in range(columns.shape[1]):
        # Each class once a group.
        seen = np.unique(columns[:, column] * (numbers.max(initial=0) + 1) + numbers)
        classes, counts = np.unique(seen // (numbers.max(initial=0) + 1), return_counts=True)
        enough = counts >= 2
        if single:
            rows = np.flatnonzero(np.isin(columns[:, column], classes[enough]))
        if enough.sum() >= 2 and (single or enough.all()):
            kept.append(column)
            fewest = min(fewest, int(counts[enough].min()))
    return rows, kept, fewest


def _folds(
    classes: npt.NDArray[np.int64], numbers: npt.NDArray[np.int64], folds: int, seed: int
) -> list[npt.NDArray[np.int64]]:
    """Return the rows of each fold; folds without rows, as of few groups, are left out."""
    alone = len(np.unique(numbers)) == len(numbers)
    # The grouped splitter goes through the groups one by one; without groups the other is equal and faster.
    splitter = (StratifiedKFold if alone else StratifiedGroupKFold)(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        # Rare combinations of labels are expected.
        warnings.filterwarnings("ignore", message="The least populated class", category=UserWarning)
        parts = [part for _, part in splitter.split(classes, classes, None if alone else numbers)]
    return [part for part in parts if len(part)]


def _score(
    name: Literal["length", "label words"],
    model: Any,
    features: npt.NDArray[np.float64],
    columns: npt.NDArray[np.int64],
    numbers: npt.NDArray[np.int64],
    folds: list[npt.NDArray[np.int64]],
) -> Shortcut:
    """Return the mean over the columns of the balanced accuracy of out-of-fold predictions."""
    scores, majorities = [], []
    gains = np.zeros(len(columns))
    for column in columns.T:
        classes, target = np.unique(column, return_inverse=True)
        predicted = np.empty(len(target), dtype=np.int64)
        for part in folds:
            inside = np.ones(len(target), dtype=bool)
            inside[part] = False
            if len(np.unique(target[inside])) == 1:
                predicted[part] = target[inside][0]
            else:
                predicted[part] = model.fit(features[inside], target[inside]).predict(features[part])
        sizes = np.bincount(target)
        right = predicted == target
        scores.append(float(np.mean(np.bincount(target, weights=right) / sizes)))
        majorities.append(1 / len(classes))
        share = np.bincount(predicted, minlength=len(classes)) / len(target)
        gains += (right - share[target]) / (len(classes) * sizes[target] * columns.shape[1])
    error = float(np.sqrt(np.square(np.bincount(numbers, weights=gains)).sum()))
    return Shortcut(name, float(np.mean(scores)), float(np.mean(majorities)), folds=len(folds), error=error)


def _word_features(
    texts: Sequence[str], labels: Sequence[str], label_words: Mapping[str, Sequence[str]]
) -> npt.NDArray[np.float64]:
    """Return 0/1 for each text and word, shape (n, words): whether it occurs as a whole word."""
    words: dict[str, None] = {}
    for label in labels:
        for word in re.findall(r"[^\W_]+", label.lower()):
            # Mere numbers name classes, not things; they stand in posts for much else.
            if word not in _FUNCTION_WORDS and not word.isdigit():
                words[word] = None
        words |= {" ".join(word.lower().split()): None for word in label_words.get(label, ()) if word.strip()}
    lowered = [text.lower() for text in texts]
    features = np.zeros((len(texts), len(words)), dtype=np.float64)
    letter = rf"[^\W_{CJK}]"
    for number, word in enumerate(words):
        # Chinese, Japanese and Korean are written without blanks: there a word may touch others.
        before = rf"(?<!{letter})" if re.match(letter, word) else ""
        after = rf"(?!{letter})" if re.match(letter, word[-1]) else ""
        whole = re.compile(before + r"\s+".join(map(re.escape, word.split())) + after)
        first = word.split()[0]
        # The plain search passes over nearly all texts at once.
        features[:, number] = [first in text and whole.search(text) is not None for text in lowered]
    return features
