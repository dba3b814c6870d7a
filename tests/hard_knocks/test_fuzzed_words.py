"""Random words for what reads strangers' words: answers, scores, spans, suites, run settings, search spaces."""

import dataclasses
import json
import string
import time
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping, read_yaml, to_mapping, write_yaml
from mhclf.config.suite import read_suite_file
from mhclf.config.tuning import parse_space
from mhclf.data.answers import published_label
from mhclf.data.repair import locate_phrases, locate_span, mask_with_spans, repair_encoding
from mhclf.data.spans import align, marked_words, merge_spans, words
from mhclf.errors import ConfigError
from mhclf.generation.parsing import Parsed, parse_answer
from mhclf.generation.questions import Question
from mhclf.generation.score_parsing import parse_score

QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
LONG = settings(QUICK, max_examples=1000)


def pieces(*strange):
    """Return texts joined from given pieces and any other text."""
    return st.lists(st.sampled_from(strange) | st.text(max_size=8), max_size=12).map("".join)


# Answers of a model

LABELS = ("depression", "anxiety", "depression and anxiety", "none of these")
QUESTIONS = (
    Question("Which?", LABELS, LABELS, ("",) * 4),
    Question("Is it?", ("yes", "no"), ("yes", "no"), ("", ""), label=0),
    Question("Which?", LABELS[:3], ("A", "B", "C"), ("",) * 3),
    Question("Which?", LABELS[:3], LABELS[:3], ("",) * 3, joint=True),
    Question("哪些？", ("自杀未遂", "无关"), ("自杀未遂", "无关"), ("", ""), joint=True),
    Question("odd?", ("(", "a|b", "\\d+", ""), ("(", "a|b", "\\d+", ""), ("",) * 4),
)
ANSWERS = pieces(
    '{"label": ', '{"answer": ', "[" * 5000, "}", "]", '"anxiety"', "anxiety", "not ", "the answer is ", "Label: ",
    "\n",
    "Reasoning:", "答案是", "A)", "(B)", "no", "never", "none", "无", "9" * 5000, "1e999", "NaN", "\x00", "\ud83d", "İ",
    "ß",
    '{"label": {"label": "anxiety"}}', '{"label": ["anxiety", null]}', "\u2028", "*" * 300, " " * 3000,
)  # fmt: skip


def check_answer(text):
    for question in QUESTIONS:
        found = parse_answer(text, question)
        assert (found.options is None) == (found.parser == "unparsed")
        if found.options is not None:
            assert list(found.options) == sorted(set(found.options))
            assert all(0 <= number < len(question.answers) for number in found.options)
            assert question.joint or len(found.options) == 1
    assert published_label(text, (("anx", "anxiety"), ("", "depression"))) in {"anxiety", "depression"}


@settings(QUICK)
@given(ANSWERS)
def test_answers(text):
    check_answer(text)


@pytest.mark.slow
@settings(LONG)
@given(ANSWERS)
def test_a_thousand_answers(text):
    check_answer(text)


def test_a_deep_answer_is_unread():
    deep = '{"label": ' + "[" * 100_000 + "}"
    assert parse_answer(deep, QUESTIONS[0]) == Parsed(None, "unparsed")
    assert parse_score(deep, 0, 3).parser == "unread"


@pytest.mark.parametrize(
    "text", ["anxiety " * 4000, "not anxiety " * 3000, " " * 30_000, "answer is " * 3000, "no x " * 6000, "[" * 30_000]
)
def test_a_long_answer_is_read_in_linear_time(text):
    start = time.process_time()
    for question in QUESTIONS:
        parse_answer(text, question)
    parse_score(text, 0, 3)
    assert time.process_time() - start < 5


def test_a_negator_far_before_a_label_and_one_inside_a_word_negate_nothing():
    assert parse_answer("not " + "x" * 300 + " anxiety", QUESTIONS[0]).options == (1,)
    assert parse_answer("piano " + "x" * 190 + " anxiety", QUESTIONS[0]).options == (1,)
    assert parse_answer("it is not really anxiety", QUESTIONS[0]) == Parsed(None, "unparsed")


SCORES = pieces(
    '{"score": ', '{"rating": ', "}", "2", "3/3", "2 out of 3", "0 to 3", "score: ", "9" * 400, "9" * 5000, "1e999",
    "-1",
    "NaN", "Infinity", "²", "٣", "\n", "true", "2.5", '"2"', "评分：", "[" * 5000, "\ud83d", "/", ".", " ",
)  # fmt: skip


