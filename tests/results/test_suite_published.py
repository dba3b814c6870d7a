"""Which published numbers stand beside ours: every way to agree or differ, and how the rest is listed."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from mhclf.config.published import (
    Footnote,
    PublishedNumber,
    PublishedSource,
    PublishedTest,
    published_numbers,
)
from mhclf.results.suite_published import (
    OurTest,
    apart_table,
    beside_lines,
    divide,
    is_about,
    number_text,
    published_notes,
    reasons_apart,
)

OURS = OurTest("ours", 414, ("weighted_f1", "accuracy"))
FOLDER = Path(__file__).resolve().parents[2] / "experiments" / "published"

TESTS = {
    "same": (PublishedTest("T", 414, "ours"), ()),
    "no n": (PublishedTest("T", None, "ours"), ("number of test rows not stated",)),
    "other n": (PublishedTest("T", 1715, "ours"), ("1,715 test rows, 414 here",)),
    "near": (PublishedTest("T", 414, None, {"ours": "another cut"}), ("another cut",)),
    "near, own set": (PublishedTest("T", 414, "theirs", {"ours": "another cut"}), ("another cut",)),
}
METRICS = {
    "same": (("f1", "weighted"), ()),
    "no averaging": (("accuracy", "none"), ()),
    "unnamed": (("f1", "unnamed"), ("averaging of f1 not named",)),
    "other averaging": (("f1", "macro"), ("our table has no macro_f1",)),
    "other metric": (("mcc", "none"), ("our table has no mcc",)),
}
NOTES = {
    "none": ((), ()),
    "a doubt": ((Footnote("doubt"),), ()),
    "a defect": ((Footnote("doubt"), Footnote("leak", True)), ("known defect",)),
}


def number(**changes: Any) -> PublishedNumber:
    content: dict[str, Any] = {
        "file": "f", "model": "M", "parameters": "", "test": PublishedTest("T", 414, "ours"), "metric": "f1",
        "averaging": "weighted", "value": 0.75, "plus_minus": None, "plus_minus_is": "", "checked": "verified",
        "source": PublishedSource("A"), "table": "", "note": "", "footnotes": (),
    }  # fmt: skip
    return PublishedNumber(**(content | changes))


@pytest.mark.parametrize(("test", "metric", "note"), list(itertools.product(TESTS, METRICS, NOTES)))
def test_a_number_stands_beside_ours_only_if_all_agrees(test: str, metric: str, note: str) -> None:
    (name, averaging), metric_reasons = METRICS[metric]
    found = number(test=TESTS[test][0], metric=name, averaging=averaging, footnotes=NOTES[note][0])
    expected = TESTS[test][1] + metric_reasons + NOTES[note][1]
    assert reasons_apart(found, OURS) == expected
    beside, apart = divide([found], OURS)
    assert (len(beside), len(apart)) == ((1, 0) if not expected else (0, 1))
    if apart:
        assert apart[0].reasons == expected


def test_numbers_about_other_sets_are_left_out() -> None:
    other = number(test=PublishedTest("T", 414, "theirs"))
    assert not is_about(other, "ours")
    assert divide([other], OURS) == ((), ())
    assert reasons_apart(other, OURS) == ("another data set",)


@pytest.mark.parametrize("checked", ["verified", "secondhand", "remembered", "recomputed", "derived"])
def test_how_a_number_was_checked_does_not_decide_but_is_shown(checked: Any) -> None:
    found = number(checked=checked)
    assert reasons_apart(found, OURS) == ()
    signs = {"verified": "", "secondhand": "‡", "remembered": "†", "recomputed": "§", "derived": "¶"}
    assert number_text(found) == "0.750" + signs[checked]


@pytest.mark.parametrize(
    ("value", "plus_minus", "text"),
    [(0.8065, None, "0.8065"), (0.861, 0.006, "0.861 ± 0.006"), (0.8, None, "0.800"), (11.0, None, "11"),
     (1.0, None, "1.000"), (0.0, None, "0.000"), (1.5, None, "1.500")],
)  # fmt: skip
def test_digits_are_those_of_the_source(value: float, plus_minus: float | None, text: str) -> None:
    assert number_text(number(value=value, plus_minus=plus_minus, plus_minus_is="sd")) == text


def test_metrics_of_one_model_and_source_share_a_line() -> None:
    found = [
        number(model="A", parameters="7B"),
        number(model="B"),
        number(model="A", parameters="7B", metric="accuracy", averaging="none"),
        number(model="A", parameters="7B", source=PublishedSource("Other")),
    ]
    lines = beside_lines(found)
    assert [(line.model, line.source, list(line.numbers)) for line in lines] == [
        ("A (7B)", "A", ["weighted_f1", "accuracy"]),
        ("B", "A", ["weighted_f1"]),
        ("A (7B)", "Other", ["weighted_f1"]),
    ]


def test_the_second_block_says_why_and_lists_footnotes() -> None:
    leak = Footnote("It leaks.", True)
    _, apart = divide(
        [
            number(model="A", footnotes=(leak,)),
            number(model="B", footnotes=(leak,), checked="remembered"),
            number(model="A", metric="accuracy", averaging="none", footnotes=(leak,), note="by hand"),
            number(
                model="C", test=PublishedTest("T2", None, None, {"ours": "another cut"}), source=PublishedSource("Z")
            ),
        ],
        OURS,
    )
    table = apart_table("ours", apart)
    assert table.title == "ours: published, not comparable"
    assert table.formatted() == [
        ["T (n = 414)", "known defect", "weighted_f1: A = 0.750; B = 0.750†. accuracy: A = 0.750", "[1]"],
        ["T2", "another cut", "weighted_f1: C = 0.750", "[2]"],
    ]
    assert table.notes == (
        "[1] A",
        "[2] Z",
        "† remembered, not looked up.",
        "A; B: It leaks.",
        "A, accuracy: by hand",
    )
    assert published_notes([]) == ()
    spread = number(plus_minus=0.01, plus_minus_is="sd over 5 runs")
    assert published_notes([spread]) == ("[1] A", "M: ± sd over 5 runs")


REAL = published_numbers(FOLDER)


@pytest.mark.parametrize(
    ("dataset", "n", "metrics", "beside"),
    [
        ("imhi_dreaddit", 414, ("weighted_f1",), {"MentalRoBERTa (125M)": "0.8176‡", "ChatGPT, few-shot": "0.7538†"}),
        ("imhi_sad", 684, ("weighted_f1",), {"MentalRoBERTa (125M)": "0.6844‡", "BERT (110M)": "0.6272†"}),
        ("imhi_irf", 2113, ("weighted_f1",), {"MentalBERT (110M)": "0.7673‡"}),
        ("imhi_multiwd", 2441, ("weighted_f1",), {"BART-large, completion": "0.772†"}),
        ("dreaddit", 715, ("balanced_accuracy",), {"MentalRoBERTa (125M)": "0.831", "Menta (4B)": "0.810"}),
        ("dreaddit", 715, ("positive_f1",), {"BERT (110M)": "0.8065‡"}),
        ("sdcnl", 379, ("balanced_accuracy",), {"Mental-Alpaca (7B)": "0.724", "TF-IDF": "0.723§"}),
        ("swmh", 10882, ("weighted_f1",), {"MentaLLaMA-chat (7B)": "0.7558‡"}),
        ("cams", 370, ("weighted_f1",), {"CNN-LSTM": "0.480"}),
        ("multiwd", 657, ("macro_f1",), {"TF-IDF": "0.555§"}),
    ],
)  # fmt: skip
def test_what_stands_beside_ours_of_the_real_files(
    dataset: str, n: int, metrics: tuple[str, ...], beside: dict[str, str]
) -> None:
    found, _ = divide(REAL, OurTest(dataset, n, metrics))
    shown = {line.model: number_text(line.numbers[metrics[0]]) for line in beside_lines(found)}
    assert beside.items() <= shown.items()
    assert divide(REAL, OurTest(dataset, n - 1, metrics))[0] == (), "another number of test rows"


@pytest.mark.parametrize(
    "dataset",
    ["wellxplain", "wellxplain_random", "cssrs500", "depression_severity", "depression_severity_binary", "psysuicide",
     "cbt_bench_distortions", "cbt_bench_core_major", "cbt_bench_core_fine", "annomi_client", "cams_625", "irf"],
)  # fmt: skip
def test_nothing_stands_beside_ours_where_posts_differ_or_metrics_are_unnamed(dataset: str) -> None:
    every = tuple({found.our_metric for found in REAL if found.our_metric})
    for n in {found.test.n for found in REAL if found.test.n}:
        beside, apart = divide(REAL, OurTest(dataset, n, every))
        assert beside == ()
        assert apart


def test_defects_keep_numbers_apart_whatever_else_agrees() -> None:
    leaked = [found for found in REAL if any(footnote.apart for footnote in found.footnotes)]
    assert {found.file for found in leaked} == {"welldunn", "mental_llm", "cbt_bench"}
    for found in leaked:
        assert "known defect" in reasons_apart(
            found, OurTest(found.test.dataset or "", found.test.n or 1, (found.our_metric or "",))
        )


def test_the_number_that_the_ablation_is_about_is_not_put_beside_ours() -> None:
    (found,) = [n for n in REAL if n.value == 0.7436]
    assert reasons_apart(found, OurTest("swmh", 10882, ("weighted_f1", "macro_f1"))) == ("averaging of f1 not named",)
