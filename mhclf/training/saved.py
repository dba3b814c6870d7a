"""Reading a finished run back: its predictions, and the trained model ready for new posts."""

import html
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from transformers import PreTrainedTokenizerBase

from mhclf.config.joint import read_run_config
from mhclf.config.run import RunConfig
from mhclf.data.manifest import content_hash
from mhclf.data.repair import clean_post
from mhclf.data.table import join_contexts
from mhclf.errors import RunError
from mhclf.evaluation import NO_ANSWER, RiskLabels, decide_by_thresholds, risk_labels
from mhclf.models.linear import LinearModel
from mhclf.models.network import ClassifierNetwork
from mhclf.models.weights import file_sha256
from mhclf.results.derived import read_thresholds
from mhclf.results.escape import plain
from mhclf.results.files import read_mapping
from mhclf.results.runfolder import read_run
from mhclf.results.summary import results_table
from mhclf.results.tables import to_html
from mhclf.training.environment import resolve_device
from mhclf.training.model_folder import load_linear_folder, load_network_folder
from mhclf.training.predict import Precision, Scored, predict_network


@dataclass(frozen=True)
class SavedPredictions:
    """`predictions.parquet` as arrays.

    Attributes
    ----------
    task : str
    labels : tuple of str
    ids, groups, splits : array of str, shape (n,)
    gold, prediction : array
        Class numbers (n,), or 0/1 labels (n, labels).
    unread : array of bool
        Of the same shape: where a prompted model's answer named no label. The prediction is wrong there: `NO_ANSWER`,
        or the opposite of gold.
    probability : array (n, labels)
    risk : RiskLabels or None
        What the data set says about risk.
    """

    task: str
    labels: tuple[str, ...]
    ids: npt.NDArray[Any]
    groups: npt.NDArray[Any]
    splits: npt.NDArray[Any]
    gold: npt.NDArray[np.int64]
    prediction: npt.NDArray[np.int64]
    unread: npt.NDArray[np.bool_]
    probability: npt.NDArray[np.float64]
    risk: RiskLabels | None = None

    def part(self, split: str) -> "SavedPredictions":
        """Return the rows of one split."""
        rows = self.splits == split
        arrays = ("ids", "groups", "splits", "gold", "prediction", "unread", "probability")
        return replace(self, **{name: getattr(self, name)[rows] for name in arrays})


