"""Risk metrics against a count row by row, and every branch that a definition leaves open."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.evaluation import (
    classification_intervals,
    hierarchical_interval,
    higher_is_better,
    metric_names,
    risk_labels,
    risk_metrics,
    risk_table,
    scores,
)

LEVELS = ("supportive", "indicator", "ideation", "behaviour", "attempt")


def counted(gold, prediction, labels, high, order):
    """Count by hand; gold and prediction are one set of label names a row."""
    level = {label: place for place, label in enumerate(order)}
    deepest = [[max([level.get(name, -1) for name in row], default=-1) for row in side] for side in (gold, prediction)]
    rows = list(zip(gold, prediction, *deepest, strict=True))
    at_risk = [(p, a, b) for g, p, a, b in rows if g & set(high)]
    flagged = [g for g, p, _, _ in rows if p & set(high)]
    found = sum(bool(p & set(high)) for p, _, _ in at_risk)
    severe = sum(not p & set(high) and a - b >= 2 for p, a, b in at_risk)

    def share(part, whole):
        return part / whole if whole else math.nan

    values = {
        "high_risk_recall": share(found, len(at_risk)),
        "high_risk_precision": share(sum(bool(g & set(high)) for g in flagged), len(flagged)),
        "high_risk_false_negative_rate": share(len(at_risk) - found, len(at_risk)),
    }
    if order:
        values["severe_miss_rate"] = share(severe, len(at_risk))
    for label in labels:
        having = [p for g, p, _, _ in rows if label in g]
        values[f"false_negative_rate/{label}"] = share(sum(label not in p for p in having), len(having))
    return values


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-1, 4)), min_size=1, max_size=30), st.booleans())
def test_one_label_a_post_equals_the_count(pairs, ordered):
    gold, prediction = (np.array(side) for side in zip(*pairs, strict=True))
    order = ("supportive", "ideation", "behaviour", "attempt") if ordered else ()
    risk = risk_labels("multiclass", LEVELS, ["behaviour", "attempt"], order)
    sets = [[{LEVELS[c]} if c >= 0 else set() for c in side] for side in (gold, prediction)]
    expected = counted(*sets, LEVELS, risk.high, order)
    found = risk_metrics("multiclass", gold, prediction, risk, no_answer=True)
    assert found == pytest.approx(expected, abs=1e-12, nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 25), st.integers(0, 10_000), st.booleans())
def test_several_labels_a_post_equal_the_count(n, seed, ordered):
    gold, prediction = np.random.default_rng(seed).random((2, n, 4)) < 0.3
    labels, order = LEVELS[1:], (LEVELS[2:] if ordered else ())
    risk = risk_labels("multilabel", labels, ["behaviour", "attempt"], order)
    sets = [[{labels[c] for c in np.flatnonzero(row)} for row in side] for side in (gold, prediction)]
    found = risk_metrics("multilabel", gold.astype(int), prediction.astype(int), risk)
    assert found == pytest.approx(counted(*sets, labels, risk.high, order), abs=1e-12, nan_ok=True)


def test_a_high_risk_post_is_found_by_any_high_risk_label():
    risk = risk_labels("ordinal", LEVELS, ["behaviour", "attempt"])
    # attempt as behaviour: found; attempt as ideation: missed by two levels; behaviour as ideation: missed by one.
    found = risk_metrics("ordinal", [4, 4, 3, 0], [3, 2, 2, 4], risk)
    assert found["high_risk_recall"] == pytest.approx(1 / 3)
    assert found["high_risk_precision"] == pytest.approx(1 / 2)
    assert found["severe_miss_rate"] == pytest.approx(1 / 3)
    assert found["false_negative_rate/attempt"] == 1.0
    assert math.isnan(found["false_negative_rate/ideation"])


def test_without_high_risk_posts_the_rates_are_undefined_not_zero():
    risk = risk_labels("multiclass", ["a", "b", "c"], ["c"])
    found = risk_metrics("multiclass", [0, 1], [0, 0], risk)
    assert all(math.isnan(found[name]) for name in found if name.startswith("high_risk"))
    assert "severe_miss_rate" not in found
    assert found["false_negative_rate/a"] == 0.0 and found["false_negative_rate/b"] == 1.0


def test_the_table_counts_by_level_from_mild_to_severe():
    risk = risk_labels("multiclass", ["severe", "none", "unsure", "mild"], ["severe"], ["none", "mild", "severe"])
    table = risk_table("multiclass", [0, 0, 0, 1, 2, 3], [0, 1, 3, 0, 2, 1], risk)
    assert table.names == ("none", "mild", "severe", "unsure")
    assert table.high == (False, False, True, False)
    assert table.counts.tolist() == [[0, 1], [1, 0], [2, 1], [1, 0]]


def test_the_table_of_several_labels_has_a_row_for_posts_without_any():
    risk = risk_labels("multilabel", ["mild", "severe"], ["severe"])
    table = risk_table("multilabel", [[1, 1], [0, 0], [1, 0]], [[0, 1], [0, 1], [0, 0]], risk)
    assert table.names == ("mild", "severe", "(none)")
    assert table.counts.tolist() == [[1, 1], [0, 1], [0, 1]]


def test_scores_and_intervals_know_them():
    random = np.random.default_rng(0)
    gold, prediction = random.integers(0, 5, (2, 300))
    risk = risk_labels("ordinal", LEVELS, ["behaviour", "attempt"])
    values = scores("ordinal", gold, prediction, None, LEVELS, risk=risk)
    assert tuple(values) == metric_names("ordinal", LEVELS, with_probability=False, risk=risk)
    names = ["high_risk_recall", "severe_miss_rate", "false_negative_rate/attempt"]
    groups = np.arange(300) // 2
    intervals = classification_intervals("ordinal", gold, prediction, None, LEVELS, groups, names, risk=risk)
    for name in names:
        low, high = intervals[name]
        assert low < values[name] < high
    # The recall of pooled labels is a ratio of sums over groups: resample it by hand with the same draws.
    at_risk, hit = gold >= 3, (gold >= 3) & (prediction >= 3)
    drawn = np.random.default_rng(0).integers(0, 150, size=(1000, 150))
    sums = [np.add.reduceat(side.astype(float), np.arange(0, 300, 2))[drawn].sum(axis=1) for side in (hit, at_risk)]
    assert intervals["high_risk_recall"] == pytest.approx(tuple(np.quantile(sums[0] / sums[1], [0.025, 0.975])))
    over_seeds = hierarchical_interval(
        "ordinal", gold, np.stack([prediction, gold]), None, LEVELS, groups, names, risk=risk
    )
    assert over_seeds["high_risk_recall"].mean == pytest.approx((values["high_risk_recall"] + 1) / 2)


def test_directions():
    assert higher_is_better("high_risk_recall") and higher_is_better("high_risk_precision")
    for name in ("high_risk_false_negative_rate", "severe_miss_rate", "false_negative_rate/a/b"):
        assert not higher_is_better(name)


@pytest.mark.parametrize(
    ("high", "order", "message"),
    [
        ([], [], "risk: 0 of 3 labels are of high risk; name some, not all"),
        (["a", "b", "c"], [], "risk: 3 of 3 labels are of high risk; name some, not all"),
        (["cc"], [], "unknown high-risk label 'cc'. Did you mean 'c'? Known: a, b, c"),
        (["c", "c"], [], "risk: a high-risk label is listed twice: c, c"),
        (["c"], ["a", "b"], "risk: the order lacks the high-risk label(s) c"),
    ],
)
def test_what_is_wrong_is_said(high, order, message):
    with pytest.raises(DataError) as error:
        risk_labels("multiclass", ["a", "b", "c"], high, order)
    assert str(error.value) == message
