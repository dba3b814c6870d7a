"""The shipped data sets' words for prompts: in their language, and those that the published answers use."""

import re

import pytest

from mhclf.config.generation import LabelsConfig
from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.generation.interview import published_parser
from mhclf.generation.parsing import parse_answer
from mhclf.generation.prompting import Post, Prompter
from mhclf.generation.questions import questions_of
from mhclf.generation.strategy import read_strategy
from mhclf.generation.wording import wording_of

ANSWERS = {
    "imhi_dr": ("No, the poster does not suffer from depression.", "Yes, the poster suffers from depression."),
    "imhi_irf": ("No, the post does not show this risk.", "Yes, the post shows this risk."),
    "imhi_cams": (
        "This post shows no causes of depression.",
        *(
            f"This post shows causes of depression related to {cause}."
            for cause in ("bias or abuse", "jobs and career", "medication", "relationship", "alienation")
        ),
    ),
    "imhi_swmh": (
        *(
            f"This post shows mental disorder symptoms related to {name}."
            for name in ("depression", "suicide", "anxiety", "bipolar disorder")
        ),
        "This post shows no mental disorder symptoms.",
    ),
    "imhi_tsid": (
        "This post shows no mental disorders.",
        "This post shows suicide or self-harm tendency.",
        "This post shows depression.",
        "This post shows PTSD.",
    ),
    "imhi_sad": (
        *(
            f"This post shows the stress cause related to {cause}."
            for cause in (
                "school", "financial problem", "family issues", "social relationships", "work", "health issues",
                "emotion turmoil", "everyday decision making",
            )
        ),
        "This post shows other stress causes.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(ANSWERS))
def test_the_published_sentences_are_read_as_their_labels(name: str) -> None:
    config = find_dataset(name).config
    (question,) = questions_of(config, LabelsConfig(by="parse"), wording_of(config.language))
    assert [parse_answer(answer, question).options for answer in ANSWERS[name]] == [
        (number,) for number in range(len(config.labels))
    ]


PUBLISHED = (
    ("imhi_sad", "I cannot say.", "other", "published_otherwise"),
    ("imhi_sad", "It is about financial issues.", "financial problem", "published"),
    ("imhi_sad", "family problems", "family issues", "published"),
    ("imhi_sad", "social life", "social relationships", "published"),
    ("imhi_sad", "emotional stress", "emotion turmoil", "published"),
    ("imhi_sad", "other stress causes", "other", "published"),
    ("imhi_sad", "homework of the family", "family issues", "published"),
    ("imhi_swmh", "I cannot say.", "no mental disorder symptoms", "published_otherwise"),
    ("imhi_swmh", "Suicide and depression", "suicide", "published"),
    ("imhi_tsid", "suicide", "suicide or self-harm tendency", "published"),
    ("imhi_tsid", "suicide, depression", "depression", "published"),
    ("imhi_cams", "bias", "bias or abuse", "published"),
    ("imhi_cams", "jobs", "jobs and career", "published"),
    ("imhi_cams", "no causes", "no causes", "published_otherwise"),
    ("imhi_dreaddit", "I know.", "no", "published"),
    ("imhi_dreaddit", "Perhaps.", "no", "published_otherwise"),
)


@pytest.mark.parametrize(("name", "said", "raw", "parser"), PUBLISHED)
@pytest.mark.parametrize("expert", ["", "_expert"])
def test_answers_are_replayed_as_the_published_code_reads_them(
    name: str, said: str, raw: str, parser: str, expert: str
) -> None:
    """Expected values: read by hand off `calculate_f1` in src/IMHI.py of the published code."""
    # imhi_swmh is the experts' set itself.
    config = find_dataset(name if name == "imhi_swmh" else name + expert).config
    read = published_parser(config)
    parsed = read(f"{said} Reasoning: yes, school, depression, bias")
    label = config.label_pairs[(parsed.options or (-1,))[0]]
    assert (raw in label.raw_values, parsed.parser) == (True, parser)


def test_chinese_posts_are_asked_about_in_chinese() -> None:
    config = find_dataset("psysuicide").config
    for labels in (LabelsConfig(), LabelsConfig(by="parse")):
        for question in questions_of(config, labels, wording_of("zh")):
            turns = Prompter(read_strategy("zero_shot"), question, "zh").turns(0, Post("今天下雨。"), {})
            assert not re.search("[A-Za-z]", turns[0].text)
    (joint,) = questions_of(config, LabelsConfig(by="parse"), wording_of("zh"))
    assert joint.words == tuple(label.raw_values[0] for label in config.label_pairs)


@pytest.mark.parametrize("name", ["imhi_irf", "imhi_multiwd", "imhi_irf_expert", "imhi_multiwd_expert"])
def test_each_row_of_these_sets_is_asked_its_own_question(data_root: str, name: str) -> None:
    table = load_table(name, data_root=data_root)
    (question,) = questions_of(table.config, LabelsConfig(), wording_of("en"))
    asked = {question.asked(context) for context in table.contexts or ()}
    assert len(asked) == (2 if "irf" in name else 6)
    form = r"Does the (\w+ wellness dimension exist in the post|post show risk of \w+ \w+)\?"
    assert all(re.fullmatch(form, one) for one in asked)
