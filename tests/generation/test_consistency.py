"""Consistency of explanations with labels, on invented explanations and on the real silver ones."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from mhclf.errors import DataError
from mhclf.generation.consistency import NONE, consistency, fit_label_reader, without_label_words

LABELS = ("not stressed", "stressed")
CALM = ["the poster enjoys the garden", "they enjoy a calm walk", "a calm day in the garden", "calm words about a walk"]
TENSE = ["the poster fears the exam", "they fear to lose work", "work and the exam weigh on them", "fear of the work"]


@pytest.fixture(scope="module")
def reader():
    return fit_label_reader(CALM + TENSE, [0] * 4 + [1] * 4, LABELS)


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (
            "Yes. Reasoning: The STRESSED poster is not calm; stress's stresses.",
            ". Reasoning: The poster is not calm; .",
        ),
        ("No, there are no signs of stress.", "there are no signs of ."),
        ("no - Reasoning: a stressful day", "a stressful day"),
        ("Nobody knows.", "Nobody knows."),
    ],
)
def test_label_words_are_cut_in_every_form(text, left):
    found = without_label_words(text, [*LABELS, "yes", "no"])
    assert " ".join(found.split()).replace(" ;", ";").replace("; .", "; .") == left


def test_chinese_labels_are_cut_wherever_they_stand():
    assert without_label_words("帖子表现出抑郁情绪", ["抑郁"]).split() == ["帖子表现出", "情绪"]
    reader = fit_label_reader(
        ["他很难过失眠", "难过失眠的人", "她很高兴快乐", "高兴快乐的人"], [0, 0, 1, 1], ["抑郁", "正常"]
    )
    assert reader(["失眠难过", "快乐"]).tolist() == [0, 1]


def test_reader_is_the_linear_baseline(reader):
    texts = ["a garden", "an exam", "fear", "calm walk work"]
    vectorizer = TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)
    model = LogisticRegression(C=4.0, class_weight="balanced", max_iter=2000)
    model.fit(vectorizer.fit_transform(CALM + TENSE), [0] * 4 + [1] * 4)
    assert reader(texts).tolist() == model.predict(vectorizer.transform(texts)).tolist()


def test_consistency_by_hand(reader):
    texts = ["Calm garden.", "The exam, fear of work.", "Stressed!", "garden walk, calm", "fear"]
    found = consistency(
        reader, ["a calm garden", "fear of the exam", "calm"], [0, 1, 1], texts, [0, 1, 1, 1, NONE], LABELS
    )
    assert found.held_out.mean == pytest.approx(2 / 3) and found.held_out.n == 3
    assert found.majority == pytest.approx(2 / 3)
    assert found.implied.tolist() == [0, 1, NONE, 0, 1] and found.empty == 1
    assert found.consistent.mean == pytest.approx(2 / 5)
    assert found.consistent.low <= 2 / 5 <= found.consistent.high


def test_saying_the_label_is_no_reason(reader):
    plain = consistency(reader, ["calm"], [0], ["calm garden"], [1], LABELS)
    said = consistency(reader, ["calm"], [0], ["Stressed. calm garden stressed stress"], [1], LABELS)
    assert plain.implied.tolist() == said.implied.tolist() == [0]


def test_groups_are_drawn_together(reader):
    found = consistency(reader, ["calm"], [0], ["calm", "fear"], [0, 0], LABELS, groups=["p", "p"])
    assert np.isnan(found.consistent.low)


def test_any_classifier_may_read():
    def by_length(texts):
        return np.array([int(len(text) > 10) for text in texts])

    found = consistency(by_length, ["short", "rather long"], [0, 1], ["brief", "brief stressed stress"], [0, 1], LABELS)
    assert found.held_out.mean == 1 and found.implied.tolist() == [0, 0]
    assert found.consistent.mean == 0.5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["calm"], [0, 1], ["calm"], [0]), r"reference_targets must have shape \(1,\), one label number a text"),
        ((["calm"], [2], ["calm"], [0]), r"reference_targets must hold whole numbers from 0 to 1 \(2 labels\)"),
        ((["calm"], [-1], ["calm"], [0]), "reference_targets must hold whole numbers from 0 to 1"),
        ((["calm"], [0], ["calm"], [-2]), "predictions must hold whole numbers from -1 to 1"),
        ((["calm"], [0], [], []), r"predictions must have shape \(0,\), one label number a text and at least one"),
        ((["calm"], ["a"], ["calm"], [0]), "reference_targets must hold whole numbers"),
    ],
)
def test_wrong_input_is_refused(reader, arguments, message):
    with pytest.raises(DataError, match=message):
        consistency(reader, *arguments, LABELS)


def test_a_reader_needs_two_labels():
    with pytest.raises(DataError, match="targets hold fewer than two labels"):
        fit_label_reader(["a b", "b c"], [1, 1], LABELS)


@pytest.mark.data
def test_silver_explanations_of_dreaddit_imply_their_label(data_root):
    from mhclf.data.load import load_table

    table = load_table("imhi_dreaddit", data_root=data_root)
    texts, split = table.frame["explanation"].astype(str), table.frame["split"]
    cut = [*table.labels, "yes", "no"]
    train, test = (split == "train").to_numpy(), (split == "test").to_numpy()
    reader = fit_label_reader(
        [without_label_words(text, cut) for text in texts[train]], table.targets[train], table.labels
    )
    found = consistency(
        reader, list(texts[test]), table.targets[test], list(texts[test]), 1 - table.targets[test], table.labels,
        ["yes", "no"],
    )  # fmt: skip
    assert found.held_out.mean > 0.9 > found.majority
    assert found.consistent.mean == pytest.approx(1 - found.held_out.mean), "the wrong label beside each"
