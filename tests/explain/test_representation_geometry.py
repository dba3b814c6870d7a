"""Geometry: against scikit-learn, pairwise loops, and points whose values are known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score
from support import small_run

from explain.geometry import alignment, beside, geometry_of, run_geometry, silhouette, uniformity, unit_vectors
from mhclf.config.loss import ContrastiveConfig
from mhclf.data.load import load_table
from mhclf.errors import DataError

CROSS = np.array([[1.0, 0], [2.0, 0], [0, 1.0], [0, 3.0]])


def test_points_whose_values_are_known():
    # On the circle: two posts at (1, 0), two at (0, 1); within a class 0, between classes sqrt(2).
    assert alignment(CROSS, [0, 0, 1, 1]).mean == pytest.approx(0)
    assert alignment(CROSS, [0, 1, 0, 1]).mean == pytest.approx(2)
    # Of 6 pairs, 2 have distance 0 and 4 have squared distance 2.
    assert uniformity(CROSS).mean == pytest.approx(np.log((2 + 4 * np.exp(-4)) / 6))
    assert silhouette(CROSS, [0, 0, 1, 1]).mean == pytest.approx(1)
    assert np.isnan(silhouette(CROSS, [0, 0, 0, 0]).mean)
    assert np.isnan(alignment(CROSS, [0, 1, 2, 3]).mean)
    assert np.all(unit_vectors(np.zeros((1, 2))) == 0)
    with pytest.raises(DataError, match=r"gold must have shape \(4,\), got \(3,\)"):
        alignment(CROSS, [0, 0, 1])


@settings(max_examples=30, deadline=None)
@given(st.integers(4, 12), st.integers(0, 1000))
def test_equal_to_loops_and_scikit_learn(n, seed):
    generator = np.random.default_rng(seed)
    points, gold = generator.normal(size=(n, 3)), np.arange(n) % 2
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    pairs = [(i, j) for i in range(n) for j in range(i)]
    same = [((units[i] - units[j]) ** 2).sum() for i, j in pairs if gold[i] == gold[j]]
    every = [np.exp(-2 * ((units[i] - units[j]) ** 2).sum()) for i, j in pairs]
    assert alignment(points, gold).mean == pytest.approx(np.mean(same))
    assert uniformity(points).mean == pytest.approx(np.log(np.mean(every)))
    assert silhouette(points, gold).mean == pytest.approx(silhouette_score(units, gold))


def test_intervals_are_those_of_whole_groups_without_pairs_of_copies():
    generator = np.random.default_rng(1)
    points, gold = generator.normal(size=(40, 3)), np.arange(40) % 2
    found = alignment(points, gold, np.arange(40) // 2)
    assert found.low < found.mean < found.high
    # Were copies of one post pairs of distance 0, the interval would lie below the value.
    units = unit_vectors(points)
    draws = []
    for _ in range(300):
        rows = (2 * generator.integers(0, 20, size=20)[:, None] + np.arange(2)).ravel()
        same = (gold[rows][:, None] == gold[rows]) & (rows[:, None] != rows)
        distances = ((units[rows][:, None] - units[rows]) ** 2).sum(axis=-1)
        draws.append(distances[same].mean())
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(draws, [0.025, 0.975])), abs=0.08)


def test_two_runs_beside_each_other(encoder_folder, tiny_dataset, tmp_path):
    posts = load_table(str(tiny_dataset)).part("test")
    made = {}
    for name, weight in (("with", 0.5), ("without", 0.0)):
        loaded = small_run(tiny_dataset, encoder_folder("bert"), tmp_path, contrastive=ContrastiveConfig(weight=weight))
        made[name] = run_geometry(loaded, posts.texts, posts.targets, posts.frame["group"])
    frame = beside(made)
    assert list(frame["measure"][:3]) == ["silhouette", "alignment", "uniformity"]
    assert len(frame) == 3 + 2 * 3
    assert frame["with"][1] == made["with"].alignment.mean != made["without"].alignment.mean
    first = made["with"].pairs[0]
    row = frame[frame["measure"] == f"margin: {first.first} / {first.second}"].iloc[0]
    assert row["with"] == first.margin
    other = geometry_of(CROSS, [0, 0, 1, 1], [0, 0, 1, 0], ["a", "b"])
    assert other.pairs[0].confusion == 0.25
    with pytest.raises(DataError, match="measured on different posts"):
        beside({"a": made["with"], "b": other})


def test_several_labels_have_no_clusters(encoder_folder, tiny_multilabel, tmp_path):
    loaded = small_run(tiny_multilabel, encoder_folder("bert"), tmp_path)
    with pytest.raises(DataError, match="geometry is for one label a post"):
        run_geometry(loaded, ["my knee hurts"], [0])
