"""What a finished run says about test rows: its own, those of another data set, its own under small changes."""

import math
from dataclasses import asdict, dataclass
from typing import Any

from mhclf.config.suite_grid import NoiseConfig, TargetConfig, noise_label, target_label
from mhclf.data.manifest import content_hash
from mhclf.evaluation import NO_ANSWER, scores
from mhclf.results.files import read_mapping
from mhclf.results.pairs import read_pairs
from mhclf.results.records import ResultRecord, read_records
from mhclf.results.robustness import read_robustness
from mhclf.training.run import RunOutcome
from mhclf.training.saved import SavedPredictions, read_predictions
from mhclf.training.transfer import MANIFEST, asked_for, finished_transfer


@dataclass(frozen=True)
class Measured:
    """Predictions of one run on one set of test rows, with all that its suite records need.

    Attributes
    ----------
    part : str
        What is added to the name of the run's data set; empty for its own test rows.
    rows_of : str
        Data set whose ids the rows have.
    predictions : SavedPredictions
    values : mapping of str to float or None
    metrics : tuple of str
        Headline metrics of the rows.
    rows : mapping of str to int
        Counts for the note below the table.
    data_hash : str
    source_hash : str
        Of the whole target of a transfer, before shared posts were left out.
    layers : mapping or None
        `layers.json` of the run, with its own test rows.
    pairs : tuple of mapping
        `class_pairs.json` of the run, with its own test rows.
    no_answer : bool
        Whether a prediction may be none of the classes.
    """

    part: str
    rows_of: str
    predictions: SavedPredictions
    values: dict[str, float | None]
    metrics: tuple[str, ...]
    rows: dict[str, int]
    data_hash: str
    source_hash: str = ""
    layers: dict[str, Any] | None = None
    pairs: tuple[dict[str, Any], ...] = ()
    no_answer: bool = False


def own_test(outcome: RunOutcome) -> Measured:
    """Return what a run says about its own test rows."""
    first = outcome.records[0]
    manifest = read_mapping(outcome.folder / "data_manifest.json")
    layers = outcome.folder / "layers.json"
    predictions = read_predictions(outcome.folder).part("test")
    return Measured(
        part="",
        rows_of=first.dataset,
        predictions=predictions,
        values=_values(outcome.records, first.method),
        metrics=tuple(manifest["metrics"]),
        rows=manifest["rows"],
        data_hash=first.data_hash,
        layers=read_mapping(layers) if layers.is_file() else None,
        pairs=tuple(
            asdict(pair) | {"margin": _rounded(pair.margin), "confusion": _rounded(pair.confusion)}
            for pair in read_pairs(outcome.folder / "class_pairs.json")
        ),
        no_answer=bool((predictions.prediction == NO_ANSWER).any()),
    )


def on_target(outcome: RunOutcome, target: TargetConfig) -> Measured | None:
    """Return what a run says about another data set; None where it was not scored on it with this label map."""
    folder = finished_transfer(outcome.folder, asked_for(target.data, target.label_map, "test", target.renormalise))
    if folder is None:
        return None
    manifest = read_mapping(folder / MANIFEST)
    return Measured(
        part=target_label(target),
        rows_of=manifest["name"],
        predictions=read_predictions(folder, manifest_name=MANIFEST),
        values=_values(tuple(read_records(folder / "results.jsonl")), outcome.records[0].method),
        metrics=tuple(manifest["metrics"]),
        rows=manifest["rows"],
        data_hash=manifest["hashes"]["data"],
        source_hash=manifest["hashes"]["target"],
        no_answer=True,
    )


def under_noise(outcome: RunOutcome, noise: NoiseConfig, kind: str) -> Measured | None:
    """Return what a run says about its test rows under a kind of change; None where it was not measured so."""
    found = read_robustness(outcome.folder / "robustness" / "robustness.json")
    if found is None or (found.strength, found.seed) != (noise.strength, noise.seed) or kind not in found.kinds:
        return None
    first = outcome.records[0]
    manifest = read_mapping(outcome.folder / "data_manifest.json")
    again = read_predictions(outcome.folder, outcome.folder / "robustness" / f"{kind}.parquet")
    values = scores(again.task, again.gold, again.prediction, again.probability, again.labels, risk=again.risk)
    return Measured(
        part=noise_label(kind),
        rows_of=first.dataset,
        predictions=again,
        values={name: None if math.isnan(value) else value for name, value in values.items()},
        metrics=tuple(manifest["metrics"]),
        rows=manifest["rows"],
        data_hash=content_hash([(first.data_hash, kind, noise.strength, noise.seed)]),
    )


def _values(records: tuple[ResultRecord, ...], method: str) -> dict[str, float | None]:
    return {
        record.metric: record.value
        for record in records
        if record.split == "test" and record.slice == "all" and record.method == method
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 6)
