"""Labels out of generated text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhclf.generation.parsing import Parsed, explanation_of, mentioned, parse_answer, parse_published
from mhclf.generation.questions import Question

WORDS = ("depression", "anxiety", "depression and anxiety", "none of these")
ONE = Question("Which?", WORDS, WORDS, ("",) * 4)
YES_NO = Question("Is it?", ("yes", "no"), ("yes", "no"), ("", ""), label=0)
STRESS = Question("Is it?", ("not stressed", "stressed"), ("not stressed", "stressed"), ("", ""))
LETTERED = Question("Which?", WORDS[:3], ("A", "B", "C"), ("",) * 3)
JOINT = Question("Which?", ("sleep", "work", "friends"), ("sleep", "work", "friends"), ("",) * 3, joint=True)
NAMES = ("no causes", "jobs and career", "medication")
CAUSES = Question("Which?", NAMES, NAMES, ("",) * 3)
CHINESE_YES_NO = Question("是吗？", ("是", "否"), ("是", "否"), ("", ""), label=0)
RISKS = ("与攻击行为无关", "自杀未遂", "自杀计划")
CHINESE_JOINT = Question("哪些？", RISKS, RISKS, ("",) * 3, joint=True)
CHINESE = Question("哪个？", ("抑郁", "焦虑"), ("抑郁", "焦虑"), ("", ""))


@pytest.mark.parametrize(
    ("question", "text", "options", "parser"),
    [
        (ONE, "Anxiety.", (1,), "exact"),
        (ONE, ' "depression" ', (0,), "exact"),
        (ONE, "anxiety. Reasoning: the writer speaks of depression too", (1,), "exact"),
        (ONE, '{"label": "anxiety", "why": "..."}', (1,), "json"),
        (ONE, 'Here you are: {"answer": "Depression"}', (0,), "json"),
        (ONE, "I think about depression first.\nThe answer is: anxiety", (1,), "marker"),
        (ONE, "Answer: depression\nNo wait. Final answer: anxiety.", (1,), "marker"),
        (ONE, "anxiety, because she worries", (1,), "first_line"),
        (ONE, "The post shows depression and anxiety together", (2,), "mention"),
        (ONE, "This is not depression, it is anxiety", (1,), "mention"),
        (ONE, "There isn't any real depression here, anxiety rather", (1,), "mention"),
        (ONE, "Either depression or anxiety", None, "unparsed"),
        (ONE, "depressions and anxieties", None, "unparsed"),
        (ONE, "", None, "unparsed"),
        (YES_NO, "Yes, the poster does.", (0,), "first_line"),
        (YES_NO, "No", (1,), "exact"),
        (YES_NO, "nobody knows", None, "unparsed"),
        # "no" before a noun is no answer.
        (YES_NO, "The poster has no friends and feels lonely.", None, "unparsed"),
        (YES_NO, "No one can tell", None, "unparsed"),
        (YES_NO, "The answer is: no doubt the poster suffers", None, "unparsed"),
        (YES_NO, "There is no doubt: yes", (0,), "mention"),
        (YES_NO, "The answer is no because he copes", (1,), "marker"),
        (YES_NO, "No, the poster is stressed", (1,), "first_line"),
        (YES_NO, "I would say no.", (1,), "mention"),
        (STRESS, "no, the poster is stressed", (1,), "mention"),
        (STRESS, "The poster is stressed.", (1,), "mention"),
        (STRESS, "The poster is not stressed.", (0,), "mention"),
        (LETTERED, "B", (1,), "exact"),
        (LETTERED, "(B) anxiety", (1,), "letter"),
        (LETTERED, "I would say C: it is both", (2,), "letter"),
        (LETTERED, "A person writes about anxiety", (1,), "mention"),
        (LETTERED, "The answer is A", (0,), "letter"),
        (JOINT, "sleep, work", (0, 1), "mention"),
        (JOINT, "None.", (), "exact"),
        (JOINT, "none of them fits", (), "mention"),
        (JOINT, '{"labels": ["friends", "sleep"]}', (0, 2), "json"),
        (JOINT, "sleep but not work", (0,), "mention"),
        (JOINT, "Answer: sleep\nwork", (0, 1), "marker"),
        (JOINT, "Labels:\n- sleep\n- friends", (0, 2), "marker"),
        (JOINT, "The labels are: none", (), "marker"),
        (JOINT, "not sleep but work", (1,), "mention"),
        (CAUSES, "This post shows no causes of depression.", (0,), "mention"),
        (CAUSES, "This post shows causes related to jobs and career.", (1,), "mention"),
        (CAUSES, "not medication but jobs and career", (1,), "mention"),
        (JOINT, "a cat", None, "unparsed"),
        (CHINESE, "焦虑", (1,), "exact"),
        (CHINESE, "这段文字体现了焦虑情绪", (1,), "mention"),
        (CHINESE, "不是抑郁，而是焦虑", (1,), "mention"),
        (CHINESE, "答案：抑郁。", (0,), "marker"),
        (CHINESE_YES_NO, "是的，体现了。", (0,), "mention"),
        (CHINESE_YES_NO, "不是。", (1,), "mention"),
        (CHINESE_YES_NO, "答案是否", (1,), "marker"),
        (CHINESE_YES_NO, "可是我不知道", None, "unparsed"),
        (CHINESE_YES_NO, "这段文字是否体现", None, "unparsed"),
        # 未 and 无 inside a label negate nothing behind it.
        (CHINESE_JOINT, "自杀未遂和自杀计划", (1, 2), "mention"),
        (CHINESE_JOINT, "与攻击行为无关", (0,), "exact"),
        (CHINESE_JOINT, "无。", (), "exact"),
    ],
)
def test_an_answer_is_read_by_the_first_rule_that_finds_one(
    question: Question, text: str, options: tuple[int, ...] | None, parser: str
) -> None:
    assert parse_answer(text, question) == Parsed(options, parser)


@given(st.text(max_size=200))
def test_any_text_is_read_or_said_to_be_unread(text: str) -> None:
    for question in (ONE, YES_NO, LETTERED, JOINT, CHINESE):
        found = parse_answer(text, question)
        assert (found.options is None) == (found.parser == "unparsed")
        if found.options is not None and not question.joint:
            assert len(found.options) == 1


@given(st.sampled_from(range(4)), st.text("xyz ,.", max_size=30))
def test_a_word_between_letters_that_spell_no_other_is_found(number: int, around: str) -> None:
    text = f"{around} , {WORDS[number]} , {around}"
    assert mentioned(text, WORDS) == (number,)


def test_the_published_parser_takes_parts_of_words_and_makes_the_rest_class_0() -> None:
    rule, labels = (("work", "work"), ("social", "social relationships")), ("school", "work", "social relationships")
    assert parse_published("Social work. Reasoning: none", rule, labels) == Parsed((1,), "published")
    assert parse_published("homework", rule, labels) == Parsed((1,), "published")
    assert parse_published("I cannot say. Reasoning: work", rule, labels) == Parsed((0,), "published_otherwise")


def test_the_explanation_stands_behind_reasoning() -> None:
    assert explanation_of("yes. Reasoning: she cannot sleep ") == "she cannot sleep"
    assert explanation_of("yes") == ""


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("As an AI, I cannot say depression or anxiety.", ONE, None),
        ("It is not depression, anxiety is what the post is about", ONE, (1,)),
        ("Not depression, but anxiety", ONE, (1,)),
        ("Neither sleep nor work, but friends", JOINT, (2,)),
        ("sleep, work or friends", JOINT, (0, 1, 2)),
        ("Not sleep, work or friends.", JOINT, None),
        ("The post shows none of these: sleep, work, friends", JOINT, ()),
        ("As an AI, I cannot say yes or no.", YES_NO, None),
    ],
)
def test_a_negation_reaches_over_alternatives(text: str, question: Question, options: tuple[int, ...] | None) -> None:
    assert parse_answer(text, question).options == options
