"""The same model behind scikit-learn's fit, predict and predict_proba."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from mhclf.config.command_line import build_config
from mhclf.config.dataset import SplitsConfig
from mhclf.config.places import recipe_folder
from mhclf.config.recipes import nested
from mhclf.config.run import RunConfig
from mhclf.data.in_memory import Form, Task, as_targets, as_texts, table_in_memory
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.training.in_memory import fit_table, pack_run, save_run, unpack_run, write_settings
from mhclf.training.outcome import decide
from mhclf.training.saved import Run, load_run

_FILE = "estimator.json"
_OF_FILES = ("data", "data_root", "out", "limit", "test", "report", "protocol", "audit", "subset", "fold",
             "columns", "mask_identifiers")  # fmt: skip
"""Settings of runs that have no meaning for posts in memory."""


class TextClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Classify posts; fits in pipelines, cross-validation and grid search.

    Parameters
    ----------
    method : str
        Recipe: `lara_supcon`, `finetune`, `tfidf_lr`, ...
    encoder : str
        `minilm`, `mpnet`, a local folder, or a hub name.
    task : {'auto', 'ordinal'}
        `ordinal` takes the classes, in sorted order, for levels; otherwise labels say what the task is.
    random_state : int, RandomState or None
        Seed of the model. The same integer gives the same model on the same machine.
    epochs, batch_size : int, optional
        The recipe's own when empty; so it is for `lr`.
    lr : float, optional
        Learning rate of the encoder.
    max_length : int
        Tokens per post.
    validation_share : float
        Share of the posts by which the best epoch is chosen: stratified, and whole groups where groups are given.
        The rows depend on `settings["split_seed"]` (0), not on `random_state`.
    mask : bool
        Mask e-mail addresses and user names.
    settings : mapping, optional
        Any other key of a run, nested or with dots: `{"contrastive.weight": 0.3}`. Parameters above win over it.

    Attributes
    ----------
    classes_ : array
        Sorted labels; the columns of `predict_proba`. For a 0/1 matrix the numbers of its columns.
    n_features_in_ : int
        1: the text.
    run_ : Run
        Network or linear model; `explain.attribute` takes it.

    Notes
    -----
    Training happens in a temporary folder that is removed. A pickle holds the weights as safetensors, and no pickle
    of torch. The linear recipe needs no validation posts and learns from all.

    Examples
    --------
    >>> from mhclf import TextClassifier
    >>> model = TextClassifier(method="tfidf_lr").fit(["my knee hurts", "my boss is angry"] * 9, ["body", "work"] * 9)
    >>> model.predict(["the knee again"]).tolist()
    ['body']
    """

    def __init__(
        self,
        method: str = "lara_supcon",
        *,
        encoder: str = "minilm",
        task: Literal["auto", "ordinal"] = "auto",
        random_state: Any = 1,
        epochs: int | None = None,
        batch_size: int | None = None,
        lr: float | None = None,
        max_length: int = 256,
        validation_share: float = 0.1,
        mask: bool = True,
        settings: Mapping[str, Any] | None = None,
    ) -> None:
        self.method = method
        self.encoder = encoder
        self.task = task
        self.random_state = random_state
        self.epochs = epochs
        self.batch_size = batch_size
        self.lr = lr
        self.max_length = max_length
        self.validation_share = validation_share
        self.mask = mask
        self.settings = settings

    def __sklearn_tags__(self) -> Any:
        """Texts in, one label or several out."""
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.input_tags.string = True
        tags.classifier_tags.multi_label = True
        return tags

    def fit(self, X: Any, y: Any, groups: Sequence[Any] | None = None) -> Self:
        """Learn from posts.

        Parameters
        ----------
        X : list, array or Series of str, or a single column of a DataFrame or 2-D array
        y : sequence of classes, 0/1 array (n, labels), or list of lists of classes
        groups : sequence, optional
            Posts of one group (an author, a thread) are not parted by the validation cut.

        Raises
        ------
        ConfigError, DataError
            Both are ValueErrors. Unknown setting or recipe; a post or label that is missing, with its row.
        """
        texts = as_texts(X)
        targets = as_targets(y, len(texts))
        config = self.run_config()
        if self.task not in ("auto", "ordinal"):
            raise ConfigError(f"task: '{self.task}' is neither 'auto' nor 'ordinal'.")
        if self.task == "ordinal" and targets.form != "single":
            raise DataError("y: has several labels a post, an ordinal task has one level.")
        task: Task = "multilabel" if targets.form != "single" else "ordinal" if self.task == "ordinal" else "multiclass"
        splits = SplitsConfig(kind="given", validation=self.validation_share, seed=config.split_seed or 0)
        table = table_in_memory(texts, targets, task, groups, splits, self.max_length, config.mask)
        self.run_ = fit_table(table, config)
        self.classes_ = targets.classes
        self.n_features_in_ = 1
        self._form = targets.form
        return self

    def predict_proba(self, X: Any) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (n, classes); rows sum to 1 unless posts have several labels."""
        check_is_fitted(self, "run_")
        run: Run = self.run_
        probabilities = run.predict_proba(run.prepare(as_texts(X)))
        if self._form == "single":
            # Rounding of 32 bits away, so that rows sum to 1 in 64.
            probabilities = probabilities / probabilities.sum(axis=1, keepdims=True)
        return probabilities

    def predict(self, X: Any) -> Any:
        """Return labels in the form that `fit` was given: an array of classes, a 0/1 array, or lists of classes."""
        probabilities = self.predict_proba(X)
        decisions = decide(self.run_.task, probabilities)
        if self._form == "single":
            return self.classes_[decisions]
        if self._form == "lists":
            return [self.classes_[row == 1].tolist() for row in decisions]
        return decisions

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return accuracy; with several labels a post, the share of posts with all labels right."""
        found = self.predict(X)
        if self._form == "lists":
            right = [set(known) == set(row) for known, row in zip(y, found, strict=True)]
            return float(np.average(right, weights=sample_weight))
        return float(accuracy_score(y, found, sample_weight=sample_weight))

    def run_config(self) -> RunConfig:
        """Return the settings of the run that `fit` carries out.

        Raises
        ------
        ConfigError
            On an unknown recipe, key or wrong value.
        """
        given = nested(self.settings or {})
        refused = [key for key in given if key in _OF_FILES]
        if refused:
            raise ConfigError(f"settings: '{refused[0]}' is for runs on files and has no meaning here. Leave it out.")
        seed = self.random_state
        if seed is None or isinstance(seed, np.random.RandomState):
            seed = int(check_random_state(seed).randint(2**31 - 1))
        own = {
            "method": self.method,
            "encoder": self.encoder,
            "seed": int(seed),
            "max_length": self.max_length,
            "mask": self.mask,
            "report": False,
            "data": "in-memory",
            "optim": {"lr": self.lr},
            "batch": {"size": self.batch_size},
            "trainer": {"epochs": self.epochs},
        }
        for group, name in (("optim", "lr"), ("batch", "size"), ("trainer", "epochs")):
            if own[group] == {name: None}:
                del own[group]
        return build_config(recipe_folder(), given, own)

    def save(self, folder: str | Path) -> Path:
        """Write the fitted model; `load` and `mhclf.load_run` read the folder.

        Raises
        ------
        NotFittedError
            Before `fit`.
        ConfigError
            If the folder exists and is not empty.
        """
        check_is_fitted(self, "run_")
        path = Path(folder)
        if path.exists() and (not path.is_dir() or any(path.iterdir())):
            raise ConfigError(f"{path}: exists and is not empty. Give another folder.")
        save_run(self.run_, path)
        parameters = self.get_params(deep=False) | {"random_state": self.run_.config.seed}
        kind = self.classes_.dtype.kind
        classes = {"kind": "O" if kind in "OUST" else kind, "values": self.classes_.tolist()}
        write_settings(path / _FILE, {"parameters": parameters, "classes": classes, "form": self._form})
        return path

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Read a model that `save` wrote.

        Raises
        ------
        RunError
            If the folder holds none, or is damaged or foreign.
        """
        path = Path(folder)
        run = load_run(path)
        try:
            content = json.loads((path / _FILE).read_text(encoding="utf-8"))
            model = cls(**content["parameters"])
            model.classes_ = np.array(content["classes"]["values"], dtype=_DTYPES[content["classes"]["kind"]])
            model._form = _FORMS[content["form"]]
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise RunError(f"{path / _FILE}: is missing or damaged. Was the folder written by save?") from error
        if len(model.classes_) != len(run.labels):
            raise RunError(f"{path / _FILE}: has {len(model.classes_)} classes, the model {len(run.labels)}.")
        model.run_ = run
        model.n_features_in_ = 1
        return model

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        if "run_" in state:
            state["run_"] = pack_run(state["run_"])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if "run_" in state:
            state["run_"] = unpack_run(state["run_"])
        super().__setstate__(state)


_FORMS: dict[str, Form] = {"single": "single", "indicator": "indicator", "lists": "lists"}
_DTYPES: dict[str, Any] = {"O": object, "i": np.int64, "u": np.uint64, "f": np.float64, "b": np.bool_}
