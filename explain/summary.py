"""From the numbers of single items to a table: means with intervals, paired tests, and what they answer."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import spearmanr

from explain.faithfulness import AT_SHARES
from explain.measuring import HIGHER_IS_BETTER, SECOND
from mhclf.config.structure import from_mapping
from mhclf.errors import RunError
from mhclf.evaluation import holm, paired_means
from mhclf.evaluation.averages import average
from mhclf.results.files import write_text

BASELINES = ("random", "attention")
BY_LABEL = ("auprc", "f1_own_length")
"""Metrics that are summed up for each explained label, too."""


@dataclass(frozen=True)
class Compared:
    """A paired difference to a baseline: this method minus the baseline on the same items; `p` is Holm-corrected."""

    difference: float
    ci_low: float
    ci_high: float
    p: float


@dataclass(frozen=True)
class FidelityRecord:
    """One number of one attribution method on one run.

    Attributes
    ----------
    slice : str
        `all`; `correct` and `wrong` for the model's decision; `label NAME` for one explained label.
    value, ci_low, ci_high : float
        Mean over items with the 95 % bootstrap interval over groups; None where nothing is defined.
    n : int
        Items for which it is defined.
    vs_random, vs_attention : Compared or None
    vs_best : Compared or None
        Against the method with the best mean of this metric (`random` aside); None for that one.
    """

    run: str
    dataset: str
    model: str
    encoder: str
    seed: int
    method: str
    metric: str
    slice: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    vs_random: Compared | None = None
    vs_attention: Compared | None = None
    vs_best: Compared | None = None


def summarise(numbers: pd.DataFrame, identity: dict[str, object], n_resamples: int = 1000) -> list[FidelityRecord]:
    """Return a record for each method, metric and slice; tests are for all items, a second annotator has none.

    Parameters
    ----------
    numbers : pandas.DataFrame
        `Explained.numbers`.
    identity : dict
        `run, dataset, model, encoder, seed`.
    n_resamples : int
    """
    methods = list(dict.fromkeys(numbers["method"]))
    metrics = [metric for metric in HIGHER_IS_BETTER if metric in numbers.columns]
    found = []
    for part, rows in _slices(numbers).items():
        for metric in metrics:
            if (part != "all" and metric in AT_SHARES) or (part.startswith("label ") and metric not in BY_LABEL):
                continue
            item = ["id", "target", "group"]
            order = pd.MultiIndex.from_frame(rows[item].drop_duplicates())
            wide = rows.pivot(index=item, columns="method", values=metric).reindex(order).dropna(how="all")
            tests: dict[str, dict[str, Compared]] = {}
            if part == "all" and metric not in AT_SHARES:
                tests = _all_tests(wide.drop(columns=SECOND, errors="ignore"), metric, n_resamples)
            for method in methods:
                values = wide[method].dropna() if method in wide else pd.Series(dtype=float)
                found.append(
                    FidelityRecord(
                        **identity,  # type: ignore[arg-type]
                        method=method,
                        metric=metric,
                        slice=part,
                        **_mean(values, n_resamples),
                        vs_random=tests.get("random", {}).get(method),
                        vs_attention=tests.get("attention", {}).get(method),
                        vs_best=tests.get("best", {}).get(method),
                    )
                )
    return found


def _slices(numbers: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """Return the items by what they have in common; labels only where several are explained."""
    found = {"all": numbers, "correct": numbers[numbers["correct"]], "wrong": numbers[~numbers["correct"]]}
    labels = list(dict.fromkeys(numbers["target"]))
    if len(labels) > 1:
        found |= {f"label {name}": numbers[numbers["target"] == name] for name in sorted(labels)}
    return found


def _all_tests(wide: pd.DataFrame, metric: str, n_resamples: int) -> dict[str, dict[str, Compared]]:
    """Compare every method with `random`, with `attention`, and with the one that has the best mean."""
    tests = {base: _tests(wide, base, n_resamples) for base in BASELINES if base in wide}
    means = wide.drop(columns="random", errors="ignore").mean().dropna()
    if len(means):
        best = str(means.idxmax() if HIGHER_IS_BETTER[metric] else means.idxmin())
        tests["best"] = tests[best] if best in tests else _tests(wide, best, n_resamples)
    return tests


def _mean(values: "pd.Series[float]", n_resamples: int) -> dict[str, Any]:
    if not len(values):
        return {"value": None, "ci_low": None, "ci_high": None, "n": 0}
    found = average(values.to_numpy(), values.index.get_level_values("group").to_numpy(), n_resamples)
    return {"value": found.mean, "ci_low": _number(found.low), "ci_high": _number(found.high), "n": found.n}


def _tests(wide: pd.DataFrame, base: str, n_resamples: int) -> dict[str, Compared]:
    """Compare every other method with one, on the items that both have."""
    pairs = {}
    for method in (name for name in wide.columns if name != base):
        both = wide[[method, base]].dropna()
        pairs[method] = Paired(both[method], both[base], both.index.get_level_values("group"))
    return compare_paired(pairs, n_resamples)


class Paired(NamedTuple):
    """Two numbers of each of n items, and the items' groups."""

    ours: ArrayLike
    theirs: ArrayLike
    groups: ArrayLike


