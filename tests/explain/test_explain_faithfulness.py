"""Faithfulness by hand, on a model whose probabilities are known, and on a trained one against single passes."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch
from scipy.stats import kendalltau
from support import small_run

from explain.faithfulness import (
    AT_SHARES,
    CURVE,
    METRICS,
    SHARES,
    Case,
    faithfulness,
    orders,
    random_sets,
    taken,
    variants,
)
from explain.model import ExplainedModel, Target
from explain.reading import ReadPost, read_posts
from mhclf.data.spans import align, words


@dataclass
class KnownRun:
    """A stand-in for a run: no linear model, one of several labels."""

    linear = None
    task: str = "multiclass"


class KnownModel:
    """p(label 0) = .1 + the weights of the words that stay; deleting costs twice as much as masking."""

    def __init__(self, weights):
        self.weights, self.run = np.array(weights), KnownRun()

    def row_without(self, post, kept, removal):
        lost = (self.weights * ~kept).sum() * (2 if removal == "delete" else 1)
        return 0.1 + self.weights.sum() - lost

    def logits(self, rows):
        return torch.tensor([[value, 1 - value] for value in rows], dtype=torch.float64)

    def probabilities(self, logits):
        return logits

    def masked(self, post, kept, target, removal="mask"):
        return np.array([self.row_without(post, row, removal) for row in kept])


def post_of(count):
    text = " ".join("abcdefghijklmnopqrstuvwxyz"[number] for number in range(count))
    return ReadPost(text, "", tuple(words(text)), torch.arange(count), None, align(words(text), words(text)))


def measured(model, post, scores, occlusion=None, sets=None, curves=False):
    return faithfulness(model, [Case(post, Target(0), scores, occlusion, sets)], curves=curves)[0]


def test_comprehensiveness_and_sufficiency_by_hand():
    model, post = KnownModel([0.3, 0.0, 0.2, 0.1]), post_of(4)
    sets = random_sets(model, post, Target(0))
    found = measured(model, post, [3.0, 0.0, 2.0, 1.0], sets=sets, curves=True)
    # Of four words 1, 5, 10 and 20 % are one word, 50 % are two: losses .3 four times, then .5.
    single = {
        name: [found.values[f"{name}_at_{percent}"] for percent in (1, 5, 10, 20, 50)]
        for name in ("comprehensiveness", "sufficiency", "comprehensiveness_deletion", "sufficiency_deletion")
    }
    assert single["comprehensiveness"] == pytest.approx([0.3, 0.3, 0.3, 0.3, 0.5])
    assert single["sufficiency"] == pytest.approx([0.3, 0.3, 0.3, 0.3, 0.1])
    # Deleting costs twice as much.
    assert single["comprehensiveness_deletion"] == pytest.approx([0.6, 0.6, 0.6, 0.6, 1.0])
    assert single["sufficiency_deletion"] == pytest.approx([0.6, 0.6, 0.6, 0.6, 0.2])
    assert found.values["comprehensiveness"] == pytest.approx(1.7 / 5)
    assert found.values["sufficiency"] == pytest.approx(1.3 / 5)
    assert found.values["comprehensiveness_deletion"] == pytest.approx(2 * 1.7 / 5)
    # p is .7; below .5 the decision changes: never at .4, at .2 with half of the words.
    assert found.values["flip_rate"] == pytest.approx(1.0)
    assert found.values["infidelity"] == pytest.approx(0.0, abs=1e-12), "the scores are the weights, times ten"
    assert found.deletion_curve[0] == pytest.approx(0.7) and found.deletion_curve[-1] == pytest.approx(0.1)
    assert found.insertion_curve == pytest.approx(
        [0.1 + sum(sorted([0.3, 0, 0.2, 0.1])[::-1][: taken(np.arange(4), share)]) for share in CURVE]
    )
    assert set(found.values) == {*METRICS, *AT_SHARES}


def test_many_cases_are_measured_as_each_alone(encoder_folder, tiny_dataset, tmp_path):
    run = small_run(tiny_dataset, encoder_folder("bert"), tmp_path)
    model = ExplainedModel(run)
    texts = ["I cannot sleep, and nothing helps", "...", "so tired", "a good day at work with my friends", "fine"] * 8
    posts = read_posts(run, texts)
    generator = np.random.default_rng(0)
    cases = [Case(post, Target(row % 2), generator.normal(size=len(post.words))) for row, post in enumerate(posts)]
    together = faithfulness(model, cases, curves=True)
    for case, found in zip(cases, together, strict=True):
        alone = faithfulness(model, [case], curves=True)[0]
        assert found.values == pytest.approx(alone.values, abs=1e-6, nan_ok=True)
        assert found.deletion_curve == pytest.approx(alone.deletion_curve, abs=1e-6)
        assert found.insertion_curve == pytest.approx(alone.insertion_curve, abs=1e-6)
        assert bool(found.deletion_curve) == bool(len(case.post.words))
    assert faithfulness(model, []) == []


def test_a_better_order_is_more_faithful():
    model, post = KnownModel([0.3, 0.0, 0.2, 0.1]), post_of(4)
    good, bad = (
        measured(model, post, scores, sets=random_sets(model, post, Target(0)), curves=True).values
        for scores in ([3, 0, 2, 1], [0, 3, 1, 2])
    )
    for metric, more_is_better in METRICS.items():
        if metric not in {"leave_one_out_tau", "flip_rate"}:
            assert (good[metric] > bad[metric]) == more_is_better, metric


def test_scores_of_zero_foretell_nothing():
    model, post = KnownModel([0.3, 0.0, 0.2, 0.1]), post_of(4)
    sets = random_sets(model, post, Target(0))
    assert measured(model, post, [0.0] * 4, sets=sets).values["infidelity"] == pytest.approx(1.0)
    assert np.isnan(measured(model, post, [0.0] * 4).values["infidelity"])


def test_leave_one_out_tau_is_kendall_s():
    model, post = KnownModel([0.3, 0.0, 0.2, 0.1]), post_of(4)
    scores, drops = [1.0, 2.0, 2.0, 0.5], [0.3, 0.0, 0.2, 0.1]
    found = measured(model, post, scores, occlusion=drops)
    assert found.values["leave_one_out_tau"] == pytest.approx(kendalltau(scores, drops).statistic)
    assert np.isnan(measured(model, post, scores).values["leave_one_out_tau"])


def test_words_that_are_not_read_are_never_taken_out():
    text = "a b c d"
    post = ReadPost(text, "", tuple(words(text)), torch.arange(2), None, align([(0, 1), (2, 3)], words(text)))
    order = orders([0.1, 0.2, 0.9, 0.8], post.seen)
    assert order.tolist() == [1, 0]
    kept = variants(order, 4, SHARES, without=True)
    assert kept[:, 2:].all() and kept[0].tolist() == [True, False, True, True]
    only = variants(order, 4, SHARES, without=False)
    assert only[0].tolist() == [False, True, True, True]
    nothing = ReadPost(text, "", post.words, torch.zeros(0), None, align((), ()))
    nothing.__dict__["ids"] = torch.zeros(1)
    found = measured(KnownModel([0.1] * 4), nothing, [0.0] * 4)
    assert all(np.isnan(value) for value in found.values.values())


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.01, 1), (0.1, 1), (0.2, 2), (0.5, 5), (1.0, 10)])
def test_a_share_of_words_is_rounded_up(share, count):
    assert taken(np.arange(10), share) == count
