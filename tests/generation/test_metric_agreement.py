"""Metrics against people: what is correlated with what, on invented explanations."""

import math

import numpy as np
import pytest
from scipy.stats import spearmanr

from mhclf.data.spans import text_key
from mhclf.errors import DataError
from mhclf.evaluation.agreement import icc, weighted_kappa
from mhclf.generation.human_ratings import DIMENSIONS, RatedExplanations
from mhclf.generation.metric_agreement import (
    AGREEMENT,
    ALL,
    join,
    metric_figures,
    rater_figures,
    reference_metrics,
    reference_set,
    text_metrics,
)


def rated(name, n, seed, raters=3, shared=0):
    rng = np.random.default_rng(seed)
    posts = tuple(f"post {number if number < shared else (name, number)}" for number in range(n))
    ratings = {dimension: rng.integers(0, 4, (n, raters)) for dimension in DIMENSIONS}
    texts = tuple("word " * (1 + int(ratings["overall"][row].sum())) + f"number{row}" for row in range(n))
    return RatedExplanations(name, posts, texts, ratings)


@pytest.fixture(scope="module")
def rows():
    return join([rated("one", 20, 0, shared=5), rated("two", 15, 1, shared=5)])


def test_rows_of_all_systems(rows):
    slices = rows.slices()
    assert {name: int(chosen.sum()) for name, chosen in slices.items()} == {"one": 20, "two": 15, ALL: 35}
    assert rows.groups[0] == rows.groups[20] == text_key("post 0") and rows.groups[6] != rows.groups[26]
    assert join([rated("one", 20, 0)]).slices().keys() == {"one"}
    with pytest.raises(DataError, match="need files with one number of raters, got: one 3, two 2"):
        join([rated("one", 4, 0), rated("two", 4, 0, raters=2)])
    with pytest.raises(DataError, match="got: no file"):
        join([])


def test_raters(rows):
    figures = {(item.part, item.name, item.dimension): item for item in rater_figures(rows)}
    assert len(figures) == 3 * len(AGREEMENT) * len(DIMENSIONS)
    ratings = rows.ratings["overall"]
    assert figures[ALL, "icc_a1", "overall"].value == pytest.approx(icc(ratings, "agreement", n_resamples=1).value)
    assert figures["one", "kappa_quadratic", "overall"].value == pytest.approx(
        weighted_kappa(ratings[:20], n_resamples=1).value
    )
    assert figures["two", "mean", "overall"].value == pytest.approx(ratings[20:].mean())
    assert figures["two", "mean", "overall"].n == 15


def test_metrics(rows):
    metrics = text_metrics(rows)
    figures = {(item.part, item.name, item.dimension): item for item in metric_figures(rows, metrics)}
    mean = rows.ratings["overall"].mean(axis=1)
    assert figures["one", "words", "overall"].value == pytest.approx(1), "as many words as points"
    assert figures[ALL, "distinct_1", "reliability"].value == pytest.approx(
        spearmanr(metrics["distinct_1"], rows.ratings["reliability"].mean(axis=1)).statistic
    )
    # No quotes anywhere: their number has no rank, their share no row.
    assert figures[ALL, "quotes", "overall"].value is None
    assert (ALL, "invented_quote_share", "overall") not in figures
    assert np.isnan(metrics["invented_quote_share"]).all() and len(mean) == 35


def test_a_held_metric_and_ratings_at_their_ceiling(rows):
    metrics = text_metrics(rows)
    assert "words" not in {item.name for item in metric_figures(rows, metrics, held="words")}
    ceiling = join([rated("one", 20, 0)])
    ceiling.ratings["fluency"][:] = 3
    ceiling.ratings["fluency"][:9] = 2
    found = {item.dimension for item in metric_figures(ceiling, text_metrics(ceiling))}
    assert found == {"completeness", "reliability", "overall"}
    ceiling.ratings["fluency"][:10] = 2
    assert "fluency" in {item.dimension for item in metric_figures(ceiling, text_metrics(ceiling))}


def test_references(rows):
    texts = {text_key("post 0"): rows.explanations[20], text_key("post 3"): "something else"}
    found = reference_set("silver", rows, texts)
    assert found.rows == (0, 3, 20, 23) and found.references[0] == rows.explanations[20]
    assert reference_set("silver", rows, texts, parts=("two",)).rows == (20, 23)
    metrics = reference_metrics(found, 35)
    assert set(metrics) == {f"{name}_silver" for name in ("rouge1", "rouge2", "rougeL", "chrf", "bleu")}
    assert metrics["rouge1_silver"][20] == pytest.approx(1) and metrics["rougeL_silver"][3] == 0
    assert [row for row in range(35) if not math.isnan(metrics["chrf_silver"][row])] == [0, 3, 20, 23]
    assert reference_metrics(reference_set("silver", rows, {}), 35) == {}
