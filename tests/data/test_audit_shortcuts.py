"""Shortcuts: planted ones are found with their size, absent ones are not, and what cannot be scored says why."""

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from mhclf.data.audit import shortcuts
from mhclf.data.audit.shortcuts import Shortcut, shortcut_scores


def random_posts(generator, rows, longest=60):
    return [" ".join(generator.choice(["red", "blue", "sky"], generator.integers(5, longest))) for _ in range(rows)]


def test_length_alone_gives_the_label_away():
    targets = np.array([0, 1] * 60)
    texts = [
        "so tired today"[: 8 + 6 * target] + " and on" * (10 * target + row % 5) for row, target in enumerate(targets)
    ]
    length, words = shortcut_scores(texts, targets, ["calm", "tense"])
    assert (length.name, length.score, length.majority, length.folds) == ("length", 1.0, 0.5, 5)
    # Each post adds (1 - 1/2) / (2 * 60) to the gain.
    assert length.error == pytest.approx(np.sqrt(120) * 0.5 / 120)
    assert length.suspicious and length.metric == "balanced_accuracy"
    assert words == Shortcut("label words", None, None, reason="no word of a label name occurs in the posts")
    assert not words.suspicious


def test_label_words_in_half_of_the_posts_of_a_rare_class():
    targets = np.array(([0] * 9 + [1]) * 60)
    generator = np.random.default_rng(1)
    texts = random_posts(generator, 600)
    for row in np.flatnonzero(targets)[::2]:
        texts[row] += " I am TENSE."
    length, words = shortcut_scores(texts, targets, ["calm", "tense"])
    assert words.score == 0.75 and words.majority == 0.5 and words.suspicious
    assert abs(length.score - 0.5) < 0.12 and not length.suspicious


def test_further_words_and_whole_words_only():
    targets = np.array([0, 1, 2] * 40)
    texts = ["untense panics", "a panic\n attack came", "心情很抑郁了"] * 40
    labels = ["tense", "panic", "抑郁"]
    assert shortcut_scores(texts[:120], targets, labels)[1].score == 1.0
    found = shortcuts._word_features(texts[:3], labels, {"tense": ["Panic  Attack", " "]})
    # Columns: tense, "panic attack", panic, 抑郁.
    assert found.tolist() == [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 1]]
    assert shortcuts._word_features(["the not 3 and"], ["not the 3", "and_or"], {}).shape == (1, 0)


def test_the_score_is_the_balanced_accuracy_and_the_gain_is_the_sum_of_its_parts():
    generator = np.random.default_rng(5)
    features, target = generator.random((90, 1)), generator.integers(0, 3, 90)

    class Given:
        def fit(self, x, y):
            return self

        def predict(self, x):
            return np.floor(x[:, 0] * 3).astype(int)

    groups = generator.integers(0, 30, 90)
    folds = [np.arange(0, 45), np.arange(45, 90)]
    result = shortcuts._score("length", Given(), features, target[:, None], groups, folds)
    predicted = Given().predict(features)
    assert result.score == pytest.approx(balanced_accuracy_score(target, predicted))
    # Brute force of the standard error: terms by hand, summed within groups.
    sizes, share = np.bincount(target), np.bincount(predicted, minlength=3) / 90
    terms = [((p == t) - share[t]) / (3 * sizes[t]) for p, t in zip(predicted, target, strict=True)]
    assert sum(terms) == pytest.approx(result.score - result.majority)
    sums = [sum(term for term, g in zip(terms, groups, strict=True) if g == group) for group in set(groups.tolist())]
    assert result.error == pytest.approx(np.sqrt(sum(value**2 for value in sums)))


def test_random_labels_are_hardly_ever_suspicious():
    generator = np.random.default_rng(7)
    alarms = 0
    for seed in range(40):
        targets = generator.integers(0, 2, 80)
        texts = [text + " calm" * int(generator.integers(0, 2)) for text in random_posts(generator, 80)]
        alarms += sum(result.suspicious for result in shortcut_scores(texts, targets, ["calm", "tense"], seed=seed))
    assert alarms <= 2


