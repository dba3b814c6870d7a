"""McNemar and Holm against statsmodels and scipy."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest
from statsmodels.stats.contingency_tables import mcnemar as statsmodels_mcnemar
from statsmodels.stats.multitest import multipletests

from mhclf.evaluation import Comparison, holm, mcnemar


@pytest.mark.parametrize("seed", range(5))
def test_mcnemar_equals_statsmodels_and_scipy(seed):
    rng = np.random.default_rng(seed)
    a, b = rng.random(40) < 0.7, rng.random(40) < 0.5
    table = [[np.sum(a & b), np.sum(a & ~b)], [np.sum(~a & b), np.sum(~a & ~b)]]
    ours = mcnemar(a, b)
    assert ours.p_value == pytest.approx(statsmodels_mcnemar(table, exact=True).pvalue, abs=1e-12)
    assert ours.p_value == binomtest(int(table[0][1]), int(table[0][1] + table[1][0])).pvalue
    assert ours.difference == pytest.approx(a.mean() - b.mean())
    assert ours.test == "exact McNemar"
    assert np.isnan(ours.ci_low)


def test_mcnemar_without_discordant_rows():
    assert mcnemar([1, 0, 1], [1, 0, 1]).p_value == 1.0


@settings(max_examples=25, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=15))
def test_holm_equals_statsmodels(p_values):
    np.testing.assert_allclose(holm(p_values), multipletests(p_values, method="holm")[1], rtol=0, atol=1e-12)


def test_holm_passes_nan_through():
    corrected = holm([0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(corrected, [0.03, np.nan, 0.06, 0.06])
    assert holm([]).shape == (0,)
    assert np.isnan(holm([np.nan])).all()


def test_comparison_is_frozen():
    result = mcnemar([1], [0])
    assert isinstance(result, Comparison)
    with pytest.raises(AttributeError):
        result.p_value = 0.0  # type: ignore[misc]
