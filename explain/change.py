"""What another way of training changes in the explanations: two runs on the same items, paired."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from explain.measuring import HIGHER_IS_BETTER, SECOND
from explain.summary import Compared, Paired, compare_paired
from explain.tables import LEVEL, SHOWN, direction
from mhclf.errors import DataError
from mhclf.evaluation import paired_means
from mhclf.results.predictions import Predictions
from mhclf.results.tables import Cell, Column, Table, format_interval


@dataclass(frozen=True)
class ModelChange:
    """One number of a run minus the same of a baseline run.

    Attributes
    ----------
    dataset, model, baseline : str
        Recipes, as in the records.
    method : str
        Attribution method; empty for `accuracy`, which is over all test posts.
    metric : str
    n : int
        Items that both runs have.
    value, baseline_value : float
        Means over these items.
    change : Compared
        Value minus baseline value, with its interval and a p-value that is Holm-corrected over the methods.
    """

    dataset: str
    model: str
    baseline: str
    method: str
    metric: str
    n: int
    value: float
    baseline_value: float
    change: Compared


def fidelity_changes(
    numbers: pd.DataFrame, baseline: pd.DataFrame, identity: dict[str, str], n_resamples: int = 1000
) -> list[ModelChange]:
    """Compare every method and metric that both runs have.

    Parameters
    ----------
    numbers, baseline : pandas.DataFrame
        `Explained.numbers` of the two runs.
    identity : dict
        `dataset, model, baseline`.
    n_resamples : int

    Notes
    -----
    A post with one label is one item, whatever label the runs predict: the evidence is that of the post. Where a
    post has an item for each of several labels, items are joined by label, too.
    """
    several = any(frame.duplicated(["id", "method"]).any() for frame in (numbers, baseline))
    item = ["id", "target"] if several else ["id"]
    found = []
    for metric in (name for name in HIGHER_IS_BETTER if name in numbers and name in baseline):
        items = {}
        for method in dict.fromkeys(numbers["method"]):
            if method == SECOND:
                continue
            ours, theirs = (
                frame.loc[frame["method"] == method, [*item, "group", metric]].dropna() for frame in (numbers, baseline)
            )
            items[method] = ours.merge(
                theirs.drop(columns="group"), on=item, suffixes=("", "_baseline"), validate="1:1"
            )
        pairs = {name: Paired(both[metric], both[f"{metric}_baseline"], both["group"]) for name, both in items.items()}
        for method, change in compare_paired(pairs, n_resamples).items():
            both = items[method]
            found.append(
                ModelChange(
                    **identity,
                    method=method,
                    metric=metric,
                    n=len(both),
                    value=float(both[metric].mean()),
                    baseline_value=float(both[f"{metric}_baseline"].mean()),
                    change=change,
                )
            )
    return found


def accuracy_change(
    ours: Predictions, theirs: Predictions, identity: dict[str, str], n_resamples: int = 1000
) -> ModelChange:
    """Compare the share of right decisions on all test posts (for several labels a post, of right labels).

    Raises
    ------
    DataError
        If the two hold different posts.
    """
    rows = theirs.places_of(ours.ids)
    if rows is None:
        raise DataError(f"{identity['model']} and {identity['baseline']} were tested on different posts.")
    right, baseline = (
        (run.gold == run.prediction).mean(axis=1) if run.multilabel else run.correct.astype(np.float64)
        for run in (ours, theirs)
    )
    baseline = baseline[rows]
    compared = paired_means(right, baseline, ours.groups, n_resamples=n_resamples, test="permutation")
    change = Compared(compared.difference, compared.ci_low, compared.ci_high, compared.p_value)
    return ModelChange(
        **identity,
        method="",
        metric="accuracy",
        n=len(right),
        value=float(right.mean()),
        baseline_value=float(baseline.mean()),
        change=change,
    )


def change_table(changes: Sequence[ModelChange]) -> Table:
    """Return what a recipe changes against another: methods down, the metrics of the fidelity table across."""
    first = changes[0]
    found: dict[tuple[str, str], ModelChange] = {(item.method, item.metric): item for item in changes}
    methods = [name for name in dict.fromkeys(item.method for item in changes) if name]
    shown = [metric for metric in SHOWN if any((method, metric) in found for method in methods)]
    rows: list[tuple[Cell, ...]] = []
    for method in methods:
        cells: list[Cell] = [method.replace("_", " ")]
        for metric in shown:
            item = found.get((method, metric))
            cells.append(None if item is None else _text(item.change))
        rows.append(tuple(cells))
    columns = (
        Column("method"),
        *(Column(metric, "right", direction(metric)) for metric in shown),
    )
    counts = sorted({item.n for item in changes if item.method and item.metric in shown})
    n = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    notes = [
        f"Difference on the same n = {n} items with its paired 95 % bootstrap interval over groups; * marks p < .05 of "
        "a paired permutation test, Holm-corrected over the methods."
    ]
    accuracy = found.get(("", "accuracy"))
    if accuracy is not None:
        notes.append(
            f"Accuracy on {accuracy.n} test posts: {accuracy.value:.3f} against {accuracy.baseline_value:.3f}, "
            f"{_text(accuracy.change)}, p = {accuracy.change.p:.3f}."
        )
    title = f"{first.dataset}: {first.model} against {first.baseline}"
    return Table(title, columns, tuple(rows), tuple(notes))


def _text(change: Compared) -> str:
    return format_interval(change.difference, change.ci_low, change.ci_high) + ("*" if change.p < LEVEL else "")
