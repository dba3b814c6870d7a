"""Mean ranks and the critical difference against printed tables and by hand."""

import numpy as np
import pytest
from scipy.stats import chi2

from mhclf.errors import DataError
from mhclf.evaluation.ranks import critical_difference, mean_ranks

# Demsar (2006), table 5 (a): q at .05 for 2 to 10 methods.
DEMSAR = {2: 1.960, 3: 2.343, 4: 2.569, 5: 2.728, 6: 2.850, 7: 2.949, 8: 3.031, 9: 3.102, 10: 3.164}


@pytest.mark.parametrize(("methods", "q"), DEMSAR.items())
def test_the_critical_difference_of_the_printed_table(methods: int, q: float) -> None:
    expected = q * np.sqrt(methods * (methods + 1) / (6 * 14))
    assert critical_difference(methods, 14) == pytest.approx(expected, rel=6e-4)


def test_ranks_by_hand_with_a_tie() -> None:
    found = mean_ranks([[0.9, 0.8, 0.7], [0.5, 0.5, 0.4], [0.1, 0.3, 0.2]])
    assert found.ranks.tolist() == pytest.approx([(1 + 1.5 + 3) / 3, (2 + 1.5 + 1) / 3, (3 + 3 + 2) / 3])
    lower = mean_ranks([[0.9, 0.8, 0.7], [0.5, 0.5, 0.4], [0.1, 0.3, 0.2]], higher_is_better=False)
    assert lower.ranks.tolist() == pytest.approx((4 - found.ranks).tolist())


def test_the_friedman_test_of_its_formula() -> None:
    random = np.random.default_rng(3)
    table = random.random((9, 4)) + np.array([0, 0.1, 0.2, 0.9])
    found = mean_ranks(table)
    n, k = table.shape
    chi = 12 * n / (k * (k + 1)) * (np.sum(found.ranks**2) - k * (k + 1) ** 2 / 4)
    assert found.p_value == pytest.approx(chi2.sf(chi, k - 1))


def test_methods_that_are_alike_everywhere() -> None:
    found = mean_ranks(np.full((5, 3), 0.5))
    assert found.ranks.tolist() == [2, 2, 2] and found.p_value == 1.0


@pytest.mark.parametrize("scores", [[[1, 2, 3]], [[1, 2], [1, 2]], [1, 2, 3]])
def test_too_little_to_rank(scores: object) -> None:
    with pytest.raises(DataError, match="two data sets and three methods or more"):
        mean_ranks(scores)  # type: ignore[arg-type]


def test_a_missing_score() -> None:
    with pytest.raises(DataError, match="scores has NaN in row 1"):
        mean_ranks([[1, 2, 3], [1, float("nan"), 3]])