def check_score(text):
    found = parse_score(text, 0, 3, "Trust")
    assert (found.value is None) == (found.parser == "unread")
    assert found.value is None or 0 <= found.value <= 3


@settings(QUICK)
@given(SCORES)
def test_scores(text):
    check_score(text)


@pytest.mark.slow
@settings(LONG)
@given(SCORES)
def test_a_thousand_scores(text):
    check_score(text)


def test_a_whole_number_longer_than_any_float_is_no_score():
    assert parse_score('{"score": ' + "9" * 400 + "}", 0, 3).parser == "unread"
    assert parse_score('{"score": -' + "9" * 400 + "}", 0, 3).parser == "unread"


@pytest.mark.parametrize("text", ["{0} to {0}", "2/{0}", "{0} of 3", "score: {0}"])
def test_a_number_of_five_thousand_digits_is_no_score(text):
    assert parse_score(text.format("9" * 5000), 0, 3).parser == "unread"


# Spans

POSTS = pieces(
    "caf√©", "Ã©", "â€™", "itâ€™s", "u/somebody", "@kim_9", "a@b.org", "my knee", "İ", "ß", "\u200b", "\u0301", "😀",
    "你好",
    "\x00", "\ud83d", "  ", "\n", "'", "don’t", "u/user", "[email]", "\u202e", "ﬁ", "Ǆ",
)  # fmt: skip
MARKS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=5)


def check_spans(text, marks):
    spans = merge_spans([(min(a, b), min(max(a, b), len(text))) for a, b in marks if min(a, b) < len(text)])
    assert all(0 <= start < end <= len(text) for start, end in spans)
    assert all(first[1] < second[0] for first, second in pairwise(spans))
    repaired = repair_encoding(text)
    for span in spans:
        found = locate_span(text, repaired, span)
        assert (found.parts, found.located) in {(1, 1), (1, 0)}
        assert all(0 <= start < end <= len(repaired) for start, end in found.spans)
        if text == repaired:
            assert found.spans == (span,)
        masked, moved = mask_with_spans(repaired, found)
        assert all(0 <= start < end <= len(masked) for start, end in moved.spans)
    phrases = [text[start:end] for start, end in spans]
    located = locate_phrases(text, phrases, ",;")
    assert located.located <= located.parts
    assert all(0 <= start < end <= len(text) for start, end in located.spans)
    whole = words(text)
    visible = {place for place, sign in enumerate(text) if not sign.isspace()}
    assert visible == {place for start, end in whole for place in range(start, end)} & visible
    assert sum(end - start for start, end in whole) >= len(visible)
    assert marked_words(whole, spans).shape == (len(whole),)
    assert align(whole, whole).words.tolist() == list(range(len(whole)))
    assert not len(align([(0, 0)], whole).tokens)


TOKENS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 12)), max_size=12)


def check_align(text, drawn, specials):
    """Compare with every token held against every word: tokens may overlap, leave gaps, and lie beyond the text."""
    whole = words(text)
    tokens = sorted((start, start + length) for start, length in drawn)
    for place in specials:
        tokens.insert(place % (len(tokens) + 1), (0, 0))
    expected = []
    for number, (start, end) in enumerate(tokens):
        shared = {i: min(end, b) - max(start, a) for i, (a, b) in enumerate(whole) if min(end, b) > max(start, a)}
        expected += [(number, index, count / sum(shared.values())) for index, count in shared.items()]
    found = align(tokens, whole)
    assert list(zip(found.tokens.tolist(), found.words.tolist(), strict=True)) == [pair[:2] for pair in expected]
    assert found.shares.tolist() == pytest.approx([share for *_, share in expected])


@settings(QUICK)
@given(POSTS, TOKENS, st.lists(st.integers(0, 12), max_size=3))
def test_tokens_of_any_spans(text, drawn, specials):
    check_align(text, drawn, specials)


@pytest.mark.slow
@settings(LONG)
@given(POSTS, TOKENS, st.lists(st.integers(0, 12), max_size=3))
def test_tokens_of_a_thousand_spans(text, drawn, specials):
    check_align(text, drawn, specials)


@settings(QUICK)
@given(POSTS, MARKS)
def test_spans(text, marks):
    check_spans(text, marks)


@pytest.mark.slow
@settings(LONG)
@given(POSTS, MARKS)
def test_a_thousand_spans(text, marks):
    check_spans(text, marks)


# Settings and suites

