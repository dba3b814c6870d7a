"""Consistency: whether an explanation alone implies the label that was predicted beside it.

After the label classifiers of MentaLLaMA (Yang et al. 2024), with two differences: the words of the labels are cut from
every explanation first, since reading them off is no reasoning; and the accuracy of the classifier on explanations that
it has not seen stands beside the result, as the bound of what it can tell.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from numpy.typing import ArrayLike

from mhclf.errors import DataError
from mhclf.evaluation.averages import Average, average
from mhclf.evaluation.content_words import content_words, light_stem
from mhclf.evaluation.text_tokens import has_cjk, tokenize
from mhclf.models.linear import fit_linear

Integers = npt.NDArray[np.int64]
LabelReader = Callable[[list[str]], Integers]
"""Takes explanations without label words and returns the number of the label that each implies, shape (n,)."""

NONE = -1
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_ANSWER_END = r"(?:\s*[.,:;!?\-]+)?\s*(?:Reasoning:\s*)?"


@dataclass(frozen=True)
class Consistency:
    """What `consistency` found.

    Attributes
    ----------
    held_out : Average
        Accuracy of the label reader on held-out reference explanations, with interval.
    majority : float
        Share of the most frequent label among them: what reading nothing reaches.
    consistent : Average
        Share of the generated explanations whose implied label is the predicted one, with interval.
    agrees : bool array (n,)
        Whether it is, for each of them.
    implied : array (n,)
        Implied label of each generated explanation; -1 where nothing is left without the label words.
    empty : int
        Number of those; they count as not consistent.
    """

    held_out: Average
    majority: float
    consistent: Average
    agrees: npt.NDArray[np.bool_]
    implied: Integers
    empty: int


def without_label_words(text: str, label_words: Sequence[str]) -> str:
    """Return a text without the words of the labels.

    Parameters
    ----------
    text : str
    label_words : sequence of str
        Names of the labels, and the words that answers use for them.

    Notes
    -----
    Each content word of a label goes wherever it stands, in any form of `light_stem`: for the labels `stressed` and
    `not stressed` that is stress, stressed, stresses, but neither `stressful` nor `not`. A label without content words
    (`no`) goes only where the text begins with it, with `Reasoning:` behind it: elsewhere it is grammar. Labels in
    Chinese go wherever they stand. What is left may still tell the label in plain words (`no signs of`): the measure
    asks whether it does.
    """
    stems: set[str] = set()
    for label in label_words:
        if has_cjk(label):
            text = text.replace(label, " ")
            continue
        found = content_words(label)
        stems.update(found)
        if not found and label.strip():
            text = re.sub(rf"^\s*{re.escape(label.strip())}\b{_ANSWER_END}", "", text, flags=re.IGNORECASE)
    return _WORD.sub(lambda match: "" if light_stem(_plain(match.group())) in stems else match.group(), text)


def fit_label_reader(texts: Sequence[str], targets: ArrayLike, labels: Sequence[str]) -> LabelReader:
    """Fit TF-IDF and logistic regression (`mhclf.models.linear`) on reference explanations without label words.

    Parameters
    ----------
    texts : sequence of str (n,)
        Explanations of training posts, from `without_label_words`.
    targets : array (n,)
        Label number of each.
    labels : sequence of str

    Raises
    ------
    DataError
        If the lengths differ, or fewer than two labels occur.

    Notes
    -----
    Any function of texts to label numbers may take its place, such as that of a fine-tuned encoder:
    ``mhclf.TextClassifier().fit(texts, targets).predict``.
    """
    classes = _checked("targets", targets, len(texts), len(labels))
    if len(set(classes.tolist())) < 2:
        raise DataError("targets hold fewer than two labels: give explanations of every label")
    model = fit_linear("multiclass", tuple(labels), [_spaced(text) for text in texts], classes)

    def read(given: list[str]) -> Integers:
        return np.asarray(model.logits([_spaced(text) for text in given]).argmax(axis=1), dtype=np.int64)

    return read


def consistency(
    reader: LabelReader,
    reference_texts: Sequence[str],
    reference_targets: ArrayLike,
    texts: Sequence[str],
    predictions: ArrayLike,
    labels: Sequence[str],
    label_words: Sequence[str] = (),
    reference_groups: ArrayLike | None = None,
    groups: ArrayLike | None = None,
) -> Consistency:
    """Hold the label that each generated explanation implies against the predicted one.

    Parameters
    ----------
    reader : LabelReader
        From `fit_label_reader`, fitted on explanations of training posts without the same label words.
    reference_texts, reference_targets : sequence of str (m,), array (m,)
        Held-out reference explanations and their labels: none that the reader saw.
    texts, predictions : sequence of str (n,), array (n,)
        Generated explanations, and the label number predicted beside each; -1 for an unparsed answer, which nothing
        can be consistent with.
    labels : sequence of str
    label_words : sequence of str
        Cut from all texts besides the labels' names: what answers use for them.
    reference_groups, groups : arrays (m,) and (n,), optional
        Rows of one group are drawn together for the intervals.

    Raises
    ------
    DataError
        If lengths differ, nothing is given, or a label number does not exist.

    Notes
    -----
    Consistency is not truth: an explanation that argues well for a wrong label is consistent. Read `consistent` against
    `held_out`: a reader that is right on 80 % of references misreads sound explanations too.
    """
    cut = [*labels, *label_words]
    targets = _checked("reference_targets", reference_targets, len(reference_texts), len(labels))
    predicted = _checked("predictions", predictions, len(texts), len(labels), least=NONE)
    known = reader([without_label_words(text, cut) for text in reference_texts])
    rest = [without_label_words(text, cut) for text in texts]
    implied = np.asarray(reader(rest), dtype=np.int64)
    implied = np.where([bool(tokenize(text)) for text in rest], implied, NONE)
    agrees = (implied == predicted) & (implied != NONE)
    return Consistency(
        held_out=average(known == targets, reference_groups),
        majority=float(np.bincount(targets).max() / len(targets)),
        consistent=average(agrees, groups),
        agrees=agrees,
        implied=implied,
        empty=int((implied == NONE).sum()),
    )


def _checked(name: str, values: ArrayLike, n: int, n_labels: int, least: int = 0) -> Integers:
    numbers = np.asarray(values)
    if numbers.shape != (n,) or n == 0:
        raise DataError(f"{name} must have shape ({n},), one label number a text and at least one, got {numbers.shape}")
    if numbers.dtype.kind not in "iu" or numbers.min() < least or numbers.max() >= n_labels:
        raise DataError(f"{name} must hold whole numbers from {least} to {n_labels - 1} ({n_labels} labels)")
    return numbers.astype(np.int64)


def _plain(word: str) -> str:
    return word.lower().replace("’", "'")


def _spaced(text: str) -> str:
    """Return a text whose Chinese signs stand as pairs with spaces between: the vectoriser knows no other words."""
    if not has_cjk(text):
        return text
    words = [token.text for token in tokenize(text)]
    pairs = [a + b for a, b in pairwise(words) if has_cjk(a) and has_cjk(b)]
    return " ".join([*(word for word in words if not has_cjk(word)), *pairs])