def read_predictions(
    folder: Path, file: Path | None = None, manifest_name: str = "data_manifest.json"
) -> SavedPredictions:
    """Read a run's predictions, or those of another file of the same form.

    Parameters
    ----------
    folder : Path
    file : Path, optional
    manifest_name : str
        File in the folder that says task and labels. In that of a transfer some predictions may be
        `source_labels_without_target`: they read as `NO_ANSWER`, as do the unread answers of a prompted model.

    Raises
    ------
    RunError
        If a file is missing or damaged.
    """
    manifest = read_mapping(folder / manifest_name, "Run it again.")
    try:
        frame = pd.read_parquet(file or folder / "predictions.parquet")
        task, labels = manifest["task"], tuple(manifest["labels"])
        risk = manifest.get("risk")
        number = {label: index for index, label in enumerate(labels)}
        outside = dict.fromkeys(manifest.get("source_labels_without_target", ()), NO_ANSWER)
        ids, groups, splits = (frame[column].astype(str).to_numpy(dtype=object) for column in ("id", "group", "split"))
        gold = _numbers(frame["gold"], number, task)
        prediction = _numbers(frame["prediction"], outside | number, task)
        unread = _numbers(frame["unread_labels"], number, task) == 1 if "unread_labels" in frame else prediction < 0
        return SavedPredictions(
            task,
            labels,
            ids,
            groups,
            splits,
            gold,
            np.where(unread, 1 - gold, prediction) if task == "multilabel" else prediction,
            unread,
            frame[[f"probability/{label}" for label in labels]].to_numpy(dtype=np.float64),
            risk_labels(task, labels, risk["high"], risk["order"]) if risk else None,
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{folder}: has no readable predictions ({type(error).__name__}). Run it again.") from error


def _numbers(names: "pd.Series[Any]", number: Mapping[str, int], task: str) -> npt.NDArray[np.int64]:
    if task != "multilabel":
        return np.array([NO_ANSWER if _is_missing(name) else number[name] for name in names], dtype=np.int64)
    values = np.zeros((len(names), len(number)), dtype=np.int64)
    for row, present in enumerate(names):
        values[row, [number[name] for name in present]] = 1
    return values


def _is_missing(name: Any) -> bool:
    """Return whether a cell is empty: None or NaN, as the version of pandas has it."""
    return name is None or isinstance(name, float)


@dataclass(frozen=True)
class Run:
    """A trained classifier from a run folder.

    Attributes
    ----------
    folder : Path
    config : RunConfig
    labels : tuple of str
    task : str
    network, tokenizer
        The encoder model, or None for the linear baseline.
    linear : LinearModel or None
    repair : bool
        Whether broken encoding in the training texts was mended.
    thresholds : mapping of str to float
        Label to the threshold fitted on validation; empty where the run has none.
    """

    folder: Path
    config: RunConfig
    labels: tuple[str, ...]
    task: str
    network: ClassifierNetwork | None = None
    tokenizer: PreTrainedTokenizerBase | None = None
    linear: LinearModel | None = None
    repair: bool = True
    thresholds: Mapping[str, float] = field(default_factory=dict)

    @property
    def max_length(self) -> int:
        """Tokens per post."""
        return int(self.config.max_length or 0)

    def to(self, device: str = "auto") -> "Run":
        """Move the network, in place, and return the run: predictions and explanations are computed where it lies.

        Parameters
        ----------
        device : {'auto', 'cpu', 'cuda'}
            auto: the GPU where torch sees one. The linear baseline has none to move.

        Raises
        ------
        ConfigError
            If there is no such device here.
        """
        found = resolve_device(device)
        if self.network is not None:
            self.network.to(found)
        return self

    def predict_proba(
        self, texts: list[str], contexts: list[str] | None = None, precision: Precision = "fp32"
    ) -> npt.NDArray[np.float64]:
        """Return probabilities, shape (n, labels); `contexts` are what was said before, where the set had that.

        Texts are read as they are: `prepare` makes of raw ones what the run was trained on. With `bf16` the encoder
        multiplies in half precision: a little rounded, and about twice as fast where the processor is made for it
        (AMD's, or with tiles).
        """
        return self.score(texts, contexts, precision).probabilities

    def score(self, texts: list[str], contexts: list[str] | None = None, precision: Precision = "fp32") -> Scored:
        """Return probabilities as `predict_proba` does, with the reservation where the run has learnt to abstain."""
        if not texts:
            return Scored(np.zeros((0, len(self.labels))))
        if self.linear is not None:
            return Scored(self.linear.probabilities(join_contexts(texts, contexts)))
        network, tokenizer = self.parts()
        config = self.config
        found = predict_network(
            network, tokenizer, texts, self.max_length, config.batch, contexts, config.long, precision
        )
        return Scored(found.probabilities.astype(np.float64), found.reservation)

    def predict(self, texts: list[str], contexts: list[str] | None = None, *, tuned: bool = False) -> list[Any]:
        """Return label names: one text a post, or a list of texts for `multilabel`.

        Parameters
        ----------
        texts, contexts
            As in `predict_proba`.
        tuned : bool
            Decide by the thresholds that were fitted on validation; otherwise a label of several is predicted from .5
            on, and one label of a post where it is the most probable.

        Raises
        ------
        RunError
            If `tuned` is asked of a run without thresholds.
        """
        probabilities = self.predict_proba(texts, contexts)
        if not tuned:
            return self.named(probabilities)
        if not self.thresholds:
            raise RunError(
                f"{self.folder}: has no fitted thresholds. They exist for several labels a post and for two labels, "
                "where the data have a validation part."
            )
        return self._names(decide_by_thresholds(self.task, probabilities, list(self.thresholds.values())))

    def prepare(self, texts: list[str], mask: bool | None = None) -> list[str]:
        """Return raw texts as the run's own were read: encoding mended, identifiers masked, each where it was there.

        Parameters
        ----------
        texts : list of str
        mask : bool, optional
            Replaces the run's own setting.
        """
        masked = self.config.mask if mask is None else mask
        return [clean_post(text, self.repair, masked) for text in texts]

    def named(self, probabilities: npt.NDArray[np.float64]) -> list[Any]:
        """Return the label names that probabilities (n, labels) stand for, as `predict` does."""
        return self._names(probabilities >= 0.5 if self.task == "multilabel" else probabilities.argmax(axis=1))

    def _names(self, decisions: npt.NDArray[Any]) -> list[Any]:
        if self.task == "multilabel":
            return [[name for name, on in zip(self.labels, row, strict=True) if on] for row in decisions]
        return [self.labels[index] for index in decisions]

    def parts(self) -> tuple[ClassifierNetwork, PreTrainedTokenizerBase]:
        """Return network and tokenizer.

        Raises
        ------
        RunError
            If the run is the linear baseline.
        """
        if self.network is None or self.tokenizer is None:
            raise RunError(f"{self.folder}: is the linear baseline and has no network. Choose a neural run.")
        return self.network, self.tokenizer

    def __repr__(self) -> str:
        labels = ", ".join(self.labels)
        return f"Run({self.config.method} on {self.config.data}, seed {self.config.seed}, labels: {labels})"

    def _repr_html_(self) -> str:
        """Return what the run is and its numbers, for notebooks; everything is escaped."""
        shown = f"<p><b>{html.escape(plain(self.folder.name))}</b><br>{html.escape(plain(repr(self)))}</p>"
        files = (self.folder / name for name in ("results.jsonl", "data_manifest.json"))
        return shown + to_html(results_table(read_run(self.folder))) if all(map(Path.is_file, files)) else shown


def load_run(folder: str | Path) -> Run:
    """Load a finished run for prediction and explanation, on the CPU: `Run.to` moves it.

    Parameters
    ----------
    folder : str or Path
        The run folder that training printed.

    Raises
    ------
    RunError
        If the folder holds no finished run, or its model is damaged, foreign, or would run code when loaded.
    """
    path = Path(folder)
    if not (path / "config.yaml").is_file():
        raise RunError(f"{path}: is no run folder (no config.yaml). Give the folder that training printed.")
    config = read_run_config(path / "config.yaml")
    repair = _repaired(path / "data_manifest.json")
    if config.model.kind == "tfidf_lr":
        linear = load_linear_folder(path / "model")
        return Run(
            path, config, linear.labels, linear.task, linear=linear, repair=repair, thresholds=read_thresholds(path)
        )
    model, tokenizer = load_network_folder(path / "model")
    network = model.network.eval()
    labels, task = network.config.labels, network.config.task
    return Run(path, config, labels, task, network, tokenizer, repair=repair, thresholds=read_thresholds(path))


def _repaired(manifest: Path) -> bool:
    """Whether the training texts were mended; runs that do not say so used the default."""
    return not manifest.exists() or bool(read_mapping(manifest, "Train the run again.").get("repair", True))


def trained_hash(folder: Path) -> str:
    """Return the hash of the data that a run was trained on.

    Raises
    ------
    RunError
        If its `data_manifest.json` is missing or damaged, or does not say it.
    """
    path = folder / "data_manifest.json"
    hashes = read_mapping(path, "Give a finished run, or train it again.").get("hashes")
    if not isinstance(hashes, dict) or not isinstance(hashes.get("data"), str):
        raise RunError(f"{path}: has no hash of the training data. Give a finished run, or train it again.")
    return str(hashes["data"])


def model_hash(folder: Path) -> str:
    """Return one hash over a run's settings and the files of its model.

    Raises
    ------
    RunError
        If a file cannot be read.
    """
    files = [folder / "config.yaml", *sorted(path for path in (folder / "model").iterdir() if path.is_file())]
    return content_hash([[path.name, file_sha256(path)] for path in files])
