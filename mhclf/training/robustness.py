"""How a trained run bears small changes of the test posts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from mhclf.data.noise import NOISES, noisy_table
from mhclf.data.table import PostTable
from mhclf.errors import RunError
from mhclf.evaluation.flips import Flips, prediction_flips
from mhclf.results.files import write_text
from mhclf.results.tables import Column, Table, format_interval, format_number
from mhclf.training.outcome import prediction_frame
from mhclf.training.run import prepare_data
from mhclf.training.saved import Run, load_run, read_predictions


def measure_robustness(
    folder: Path,
    kinds: Sequence[str],
    strength: float,
    seed: int,
    metric: str | None = None,
    data_root: str | None = None,
) -> dict[str, Flips]:
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
        The headline metric when empty.
    data_root : str, optional
        Folder of the data files; the run's own when empty.

    Returns
    -------
    dict
        Kind -> comparison; also written to `robustness/<kind>.parquet` (predictions, no text) and
        `robustness/robustness.json` of the run folder.

    Raises
    ------
    RunError
        If the data are not those of the run, or it has no test predictions.
    """
    for kind in kinds:
        NOISES.get(kind)
    run, table = load_run(folder), _test_rows(folder, data_root)
    saved = read_predictions(folder).part("test")
    if saved.ids.tolist() != table.frame["id"].astype(str).tolist():
        raise RunError(f"{folder}: its test rows are not those that the data set gives now. Train it again.")
    metric = metric or table.config.headline_metric
    target = folder / "robustness"
    target.mkdir(exist_ok=True)
    found: dict[str, Flips] = {}
    for kind in kinds:
        changed = noisy_table(table, kind, strength, seed)
        frame = _predict(run, changed)
        frame.to_parquet(target / f"{kind}.parquet", index=False)
        again = read_predictions(folder, target / f"{kind}.parquet")
        found[kind] = prediction_flips(
            saved.task, saved.gold, saved.prediction, again.prediction, saved.labels, saved.groups, metric
        )
    content = {
        "strength": strength,
        "seed": seed,
        "kinds": {kind: asdict(item) for kind, item in found.items()},
    }
    write_text(target / "robustness.json", json.dumps(content, indent=1) + "\n")
    return found


def robustness_table(found: dict[str, Flips], strength: float) -> Table:
    """Return one row a kind of change: the score before and after, its drop, and flips."""
    metric = next(iter(found.values())).metric if found else "metric"
    rows = tuple(
        (
            kind.replace("_", " "),
            format_number(item.before),
            format_number(item.after),
            format_interval(item.difference, item.ci_low, item.ci_high),
            format_number(item.p_value),
            format_interval(item.flipped, item.flipped_low, item.flipped_high),
            format_number(item.lost),
            format_number(item.gained),
        )
        for kind, item in found.items()
    )
    columns = (
        Column("change"),
        Column(f"{metric} before", "right"),
        Column("after", "right"),
        Column("difference", "right"),
        Column("p", "right"),
        Column("predictions flipped", "right", "lower"),
        Column("right to wrong", "right", "lower"),
        Column("wrong to right", "right"),
    )
    n = next(iter(found.values())).n if found else 0
    note = (
        f"n = {n} test posts; {strength:.0%} of words chosen (lower case: all). Intervals: 95 %, paired bootstrap "
        "over groups."
    )
    return Table("Robustness", columns, rows, (note,))


def _predict(run: Run, table: PostTable) -> pd.DataFrame:
    scored = run.score(table.texts, table.contexts)
    return prediction_frame(table, scored.probabilities, scored.reservation)


def _test_rows(folder: Path, data_root: str | None) -> PostTable:
    config = load_run(folder).config
    if data_root is not None:
        config = replace(config, data_root=data_root)
    return prepare_data(config).table.part("test")
