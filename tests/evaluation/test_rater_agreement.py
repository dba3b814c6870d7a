"""Agreement of raters against hand-computed analyses of variance, statsmodels, scikit-learn, scipy and brute force."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata, spearmanr
from sklearn.metrics import cohen_kappa_score

from mhclf.errors import DataError
from mhclf.evaluation.agreement import bias, exact_agreement, icc, spearman, weighted_kappa

# Shrout & Fleiss (1979), table 2: six targets, four judges; ICC(2,1) = .29, ICC(3,1) = .71.
SHROUT_FLEISS = np.array([[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]])


def drawn_items(n, n_resamples, seed=0):
    return np.random.default_rng(seed).integers(0, n, size=(n_resamples, n))


def percentiles(values):
    defined = np.asarray(values)[~np.isnan(values)]
    return tuple(np.quantile(defined, [0.025, 0.975]))


def test_icc_of_the_published_example():
    # Its table of variances: between targets 11.24, between judges 32.49, error 1.02.
    consistency = (11.24167 - 1.01944) / (11.24167 + 3 * 1.01944)
    agreement = (11.24167 - 1.01944) / (11.24167 + 3 * 1.01944 + 4 / 6 * (32.48611 - 1.01944))
    assert icc(SHROUT_FLEISS, "consistency").value == pytest.approx(consistency, abs=1e-5)
    assert icc(SHROUT_FLEISS, "agreement").value == pytest.approx(agreement, abs=1e-5)
    assert round(consistency, 2) == 0.71 and round(agreement, 2) == 0.29


def test_icc_by_hand():
    # Rows 1 and 3 apart, raters 1 apart: MS_R = 4 * 1 / 1, MS_C = 1, MS_E = 0.
    ratings = [[0, 1], [2, 3]]
    assert icc(ratings, "consistency").value == pytest.approx(1)
    assert icc(ratings, "agreement").value == pytest.approx(4 / (4 + 2 / 2 * 1))


def test_icc_equals_the_analysis_of_variance_of_statsmodels():
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    ratings = np.random.default_rng(3).integers(0, 4, (12, 3)) + np.arange(12)[:, None] % 3
    n, k = ratings.shape
    long = pd.DataFrame({"y": ratings.ravel(), "item": np.repeat(np.arange(n), k), "rater": np.tile(np.arange(k), n)})
    table = anova_lm(ols("y ~ C(item) + C(rater)", long).fit())
    rows, raters, error = table["sum_sq"] / table["df"]
    below = rows + (k - 1) * error
    assert icc(ratings, "consistency").value == pytest.approx((rows - error) / below)
    assert icc(ratings, "agreement").value == pytest.approx((rows - error) / (below + k / n * (raters - error)))


@pytest.mark.parametrize("kind", ["consistency", "agreement"])
def test_interval_of_icc_equals_brute_force(kind):
    ratings = np.random.default_rng(1).integers(0, 4, (15, 3))
    found = icc(ratings, kind, n_resamples=80)
    brute = [icc(ratings[rows], kind, n_resamples=1).value for rows in drawn_items(15, 80)]
    assert (found.low, found.high) == pytest.approx(percentiles(brute))
    assert found.n == 15 and found.low < found.value < found.high


def test_icc_of_equal_ratings_is_undefined_and_a_shift_counts_for_agreement_only():
    assert math.isnan(icc(np.full((5, 3), 0.1), "consistency").value)
    assert math.isnan(icc(np.full((5, 3), 3), "agreement").value)
    ratings = np.array([[1, 2], [2, 3], [3, 4], [5, 6]])
    assert icc(ratings, "consistency").value == pytest.approx(1)
    assert icc(ratings, "agreement").value < 1
    # Only the raters differ, no item does.
    assert icc([[1, 2], [1, 2], [1, 2]], "agreement").value == pytest.approx(0)


@pytest.mark.parametrize("weights", ["linear", "quadratic"])
def test_kappa_equals_scikit_learn_and_is_a_mean_over_pairs(weights):
    ratings = np.random.default_rng(2).integers(0, 4, (40, 3))
    pairs = [cohen_kappa_score(ratings[:, a], ratings[:, b], weights=weights) for a, b in ((0, 1), (0, 2), (1, 2))]
    assert weighted_kappa(ratings[:, :2], weights).value == pytest.approx(pairs[0])
    found = weighted_kappa(ratings, weights, n_resamples=40)
    assert found.value == pytest.approx(np.mean(pairs))
    brute = [weighted_kappa(ratings[rows], weights, n_resamples=1).value for rows in drawn_items(40, 40)]
    assert (found.low, found.high) == pytest.approx(percentiles(brute))


def test_kappa_of_constant_raters():
    # Raters 0 and 2 give one number throughout: no value for their pair, 0 for the others.
    ratings = np.array([[3, 3, 3], [3, 2, 3], [3, 3, 3]])
    assert weighted_kappa(ratings).value == pytest.approx(0)
    assert math.isnan(weighted_kappa(ratings[:, [0, 2]]).value)
    assert exact_agreement(ratings).value == pytest.approx((3 + 1 + 3) / 9)
    # Levels that nobody gave must not change the distance of those given.
    assert weighted_kappa([[0, 0], [3, 3], [0, 3]]).value == pytest.approx(
        cohen_kappa_score([0, 3, 0], [0, 3, 3], labels=[0, 1, 2, 3], weights="quadratic")
    )


def test_bias_by_hand():
    human = [[1, 2], [3, 3], [0, 1]]
    found = bias([2, 3, 2], human)
    assert found.value == pytest.approx((0.5 + 0 + 1.5) / 3)
    assert found.low <= found.value <= found.high and found.n == 3
    assert bias([1, 1], [2, 3]).value == pytest.approx(-1.5)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3)), min_size=2, max_size=20))
@settings(deadline=None, max_examples=40)
def test_spearman_equals_scipy(pairs):
    first, second = map(list, zip(*pairs, strict=True))
    value = spearman(first, second, n_resamples=1).value
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert math.isnan(value)
    else:
        assert value == pytest.approx(spearmanr(first, second).statistic)


def test_interval_of_spearman_equals_brute_force_and_leaves_missing_values_out():
    rng = np.random.default_rng(4)
    first = rng.integers(0, 5, 25).astype(float)
    second = first + rng.normal(0, 2, 25)
    found = spearman(first, second, n_resamples=60)
    brute = [spearmanr(first[rows], second[rows]).statistic for rows in drawn_items(25, 60)]
    assert (found.low, found.high) == pytest.approx(percentiles(brute))
    with_missing = spearman([*first, math.nan, 1], [*second, 2, math.nan], n_resamples=60)
    assert with_missing == found and found.n == 25
    assert math.isnan(spearman([1, math.nan], [2, 3]).value)


def test_partial_rank_correlation_equals_that_of_the_residuals_of_ranks():
    rng = np.random.default_rng(6)
    held = rng.normal(size=30)
    first, second = held + rng.normal(size=30), rng.integers(0, 4, 30) + held
    found = spearman(first, second, n_resamples=30, given=held)

    def residuals(values, by):
        ranks, others = rankdata(values), rankdata(by)
        return ranks - np.polyval(np.polyfit(others, ranks, 1), others)

    def partial(rows):
        return np.corrcoef(residuals(first[rows], held[rows]), residuals(second[rows], held[rows]))[0, 1]

    assert found.value == pytest.approx(partial(np.arange(30)))
    assert (found.low, found.high) == pytest.approx(percentiles([partial(rows) for rows in drawn_items(30, 30)]))
    assert math.isnan(spearman(first, second, n_resamples=2, given=first * 2).value)


def test_groups_are_drawn_together():
    first, second = [1, 2, 3, 4], [1, 3, 2, 4]
    assert math.isnan(spearman(first, second, groups=["p"] * 4).low), "one group has no spread"
    twice = spearman(first * 2, second * 2, groups=list("abcd") * 2, n_resamples=50)
    once = spearman(first, second, n_resamples=50)
    assert (twice.value, twice.low, twice.high) == pytest.approx((once.value, once.low, once.high))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: icc([[1, 2], [math.nan, 3]], "consistency"),
            "1 rating(s) are missing, the first of item 1 by rater 0. Leave such items out.",
        ),
        (
            lambda: icc([[1, 2]], "consistency"),
            "ratings must have shape (items, raters), at least two of each, got (1, 2)",
        ),
        (
            lambda: weighted_kappa([[1, 2], [3]]),
            "ratings must hold numbers in a rectangular array (items, raters)",
        ),
        (
            lambda: icc([[1, 2], [2, 1]], "agrement"),
            "unknown kind of ICC 'agrement'. Did you mean 'agreement'? Known: consistency, agreement",
        ),
        (
            lambda: weighted_kappa([[1, 2], [2, 1]], "square"),
            "unknown weights of kappa 'square'. Known: linear, quadratic",
        ),
        (lambda: spearman([1, 2], [1]), "all must have one shape (items,), got (2,), (1,)"),
        (
            lambda: spearman([1, 2], [2, 1], groups=["a"]),
            "groups must have shape (2,), one per item, got (1,)",
        ),
        (
            lambda: bias([1, 2], [1, 2, 3]),
            "judge must have shape (items,) and human (items, raters), got (2,), (3, 1)",
        ),
    ],
)
def test_wrong_ratings_are_refused(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
