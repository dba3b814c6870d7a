"""Scores out of a judge's text: which rule reads what, and what is no score."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhclf.generation.score_parsing import UNREAD, Reading, parse_score


@pytest.mark.parametrize(
    ("text", "value", "parser"),
    [
        ('{"score": 2, "reason": "fine"}', 2, "json"),
        ('So:\n```json\n{"reason": "fine", "Score": "3"}\n```', 3, "json"),
        ('{"reliability": 1}', 1, "json"),
        ('{"score": 2.5}', 2.5, "json"),
        ("2", 2, "exact"),
        (" **3**. ", 3, "exact"),
        ("[[0]]", 0, "exact"),
        ("2/3", 2, "exact"),
        ("2 out of 3", 2, "exact"),
        ("Score: 2. It quotes 3 sentences.", 2, "marker"),
        ("On a scale of 0 to 3, I rate it 1", 1, "marker"),
        ('{"score": 2, "reason": "cut of', 2, "marker"),
        ("The first score of 3 is too high.\nCorrected score: 1", 1, "marker"),
        ("评分：2", 2, "marker"),
        ("得分为1。", 1, "marker"),
        ("2 - it is true but short", 2, "first_line"),
        ("1. It is hard to read.", 1, "first_line"),
        ("It is true of the post.\n\n3", 3, "last_line"),
    ],
)
def test_a_score_is_read_by_the_first_rule_that_finds_one(text: str, value: float, parser: str) -> None:
    assert parse_score(text, 0, 3, "reliability") == Reading(value, parser)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is reliable.",
        "7",
        "-1",
        "Score: -1",
        "Score: 8/10",
        "Score: 20",
        "0-3",
        "Score: 2 or 3",
        "The writer has 2 children and slept 3 hours.",
        "She is 2 years sober",
        "1. It is fluent\n2. It is short",
        "1: some of it is true\n2: mostly true\n3: all of it is true",
        "It has score 3, or score 2",
        '{"score": 2} or {"score": 3}',
        '{"score": true}',
        '{"score": null}',
        '{"score": 4, "reason": "rating 2"}',
        "20%",
        "1,5",
    ],
)
def test_what_gives_no_score_of_the_scale_is_unread(text: str) -> None:
    assert parse_score(text, 0, 3) == UNREAD


def test_a_scale_has_its_own_ends() -> None:
    assert parse_score("Score: 8/10", 1, 10).value == 8
    assert parse_score("0", 1, 5) == UNREAD
    assert parse_score("4", 1, 5).value == 4
    assert parse_score('{"overall": 2}', 0, 3, "fluency") == UNREAD


@given(st.text(), st.integers(0, 3))
def test_any_text_is_read_inside_the_scale_or_not_at_all(text: str, highest: int) -> None:
    found = parse_score(text, 0, highest + 1)
    assert found == UNREAD or (found.value is not None and 0 <= found.value <= highest + 1)


@given(st.integers(0, 10), st.sampled_from(['{{"score": {}}}', "{}", "Score: {}", "{}/10", "I see.\n{}", "{}: good"]))
def test_each_form_gives_its_number(score: int, form: str) -> None:
    assert parse_score(form.format(score), 0, 10).value == score
