"""How a trained run bears small changes of the test posts."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from mhclf.data.noise import NOISES, noisy_table
from mhclf.data.table import PostTable
from mhclf.errors import RunError
from mhclf.evaluation import metric_names
from mhclf.evaluation.flips import Flips, prediction_flips
from mhclf.results.robustness import Robustness, read_robustness, write_robustness
from mhclf.training.outcome import prediction_frame
from mhclf.training.prepared import prepare_data
from mhclf.training.saved import Run, load_run, read_predictions


def measure_robustness(
    folder: Path,
    kinds: Sequence[str],
    strength: float,
    seed: int,
    metric: str | None = None,
    data_root: str | None = None,
) -> Robustness:
    """Predict the run's test posts again, changed in each way, and compare.

    Parameters
    ----------
    folder : Path
        A finished run.
    kinds : sequence of str
        Names in `NOISES`.
    strength : float
        Share of words that are changed, in [0, 1].
    seed : int
        Fixes the changes; the same for every run, so that runs are compared on the same posts.
    metric : str, optional
        When empty the headline metric, or macro-F1 where that one needs probabilities.
    data_root : str, optional
        Folder of the data files; the run's own when empty.

    Returns
    -------
    Robustness
        A comparison for each kind, beside those measured earlier with the same strength, seed and metric; also
        written to `robustness/<kind>.parquet` (predictions, no text) and `robustness/robustness.json` of the run
        folder.

    Raises
    ------
    RunError
        If the data are not those of the run, or it has no test predictions.
    """
    for kind in kinds:
        NOISES.get(kind)
    saved = read_predictions(folder).part("test")
    if not len(saved.ids):
        raise RunError(f"{folder}: has no test predictions. Train it again without --no-test.")
    run = load_run(folder)
    table = _test_rows(run, data_root)
    if saved.ids.tolist() != table.frame["id"].astype(str).tolist():
        raise RunError(f"{folder}: its test rows are not those that the data set gives now. Train it again.")
    metric = metric or _usual_metric(table)
    target = folder / "robustness"
    target.mkdir(exist_ok=True)
    earlier = read_robustness(target / "robustness.json")
    found: dict[str, Flips] = {}
    touched: dict[str, float] = {}
    if earlier is not None and (earlier.strength, earlier.seed) == (strength, seed):
        found = {kind: item for kind, item in earlier.kinds.items() if item.metric == metric}
        touched = {kind: share for kind, share in earlier.touched.items() if kind in found}
    for kind in kinds:
        changed = noisy_table(table, kind, strength, seed)
        pairs = zip(table.texts, changed.texts, strict=True)
        touched[kind] = sum(before != after for before, after in pairs) / len(table)
        frame = _predict(run, changed)
        frame.to_parquet(target / f"{kind}.parquet", index=False)
        again = read_predictions(folder, target / f"{kind}.parquet")
        found[kind] = prediction_flips(
            saved.task, saved.gold, saved.prediction, again.prediction, saved.labels, saved.groups, metric
        )
    measured = Robustness(strength, seed, found, touched)
    write_robustness(target / "robustness.json", measured)
    return measured


def _usual_metric(table: PostTable) -> str:
    first = table.config.headline_metric
    return first if first in metric_names(table.config.task, table.labels, with_probability=False) else "macro_f1"


def _predict(run: Run, table: PostTable) -> pd.DataFrame:
    scored = run.score(table.texts, table.contexts)
    return prediction_frame(table, scored.probabilities, scored.reservation)


def _test_rows(run: Run, data_root: str | None) -> PostTable:
    config = run.config if data_root is None else replace(run.config, data_root=data_root)
    return prepare_data(config).table.part("test")
