import math

import numpy as np
import pytest

from mhclf.evaluation.layers import effective_layers, kl_from_uniform, layer_agreement


def test_distance_from_uniform():
    assert float(kl_from_uniform(np.full(7, 1 / 7))) == pytest.approx(0, abs=1e-12)
    assert float(kl_from_uniform(np.array([0.0, 1.0, 0.0]))) == pytest.approx(math.log(3))
    expected = 0.5 * math.log(1.5) + 0.25 * math.log(0.75) + 0.25 * math.log(0.75)
    assert kl_from_uniform(np.array([[0.5, 0.25, 0.25]])).tolist() == pytest.approx([expected])


def test_effective_layers():
    assert effective_layers(np.full(4, 0.25)) == pytest.approx(4)
    assert effective_layers(np.array([1.0, 0.0, 0.0])) == pytest.approx(1)


def test_agreement_of_seeds():
    same = layer_agreement([np.array([0.1, 0.2, 0.7]), np.array([0.2, 0.3, 0.5]), np.array([0.3, 0.1, 0.6])])
    # Taus of the three pairs by hand: 1, 1/3, 1/3.
    assert same.mean_tau == pytest.approx((1 + 1 / 3 + 1 / 3) / 3)
    assert same.smallest_tau == pytest.approx(1 / 3)
    assert same.largest_difference == pytest.approx(0.2)
    alone = layer_agreement([np.array([0.5, 0.5])])
    assert math.isnan(alone.mean_tau)
    assert alone.n_seeds == 1
