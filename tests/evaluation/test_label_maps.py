"""Label maps: what falls together, what is left out, what is decided; each against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhclf.errors import ConfigError
from mhclf.evaluation.label_map import NO_LABEL, OTHER, build_label_map, map_gold, map_probabilities

SOURCE = ("depression", "anxiety", "bipolar", "control")


def test_equal_names_belong_together():
    labels = build_label_map("multiclass", SOURCE, "multiclass", ("anxiety", "ptsd", "control"))
    assert labels.classes == ("anxiety", "control") and labels.left_out == ("ptsd",)
    assert [SOURCE[index] for index in labels.uncovered] == ["depression", "bipolar"]
    gold, kept = map_gold(labels, np.array([0, 1, 2, 0]))
    assert gold.tolist() == [0, 1, 0] and kept.tolist() == [True, False, True, True]
    probability = np.array([[0.5, 0.3, 0.1, 0.1], [0.1, 0.6, 0.1, 0.2]])
    mapped, decisions = map_probabilities(labels, probability)
    np.testing.assert_allclose(mapped, probability[:, [1, 3]])
    assert decisions.tolist() == [OTHER, 0]
    mapped, decisions = map_probabilities(labels, probability, renormalise=True)
    np.testing.assert_allclose(mapped, [[0.75, 0.25], [0.75, 0.25]])
    assert decisions.tolist() == [0, 0]


def test_binary_collapse_of_the_source_and_of_the_target():
    given_map = {"yes": ["depression", "anxiety", "bipolar"], "no": "control"}
    labels = build_label_map("multiclass", SOURCE, "multiclass", ("no", "yes"), given_map)
    mapped, decisions = map_probabilities(labels, np.array([[0.2, 0.2, 0.2, 0.4]]))
    np.testing.assert_allclose(mapped, [[0.4, 0.6]])
    assert labels.classes == ("no", "yes") and decisions.tolist() == [1]
    severity = {"none": "control", "mild": "depression", "severe": "depression"}
    labels = build_label_map("multiclass", SOURCE, "ordinal", ("none", "mild", "severe"), severity)
    assert labels.classes == ("none", "depression")
    assert map_gold(labels, np.array([0, 1, 2]))[0].tolist() == [0, 1, 1]


def test_levels_stay_levels_only_where_all_are_joined():
    levels = ("a", "b", "c")
    assert build_label_map("ordinal", levels, "ordinal", levels).task == "ordinal"
    assert build_label_map("ordinal", levels, "ordinal", ("a", "b")).task == "multiclass"
    assert build_label_map("multiclass", levels, "ordinal", levels).task == "multiclass"


def test_a_multilabel_run_on_single_labels():
    labels = build_label_map(
        "multilabel", ("x", "y"), "multiclass", ("ex", "why", "neither"), {"ex": "x", "why": "y", "neither": NO_LABEL}
    )
    probability = np.array([[0.9, 0.2], [0.1, 0.2], [0.4, 0.6]])
    mapped, decisions = map_probabilities(labels, probability)
    np.testing.assert_allclose(mapped, [[0.9, 0.2, 0.1], [0.1, 0.2, 0.8], [0.4, 0.6, 0.4]])
    assert decisions.tolist() == [0, 2, 1]


def test_several_labels_on_the_target_side():
    labels = build_label_map(
        "multilabel", ("x", "y", "z"), "multilabel", ("x", "w", "yz"), {"x": "x", "yz": ["y", "z"]}
    )
    gold, kept = map_gold(labels, np.array([[1, 0, 0], [0, 1, 0], [0, 0, 0], [1, 1, 1]]))
    assert kept.tolist() == [True, False, True, True] and gold.tolist() == [[1, 0], [0, 0], [1, 1]]
    mapped, decisions = map_probabilities(labels, np.array([[0.2, 0.5, 0.7]]))
    np.testing.assert_allclose(mapped, [[0.2, 0.7]])
    assert decisions.tolist() == [[0, 1]]
    single = build_label_map("multiclass", ("x", "y", "z"), "multilabel", ("x", "y"))
    assert map_probabilities(single, np.array([[0.4, 0.3, 0.3], [0.3, 0.3, 0.4]]))[1].tolist() == [[1, 0], [0, 0]]


@given(st.data())
def test_against_loops(data):
    groups = data.draw(st.lists(st.integers(-1, 2), min_size=4, max_size=4).filter(lambda g: {0, 1} <= set(g)))
    given_map = {f"t{n}": [SOURCE[i] for i in range(4) if groups[i] == n] for n in set(groups) - {-1}}
    labels = build_label_map("multiclass", SOURCE, "multiclass", ("t0", "t1", "t2"), given_map)
    weights = data.draw(st.lists(st.floats(0.01, 1), min_size=4, max_size=4, unique=True))
    probability = np.array([weights]) / sum(weights)
    mapped, decisions = map_probabilities(labels, probability)
    sums = {name: sum(probability[0, SOURCE.index(s)] for s in given_map[name]) for name in sorted(given_map)}
    np.testing.assert_allclose(mapped[0], list(sums.values()))
    rest = [probability[0, i] for i in range(4) if groups[i] == -1]
    best = max(sums, key=sums.get)
    if abs(max(rest, default=0) - sums[best]) > 1e-9:
        assert decisions[0] == (OTHER if max(rest, default=0) > sums[best] else list(sums).index(best))


@pytest.mark.parametrize(
    ("given_map", "message"),
    [
        ({"yess": "control"}, "label map: 'yess' is no label of the target. Did you mean 'yes'? It has no, yes."),
        (
            {"yes": "contrl"},
            "label map: yes: 'contrl' is no label of the run. Did you mean 'control'? It has depression",
        ),
        (
            {"yes": ["depression", "control"], "no": "control"},
            "label map: 'control' belongs to target labels that do not name the same source labels. Give them equal "
            "lists, or lists without a common label.",
        ),
        ({"yes": "depression", "no": None}, "label map: joins 1 classes of the target (no, yes) to the run's ("),
        (None, "label map: joins 0 classes of the target (no, yes) to the run's ("),
    ],
)
def test_wrong_maps_are_told(given_map, message):
    with pytest.raises(ConfigError) as error:
        build_label_map("multiclass", SOURCE, "multiclass", ("no", "yes"), given_map)
    assert str(error.value).startswith(message)
