"""The linear baseline: TF-IDF of words and word pairs with logistic regression, saved without pickle."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_matrix
from scipy.special import expit, softmax
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from mhclf.cjk import CJK
from mhclf.errors import RunError

_CONFIG = "linear.json"
_ARRAYS = "linear.safetensors"
# scikit-learn's own pattern (two letters or more), but where words are written without spaces every sign is one:
# whole Chinese sentences would be one word each, and nothing would ever occur twice.
_WORD = rf"[{CJK}]|(?:(?![{CJK}])\w){{2,}}"


@dataclass(frozen=True)
class LinearModel:
    """TF-IDF and one logistic regression (softmax), or one for each label.

    Attributes
    ----------
    task : str
        `multiclass` or `multilabel`.
    labels : tuple of str
    vocabulary : dict
        Word or pair of words -> column.
    inverse_frequency : array
        Shape (columns,).
    weights, bias : array
        Shapes (labels, columns) and (labels,).
    """

    task: str
    labels: tuple[str, ...]
    vocabulary: dict[str, int]
    inverse_frequency: npt.NDArray[np.float64]
    weights: npt.NDArray[np.float64]
    bias: npt.NDArray[np.float64]

    def features(self, texts: list[str]) -> csr_matrix:
        """Return TF-IDF rows of unit length, shape (n, columns)."""
        if not self.vocabulary:
            return csr_matrix((len(texts), 0))
        vectorizer = _vectorizer(self.vocabulary)
        vectorizer.idf_ = self.inverse_frequency
        return csr_matrix(vectorizer.transform(texts))

    @property
    def token_pattern(self) -> "re.Pattern[str]":
        """What counts as a word: two letters or more, and each Chinese, Japanese or Korean sign."""
        return re.compile(_WORD)

    def logits(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """Return logits, shape (n, labels)."""
        return np.asarray(self.features(texts) @ self.weights.T) + self.bias

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (n, labels)."""
        logits = self.logits(texts)
        return np.asarray(expit(logits) if self.task == "multilabel" else softmax(logits, axis=1))

    def save(self, folder: Path) -> None:
        """Write JSON and safetensors."""
        folder.mkdir(parents=True, exist_ok=True)
        content = {"task": self.task, "labels": list(self.labels), "vocabulary": self.vocabulary}
        (folder / _CONFIG).write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        arrays = {"inverse_frequency": self.inverse_frequency, "weights": self.weights, "bias": self.bias}
        save_file(arrays, folder / _ARRAYS)


def load_linear(folder: Path) -> LinearModel:
    """Read a saved linear model.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    try:
        content = json.loads((folder / _CONFIG).read_text(encoding="utf-8"))
        arrays = load_file(folder / _ARRAYS)
        return LinearModel(
            content["task"],
            tuple(content["labels"]),
            {str(word): int(column) for word, column in content["vocabulary"].items()},
            arrays["inverse_frequency"],
            arrays["weights"],
            arrays["bias"],
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError, SafetensorError, RecursionError) as error:
        raise RunError(f"{folder}: the saved linear model is missing or damaged. Train it again.") from error


def fit_linear(task: str, labels: tuple[str, ...], texts: list[str], targets: npt.NDArray[np.int64]) -> LinearModel:
    """Fit the baseline: words and word pairs seen twice or more, sublinear counts, C = 4, balanced classes.

    Parameters
    ----------
    task : str
        `multiclass` or `multilabel`.
    texts : list of str
        Training posts.
    targets : array
        Shape (n,) or (n, labels).

    Notes
    -----
    Settings of the reference rows in the field's tables; nothing is tuned. A label that train holds never or always
    gets a constant logit.
    """
    vectorizer = _vectorizer()
    try:
        features = vectorizer.fit_transform(texts)
    except ValueError:
        # Tiny sets: no word occurs twice.
        vectorizer = _vectorizer(min_df=1)
        try:
            features = vectorizer.fit_transform(texts)
        except ValueError:
            # Signs and single letters only: nothing tells the labels apart.
            return _constant(task, labels, targets)
    columns = targets if targets.ndim == 2 else np.eye(len(labels), dtype=int)[targets]
    weights = np.zeros((len(labels), features.shape[1]))
    bias = np.where(columns.any(axis=0), 0.0, -20.0)
    if task == "multilabel":
        for label in range(len(labels)):
            if 0 < columns[:, label].sum() < len(columns):
                model = _regression().fit(features, columns[:, label])
                weights[label], bias[label] = model.coef_[0], model.intercept_[0]
            elif columns[:, label].any():
                bias[label] = 20.0
    else:
        present = np.flatnonzero(columns.any(axis=0))
        if len(present) > 1:
            model = _regression().fit(features, targets)
            if len(present) == 2:
                weights[present[1]], bias[present[1]] = model.coef_[0], model.intercept_[0]
            else:
                weights[present], bias[present] = model.coef_, model.intercept_
    vocabulary = {str(word): int(column) for word, column in vectorizer.vocabulary_.items()}
    return LinearModel(task, labels, vocabulary, np.asarray(vectorizer.idf_), weights, bias)


def _constant(task: str, labels: tuple[str, ...], targets: npt.NDArray[np.int64]) -> LinearModel:
    """Return a model without words: the labels that train holds are equally likely."""
    columns = targets if targets.ndim == 2 else np.eye(len(labels), dtype=int)[targets]
    never, always = ~columns.any(axis=0), columns.all(axis=0) & (task == "multilabel")
    bias = np.where(never, -20.0, np.where(always, 20.0, 0.0))
    return LinearModel(task, labels, {}, np.zeros(0), np.zeros((len(labels), 0)), bias)


def _vectorizer(vocabulary: dict[str, int] | None = None, min_df: int = 2) -> TfidfVectorizer:
    return TfidfVectorizer(
        ngram_range=(1, 2),
        min_df=1 if vocabulary else min_df,
        sublinear_tf=True,
        vocabulary=vocabulary,
        token_pattern=_WORD,
    )


def _regression() -> LogisticRegression:
    return LogisticRegression(C=4.0, class_weight="balanced", max_iter=2000)
