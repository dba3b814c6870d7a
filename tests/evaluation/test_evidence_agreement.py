"""Cited words against marked words and attributions: by hand, against scikit-learn, and what is 0/0."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, f1_score, jaccard_score

from mhclf.errors import DataError
from mhclf.evaluation.evidence_agreement import MASK_METRICS, SCORE_METRICS, attribution_agreement, mask_agreement


def test_masks_by_hand():
    found = mask_agreement(
        [[1, 1, 0, 0, 1], [False, False], [True, False], [0, 0]], [[1, 0, 0, 1, 1], [True, False], [0, 0], [0, 0]]
    )
    assert tuple(found) == MASK_METRICS
    nan = math.nan
    assert found["token_precision"] == pytest.approx([2 / 3, nan, 0, nan], nan_ok=True)
    assert found["token_recall"] == pytest.approx([2 / 3, 0, nan, nan], nan_ok=True)
    assert found["token_f1"] == pytest.approx([2 / 3, 0, 0, nan], nan_ok=True)
    assert found["token_iou"] == pytest.approx([2 / 4, 0, 0, nan], nan_ok=True)


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=12))
@settings(deadline=None)
def test_masks_equal_scikit_learn(words):
    cited, marked = (np.array(column) for column in zip(*words, strict=True))
    found = mask_agreement([cited], [marked])
    if cited.any() or marked.any():
        assert found["token_f1"][0] == pytest.approx(f1_score(marked, cited, zero_division=0))
        assert found["token_iou"][0] == pytest.approx(jaccard_score(marked, cited, zero_division=0))


def test_attributions_by_hand():
    cited, scores = [True, False, True, False], [0.6, 0.3, 0.1, -2.0]
    found = attribution_agreement([cited], [scores])
    assert tuple(found) == SCORE_METRICS
    assert found["cited_auprc"] == pytest.approx([(1 + 2 / 3) / 2])
    assert found["cited_share"] == pytest.approx([0.5])
    assert found["cited_mass"] == pytest.approx([0.7])
    by_size = attribution_agreement([cited], [scores], absolute=True)
    assert by_size["cited_auprc"] == pytest.approx([average_precision_score(cited, np.abs(scores))])
    assert by_size["cited_mass"] == pytest.approx([0.7 / 3])


def test_nothing_cited_or_no_score():
    found = attribution_agreement([[0, 0], [1, 0], []], [[1, 2], [0, -1], []])
    assert found["cited_auprc"] == pytest.approx([math.nan, 0.5, math.nan], nan_ok=True)
    assert found["cited_share"] == pytest.approx([0, 0.5, math.nan], nan_ok=True)
    assert found["cited_mass"] == pytest.approx([0, math.nan, math.nan], nan_ok=True)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: mask_agreement([[1]], [[1], [0]]), "cited has 1 posts, marked 2"),
        (lambda: mask_agreement([], []), "cited is empty: there is nothing to score"),
        (lambda: mask_agreement([[1, 0]], [[1]]), "post 0: cited has 2 words, marked 1"),
        (
            lambda: mask_agreement([[1], [0.5]], [[1], [0]]),
            "cited of post 1 must be true or false for each word, shape (words,)",
        ),
        (lambda: attribution_agreement([[1, 0]], [[0.5]]), "post 0: cited has 2 words, scores (1,)"),
        (lambda: attribution_agreement([[1]], [[math.nan]]), "scores of post 0 has NaN in row 0"),
    ],
)
def test_wrong_arrays_are_refused(call, message):
    with pytest.raises(DataError) as error:
        call()
    assert str(error.value) == message