SUITE = """name: suite
title: A suite
grids:
  - {datasets: [demo, dreaddit], methods: [tfidf_lr, short], seeds: [1, 2]}
  - {datasets: [demo], methods: [finetune], seeds: [1], encoders: [minilm]}
baselines: [tfidf_lr]
settings: {report: false, trainer: {epochs: 2}}
dataset_settings: {demo: {max_length: 64}}
variants: {short: {method: tfidf_lr, max_length: 16}}
notes: [one]
"""
RUN = write_yaml(to_mapping(RunConfig()))
BROKEN = st.sampled_from(
    ["", "\n", "\0", '"', "'", ",", ": ", "- ", "[", "]", "{", "}", "&a ", "*a", "<<: ", "!!int ", "!!set ", "|", ">",
     "%",
     "@", "#", "\t", "? ", "~", "yes", "null", "nan", ".inf", "1e999", "-1", "0", "9" * 30, "9" * 5000, "1:60",
     "../../x",
     "[" * 2000, "é", "你", "multilabel", "datasets", "seeds", "method", "\u2028", "true", "2020-99-99",
     "!!python/object:os"]
)  # fmt: skip


@st.composite
def broken(draw, text):
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        text = text[:start] + draw(BROKEN) + text[end:]
    return text


def read(action):
    try:
        return action()
    except ConfigError:
        return None


def check_settings_file(tmp_path, text):
    path = tmp_path / "run.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    found = read(lambda: from_mapping(RunConfig, read_yaml(path), str(path)))
    if found is not None:
        path.write_text(write_yaml(to_mapping(found)), encoding="utf-8")
        again = from_mapping(RunConfig, read_yaml(path), str(path))
        assert repr(to_mapping(again)) == repr(to_mapping(found))


def check_suite_file(tmp_path, text):
    path = tmp_path / "suite.yaml"
    path.write_bytes(text.encode("utf-8", "replace"))
    found = read(lambda: read_suite_file(path))
    assert found is None or (found.name == "suite" and found.grids)


def test_the_unbroken_files_are_read(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(SUITE)
    assert read_suite_file(path).methods == ("tfidf_lr", "short", "finetune")
    path.write_text(RUN)
    assert from_mapping(RunConfig, read_yaml(path), "x") == RunConfig()


@settings(QUICK)
@given(text=broken(RUN))
def test_run_settings(tmp_path, text):
    check_settings_file(tmp_path, text)


@settings(QUICK)
@given(text=broken(SUITE))
def test_suite_files(tmp_path, text):
    check_suite_file(tmp_path, text)


@pytest.mark.slow
@settings(LONG)
@given(text=broken(RUN))
def test_a_thousand_run_settings(tmp_path, text):
    check_settings_file(tmp_path, text)


@pytest.mark.slow
@settings(LONG)
@given(text=broken(SUITE))
def test_a_thousand_suite_files(tmp_path, text):
    check_suite_file(tmp_path, text)


@settings(QUICK)
@given(
    pieces(
        "optim.lr=", "1e-5..1e-3", "log", ",", "..", "[", "{", "nan", "1e999", "-", "model.pooling=", "mean|max", ";"
    )
)
def test_search_spaces(text):
    found = read(lambda: parse_space(text))
    assert found is None or all(dataclasses.is_dataclass(item) for item in found)


def test_a_value_that_is_no_yaml_is_one_message():
    with pytest.raises(ConfigError) as error:
        parse_space("optim.lr=[")
    assert str(error.value) == "space: '[' is no value. Write numbers or words, parted by | or .."
    with pytest.raises(ConfigError, match="must go up from its first number to its second"):
        parse_space(f"optim.lr=1..{'9' * 400}")


def test_plain_names_are_taken_and_others_refused(tmp_path):
    from mhclf.data.locate import find_dataset

    path = tmp_path / "set.yaml"

    def named(name):
        path.write_text(
            f"name: {json.dumps(name)}\ntask: multiclass\nlabels: [a, b]\nsource: {{files: x.csv}}\n"
            "columns: {text: text, label: label}\n"
        )
        return find_dataset(str(path)).config.name

    for name in (
        "demo",
        "IMHI (irf)",
        "数据 集",
        "a" * 100,
        string.punctuation.replace("/", "").replace("\\", "").lstrip("."),
    ):
        assert named(name) == name
    for name in ("../../etc/cron.d/x", "/etc/x", "a/b", "a\\b", "..", ".", "", ".hidden", "a\x00b", "a\nb", "a" * 101):
        with pytest.raises(ConfigError) as error:
            named(name)
        assert "cannot name a folder. Use up to 100 letters, digits, spaces and signs but no slash" in str(error.value)
