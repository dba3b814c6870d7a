"""From a model's answers to a label: likelihoods, parses, votes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from mhclf.errors import DataError

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Decision:
    """What came out for one post and one question.

    Attributes
    ----------
    options : tuple of int, or None
        The decided answers; None where no answer could be read.
    probabilities : tuple of float, or None
        Of each answer: from likelihoods, or the share of several votes. None where neither is there: one parsed
        answer has none.
    parsers : tuple of str
        Which rule read each sample; `scored` for likelihoods.
    scores : tuple of float, or None
        The log-probabilities behind them, of the first sample.
    said : tuple of dict
        Step -> text, one a sample.
    agreeing : int
        Number of the first sample that says what was decided; 0 where none does.
    explanation : str
    """

    options: tuple[int, ...] | None
    probabilities: tuple[float, ...] | None
    parsers: tuple[str, ...]
    scores: tuple[float, ...] | None = None
    said: tuple[dict[str, str], ...] = ()
    agreeing: int = 0
    explanation: str = field(default="", compare=False)


def normalised(log_probabilities: Sequence[float], tokens: Sequence[int], length: str) -> Floats:
    """Return the scores of answers: their log-probability, or that by token (`length` is `mean`)."""
    scores = np.asarray(log_probabilities, dtype=np.float64)
    return scores / np.asarray(tokens) if length == "mean" else scores


def decide_by_scores(samples: Sequence[Floats], said: Sequence[dict[str, str]] = ()) -> Decision:
    """Decide from the scores of the answers, one array a sample.

    One sample: the softmax of its scores. Several: the share of samples in which each answer is the best one; a tie
    goes to the answer with the higher mean probability.
    """
    probabilities = np.asarray(softmax(np.stack(samples), axis=1))
    shares = probabilities[0]
    if len(samples) > 1:
        shares = np.bincount(probabilities.argmax(axis=1), minlength=probabilities.shape[1]) / len(samples)
    best = int(np.lexsort((probabilities.mean(axis=0), shares))[-1])
    agreeing = int((probabilities.argmax(axis=1) == best).argmax())
    return Decision(
        (best,), tuple(shares.tolist()), ("scored",) * len(samples), tuple(samples[0].tolist()), tuple(said), agreeing
    )


def decide_by_votes(
    votes: Sequence[tuple[int, ...] | None],
    parsers: Sequence[str],
    answers: int,
    joint: bool,
    said: Sequence[dict[str, str]] = (),
) -> Decision:
    """Decide from parsed answers, one a sample.

    Parameters
    ----------
    votes : sequence of tuple of int, or None
        None for an answer that could not be read: it gives no vote.
    parsers : sequence of str
    answers : int
        Number of possible ones.
    joint : bool
        Several answers a question: each is decided by its own majority (half of the votes is enough).

    Notes
    -----
    A tie between answers goes to the first in the order of the labels.
    """
    counted = [vote for vote in votes if vote is not None]
    if not counted:
        return Decision(None, None, tuple(parsers), None, tuple(said))
    shares = np.zeros(answers)
    for vote in counted:
        shares[list(vote)] += 1 / len(counted)
    if joint:
        options = tuple(int(number) for number in np.flatnonzero(shares >= 0.5 - 1e-9))
    else:
        options = (int(shares.argmax()),)
    probabilities = tuple(shares.tolist()) if len(votes) > 1 else None
    agreeing = votes.index(options) if options in votes else 0
    return Decision(options, probabilities, tuple(parsers), None, tuple(said), agreeing)


@dataclass(frozen=True)
class ScoreFit:
    """A logistic regression from the scores of k answers to the right one.

    Attributes
    ----------
    answers : int
        k.
    classes : tuple of int
        Answers that the rows had on which it was fitted; others get probability 0.
    mean, scale : tuple of float (k,)
        By which scores are standardised.
    weights : tuple of tuple of float (1 or classes, k)
        One row for two classes, else one for each.
    intercept : tuple of float (1 or classes,)
    """

    answers: int
    classes: tuple[int, ...]
    mean: tuple[float, ...]
    scale: tuple[float, ...]
    weights: tuple[tuple[float, ...], ...]
    intercept: tuple[float, ...]

    def probabilities(self, scores: Floats) -> Floats:
        """Return the probability of each answer (m, k) from their scores (m, k)."""
        standard = (scores - np.array(self.mean)) / np.array(self.scale)
        logits = standard @ np.array(self.weights).T + np.array(self.intercept)
        if len(self.classes) == 2:
            logits = np.column_stack([np.zeros(len(logits)), logits])
        found = np.zeros((len(scores), self.answers))
        found[:, list(self.classes)] = softmax(logits, axis=1)
        return found


def fit_scores(scores: Floats, gold: npt.NDArray[np.int64]) -> ScoreFit:
    """Fit a logistic regression from scores to labels on validation rows; for two answers: a threshold.

    Parameters
    ----------
    scores : array (n, k)
        Of the k answers.
    gold : array (n,)
        The right answers.

    Raises
    ------
    DataError
        If the rows have only one of the answers.
    """
    classes = np.unique(gold)
    if len(classes) < 2:
        raise DataError("labels: fit: all validation rows have the same label. Use --labels.fit none, or more rows.")
    scaler = StandardScaler().fit(scores)
    regression = LogisticRegression(max_iter=1000).fit(scaler.transform(scores), gold)
    return ScoreFit(
        scores.shape[1],
        tuple(int(number) for number in classes),
        tuple(scaler.mean_.tolist()),
        tuple(scaler.scale_.tolist()),
        tuple(tuple(row) for row in regression.coef_.tolist()),
        tuple(regression.intercept_.tolist()),
    )