def test_groups_are_held_together():
    # Every group has one label and a length of its own: only by looking at its own rows could it be predicted.
    generator = np.random.default_rng(2)
    numbers = np.repeat(np.arange(20), 40)
    targets = generator.integers(0, 2, 20)[numbers]
    texts = ["x" * (50 * int(number) + 1) for number in generator.permutation(20)[numbers]]
    apart = shortcut_scores(texts, targets, ["calm", "tense"], groups=[f"g{number}" for number in numbers])[0]
    torn = shortcut_scores(texts, targets, ["calm", "tense"])[0]
    assert torn.score > 0.9 and torn.suspicious
    assert apart.score < 0.7 and not apart.suspicious


def test_several_labels_are_averaged():
    generator = np.random.default_rng(3)
    targets = generator.integers(0, 2, (200, 3))
    targets[:, 2] = 0
    texts = [
        text + (" social" if row[0] else "") for text, row in zip(random_posts(generator, 200), targets, strict=True)
    ]
    length, words = shortcut_scores(texts, targets, ["social", "physical", "never"])
    # The label that never occurs is left out; one is told by its word, the other is at chance.
    assert words.majority == 0.5 and words.score == pytest.approx(0.75, abs=0.05) and words.suspicious
    assert not length.suspicious


@pytest.mark.parametrize(
    ("targets", "groups", "folds"),
    [
        ([0] * 20 + [1] * 20, None, 5),
        ([0] * 20 + [1] * 3, None, 3),
        ([0] * 20 + [1] * 20 + [2], None, 5),
        ([0] * 20 + [1] * 20, [0] * 10 + [1] * 10 + [2] * 10 + [3] * 10, 2),
        ([0] * 20 + [1] * 20 + [2] * 6, [*range(40), *["same"] * 6], 5),
        ([[0, 1]] * 4 + [[1, 0]] * 4 + [[1, 1]] * 2, None, 4),
    ],
)
def test_number_of_folds(targets, groups, folds):
    texts = [f"calm {'x' * row}" for row in range(len(targets))]
    results = shortcut_scores(
        texts, np.array(targets), ["calm", "tense", "sad"], groups=groups and [str(g) for g in groups]
    )
    assert [result.folds for result in results] == [folds, folds]
    # Classes that lie in a single group do not lower the baseline.
    assert [result.majority for result in results] == [0.5, 0.5]


@pytest.mark.parametrize(
    ("targets", "groups", "reason"),
    [
        (np.zeros(0, dtype=np.int64), None, "there are no posts"),
        (np.zeros((0, 2), dtype=np.int64), None, "there are no posts"),
        (np.zeros(9, dtype=np.int64), None, "fewer than two classes lie in two groups or more"),
        (np.array([0, 1]), None, "fewer than two classes lie in two groups or more"),
        (np.array([0, 0, 1, 1]), ["a", "a", "b", "b"], "fewer than two classes lie in two groups or more"),
        (np.array([[0, 1], [0, 1], [1, 1]]), None, "fewer than two classes lie in two groups or more"),
    ],
)
def test_what_cannot_be_scored(targets, groups, reason):
    results = shortcut_scores(["calm"] * len(targets), targets, ["calm", "tense"], groups=groups)
    assert results == [Shortcut(name, None, None, reason=reason) for name in ("length", "label words")]


def test_few_perfect_posts_prove_nothing():
    length = shortcut_scores(["x", "x" * 50] * 4, np.array([0, 1] * 4), ["calm", "tense"])[0]
    assert length.score == 1.0 and not length.suspicious


@pytest.mark.parametrize(
    ("score", "error", "suspicious"), [(0.54, 0.0, False), (0.56, 0.0, True), (0.7, 0.07, False), (0.7, 0.06, True)]
)
def test_the_verdict(score, error, suspicious):
    assert Shortcut("length", score, 0.5, folds=5, error=error).suspicious is suspicious


def test_the_same_seed_gives_the_same_scores():
    generator = np.random.default_rng(9)
    texts, targets = random_posts(generator, 150), generator.integers(0, 3, 150)
    first, again, other = (shortcut_scores(texts, targets, ["red", "blue", "sky"], seed=seed) for seed in (1, 1, 2))
    assert first == again != other
