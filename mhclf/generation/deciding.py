"""From a model's answers to a label: likelihoods, parses, votes."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
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


def fit_on_validation(
    scores: Floats, gold: npt.NDArray[np.int64], held_out: Floats
) -> tuple[Floats, dict[str, list[float]]]:
    """Fit a logistic regression from scores to labels, and apply it to other rows.

    Parameters
    ----------
    scores : array (n, k)
        Of the k answers, on validation rows.
    gold : array (n,)
        Their right answers.
    held_out : array (m, k)

    Returns
    -------
    probabilities : array (m, k)
        An answer that validation never has gets 0.
    coefficients : dict
        `intercept` and `weights` (flattened), for the records.

    Raises
    ------
    DataError
        If validation has only one of the answers.
    """
    classes = np.unique(gold)
    if len(classes) < 2:
        raise DataError("labels: fit: all validation rows have the same label. Use --labels.fit none, or more rows.")
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    model.fit(scores, gold)
    probabilities = np.zeros(held_out.shape)
    probabilities[:, classes] = model.predict_proba(held_out)
    regression = model[-1]
    found = {
        "intercept": [float(value) for value in regression.intercept_],
        "weights": [float(value) for value in regression.coef_.ravel()],
    }
    return probabilities, found
