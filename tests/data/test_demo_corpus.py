"""The invented corpus that comes with the library."""

import json
import re
from collections import defaultdict

import pytest

from mhclf.data.audit import audit
from mhclf.data.load import load_table
from mhclf.data.locate import config_folder
from mhclf.evaluation import scores
from mhclf.models.linear import fit_linear


@pytest.fixture(scope="module")
def demo():
    return load_table("demo")


@pytest.fixture(scope="module")
def posts():
    lines = (config_folder() / "demo" / "posts.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_sizes_and_classes(demo):
    assert len(demo) == 440
    assert demo.frame["split"].value_counts().to_dict() == {"train": 263, "test": 132, "validation": 45}
    assert demo.labels == ("physical", "intellectual and vocational", "social", "spiritual and emotional")
    for split in ("train", "validation", "test"):
        assert set(demo.part(split).targets.tolist()) == {0, 1, 2, 3}


def test_labels_in_the_file_are_those_of_the_yaml(posts, demo):
    assert {post["label"] for post in posts} == {pair.raw for pair in demo.config.label_pairs}


def test_every_evidence_span_is_verbatim_and_located(posts, demo):
    assert [post["id"] for post in posts for span in post["evidence"] if span not in post["text"]] == []
    assert [post["id"] for post in posts if not post["evidence"]] == []
    assert demo.counts["rationales_located_fully"] == 440
    for text, item, post in zip(demo.texts, demo.rationales, posts, strict=True):
        assert item.located == item.parts == len(post["evidence"])
        for span in post["evidence"]:
            start = text.index(span)
            assert any(a <= start and start + len(span) <= b for a, b in item.spans)


def test_posts_have_8_to_150_words_and_an_explanation(posts):
    counts = [len(post["text"].split()) for post in posts]
    assert (min(counts) >= 8, max(counts) <= 150) == (True, True)
    assert [post["id"] for post in posts if not post["explanation"].strip()] == []


def test_no_two_posts_share_a_run_of_eight_words(demo):
    where = defaultdict(set)
    for number, text in enumerate(demo.texts):
        tokens = re.findall(r"[^\W_]+", text.lower())
        for start in range(len(tokens) - 7):
            where[tuple(tokens[start : start + 8])].add(number)
    assert [sorted(numbers) for numbers in where.values() if len(numbers) > 1] == []


def test_authors_are_never_cut_and_nothing_leaks(demo):
    assert demo.frame.groupby("group")["split"].nunique().max() == 1
    assert demo.frame["group"].nunique() < 440
    table, findings = audit(demo)
    assert len(table) == 440 and findings == []


def test_texts_are_clean(demo):
    assert (demo.counts["texts_repaired"], demo.counts["texts_masked"]) == (0, 0)
    assert demo.frame["id"].is_unique


def test_the_linear_baseline_finds_it_neither_hopeless_nor_trivial(demo):
    train, test = demo.part("train"), demo.part("test")
    model = fit_linear("multiclass", demo.labels, train.texts, train.targets)
    probability = model.probabilities(test.texts)
    macro_f1 = scores("multiclass", test.targets, probability.argmax(axis=1), probability, list(demo.labels))[
        "macro_f1"
    ]
    assert 0.55 < macro_f1 < 0.85