def compare_paired(pairs: Mapping[str, Paired], n_resamples: int) -> dict[str, Compared]:
    """Return ours minus theirs by name, Holm-corrected over the names; what lies in one group alone is left out.

    Parameters
    ----------
    pairs : mapping
        Name -> the items that both have.
    n_resamples : int
    """
    raw = {}
    for name, (ours, theirs, groups) in pairs.items():
        codes = np.asarray(groups)
        if len(set(codes)) > 1:
            a, b = (np.asarray(side, dtype=np.float64) for side in (ours, theirs))
            raw[name] = paired_means(a, b, codes, n_resamples=n_resamples, test="permutation")
    corrected = list(holm([item.p_value for item in raw.values()])) if raw else []
    return {
        name: Compared(item.difference, item.ci_low, item.ci_high, float(p))
        for (name, item), p in zip(raw.items(), corrected, strict=True)
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def right_for_the_right_reason(
    numbers: pd.DataFrame, method: str, least: float = 0.5, n_resamples: int = 1000
) -> dict[str, float | int]:
    """Return how often the decision is right, the explanation plausible, and both.

    Parameters
    ----------
    numbers : pandas.DataFrame
    method : str
    least : float
        Token F1 at the rationale's own length from which an explanation counts as plausible.
    n_resamples : int

    Returns
    -------
    dict
        `correct`, `plausible`, `both` (shares), each with `..._low` and `..._high` (95 % bootstrap interval over
        groups; None where it is undefined), and `n`.
    """
    own = numbers[numbers["method"] == method]
    plausible = own["f1_own_length"] >= least
    groups = own["group"].to_numpy()
    found: dict[str, Any] = {"n": len(own)}
    for name, held in (("correct", own["correct"]), ("plausible", plausible), ("both", own["correct"] & plausible)):
        share = average(held.to_numpy(dtype=np.float64), groups, n_resamples)
        found |= {name: share.mean, f"{name}_low": _number(share.low), f"{name}_high": _number(share.high)}
    return found


def answers(records: Sequence[FidelityRecord]) -> list[str]:
    """Return, from the numbers of one data set, what a reader asks: sober sentences with n, interval and p."""
    whole = [
        record for record in records if record.slice == "all" and record.value is not None and record.method != SECOND
    ]
    found = {(record.method, record.metric): record for record in whole}
    sentences = []
    attention = found.get(("attention", "auprc"))
    if attention is not None and attention.vs_random is not None:
        sentences.append(f"Attention against random (AUPRC, n = {attention.n}): {_compared(attention.vs_random)}.")
    for metric, question in (("auprc", "agrees best with experts"), ("comprehensiveness", "is the most faithful")):
        ranked = [record for record in whole if record.metric == metric]
        if len(ranked) > 1:
            sentences.append(_leader(ranked, question))
    human = next((r for r in records if (r.method, r.metric, r.slice) == (SECOND, "f1_own_length", "all")), None)
    if human is not None and human.value is not None:
        sentences.append(
            f"Ceiling: a second annotator's marks reach a token F1 of {human.value:.3f} "
            f"[{human.ci_low:.3f}, {human.ci_high:.3f}] against the first one's (n = {human.n})."
        )
    else:
        sentences.append("No ceiling: the set has one annotator's marks only.")
    layers = found.get(("layer_attentive_attention", "auprc"))
    if layers is not None and layers.vs_attention is not None:
        sentences.append(f"Layer-attentive against last-layer attention (AUPRC): {_compared(layers.vs_attention)}.")
    pairs = [
        (found[method, "auprc"].value, found[method, "comprehensiveness"].value)
        for method in dict.fromkeys(record.method for record in whole)
        if (method, "auprc") in found and (method, "comprehensiveness") in found
    ]
    if len(pairs) > 2:
        rank = float(spearmanr(*zip(*pairs, strict=True)).statistic)
        sentences.append(
            f"Rank correlation of plausibility (AUPRC) and faithfulness (comprehensiveness) over {len(pairs)} methods: "
            f"{rank:+.2f} (Spearman)."
        )
    return sentences


def _leader(records: Sequence[FidelityRecord], question: str) -> str:
    """Say which method has the highest mean of a metric, and from which ones it cannot be told."""
    candidates = [record for record in records if record.method != "random"] or list(records)
    best = max(candidates, key=lambda record: record.value or 0.0)
    interval = f"{best.metric} {best.value:.3f} [{best.ci_low:.3f}, {best.ci_high:.3f}]"
    above = next((record for record in records if (record.value or 0.0) > (best.value or 0.0)), None)
    if above is not None:
        return (
            f"No method is above `{above.method}` ({above.metric} {above.value:.3f} [{above.ci_low:.3f}, "
            f"{above.ci_high:.3f}]); the highest of them is `{best.method}` ({best.value:.3f})."
        )
    close = [
        f"`{record.method}` ({record.value:.3f})"
        for record in sorted(records, key=lambda record: -(record.value or 0.0))
        if record is not best and (record.vs_best is None or record.vs_best.p >= 0.05)
    ]
    if close:
        return f"`{best.method}` has the highest mean ({interval}); it cannot be told from {', '.join(close)}."
    return f"`{best.method}` {question} ({interval}; p < .05 after Holm against each of the others)."


def _compared(item: Compared) -> str:
    how = "no difference can be told" if item.p >= 0.05 else ("higher" if item.difference > 0 else "lower")
    # Adding 0 makes -0.000 a plain +0.000.
    difference, low, high = (round(end, 3) + 0 for end in (item.difference, item.ci_low, item.ci_high))
    return f"{difference:+.3f} [{low:+.3f}, {high:+.3f}], p = {item.p:.3f} after Holm: {how}"


def write_fidelity(path: Path, records: Sequence[FidelityRecord]) -> Path:
    """Write one JSON object a line."""
    return write_text(path, "".join(json.dumps(asdict(record), ensure_ascii=False) + "\n" for record in records))


def read_fidelity(path: Path) -> list[FidelityRecord]:
    """Read what `write_fidelity` wrote.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}). Run experiments/explain.py again.") from error
    return [from_mapping(FidelityRecord, line, str(path)) for line in lines]
