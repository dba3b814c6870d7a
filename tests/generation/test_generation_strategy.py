"""Strategies, questions and the prompts made of them."""

from dataclasses import replace
from pathlib import Path

import pytest

from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError
from mhclf.generation.cues import emotion_words
from mhclf.generation.examples import Example, choose_examples
from mhclf.generation.prompting import Post, Prompter, check_language, with_overrides
from mhclf.generation.questions import Question, questions_of
from mhclf.generation.requests import Turn
from mhclf.generation.strategy import read_strategy, strategy_names
from mhclf.generation.wording import WORDINGS, wording_of

EN = wording_of("en")
QUESTION = Question("Which one?", ("body", "work"), ("body", "work"), ("pain and sleep", ""))


def prompter(name: str, question: Question = QUESTION, language: str = "en", **options: object) -> Prompter:
    return Prompter(read_strategy(name), question, language, **options)  # type: ignore[arg-type]


def test_zero_shot_prompts_are_exactly_these() -> None:
    post = Post("I {{ ache }} {post} all day.")
    assert prompter("zero_shot").turns(0, post, {}) == (
        Turn(
            "user",
            'Post: "I {{ ache }} {post} all day."\n'
            "Which one?\n"
            "Possible answers: body (pain and sleep), work.\n"
            "Answer with one of these words and nothing else.",
        ),
    )
    both = prompter("zero_shot", context="both").turns(0, post, {})[0].text
    assert both.startswith(
        "The following post was written on social media.\n"
        'Answer as a psychologist who reads posts for a research study.\nPost: "'
    )
    talk = prompter("zero_shot").turns(0, Post("Fine.", "How are you?"), {})[0].text
    assert talk.startswith('Said before: "How are you?"\nPost: "Fine."\nWhich one?')


def test_a_chain_of_thought_is_one_conversation() -> None:
    own = prompter("chain_of_thought")
    turns = own.turns(1, Post("I ache."), {"reasoning": "It is the back."})
    assert [turn.role for turn in turns] == ["user", "assistant", "user"]
    assert turns[0].text.endswith("Do not give the answer yet.")
    assert turns[1].text == "It is the back."
    assert turns[2].text.startswith("Now decide. Which one?\nPossible answers: body (pain and sleep), work.")


def test_the_tree_asks_three_readers_apart_and_shows_their_views_to_the_judge() -> None:
    own = prompter("tree_of_thought")
    assert [step.name for step in own.steps] == ["feelings", "circumstances", "coping", "label"]
    said = {"feelings": "sad", "circumstances": "alone", "coping": "walks"}
    turns = own.turns(3, Post("I ache."), said)
    assert len(turns) == 1
    assert "Feelings: sad\nCircumstances: alone\nCoping: walks\nWeigh them. Which one?" in turns[0].text


def test_role_prior_and_imhi() -> None:
    role = prompter("role").turns(0, Post("I ache."), {})
    assert role[0].role == "system"
    assert role[0].text.startswith("You are an experienced clinical psychologist")
    prior = prompter("prior_only").turns(0, Post("I ache."), {})
    assert "ache" not in prior[0].text
    imhi = prompter("imhi")
    assert imhi.turns(0, Post("I ache."), {}) == (Turn("user", 'Consider this post: "I ache." Question: Which one?'),)
    assert imhi.opening("body") == "body. Reasoning:"


def test_a_row_may_have_its_own_question() -> None:
    own = Question("{context}", ("yes", "no"), ("yes", "no"), ("", ""))
    post = Post("I ache.", "Does {it} ache?")
    shown = (Example("1", "My knee.", "Is it a knee?", "yes", ""),)
    text = prompter("few_shot", own, examples=shown).turns(0, post, {})[0].text
    assert text.startswith(
        'Post: "My knee."\nIs it a knee?\nAnswer: yes\n\nPost: "I ache."\nDoes {it} ache?\nPossible answers: yes, no.'
    )
    asked = prompter("imhi", own).turns(0, post, {})[0].text
    assert asked == 'Consider this post: "I ache." Question: Does {it} ache?'


def test_imhi_shows_what_was_said_before() -> None:
    asked = prompter("imhi").turns(0, Post("Fine.", "How are you?"), {})[0].text
    assert asked == 'Said before: "How are you?"\nConsider this post: "Fine." Question: Which one?'


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"strategy": "imhi", "shots": 2}, "shots: 'imhi' has no place for examples."),
        ({"strategy": "imhi", "context": "expert"}, "context: 'imhi' has no place for it."),
        ({"strategy": "prior_only", "explain": True}, "'prior_only' shows no post"),
        ({"strategy": "prior_only", "labels": LabelsConfig(prior="subtract")}, "'prior_only' shows no post"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(settings: dict[str, object], message: str) -> None:
    config = GenerationConfig(**settings)  # type: ignore[arg-type]
    with pytest.raises(ConfigError) as error:
        with_overrides(read_strategy(config.strategy), config)
    assert message in str(error.value)
    with_overrides(read_strategy("few_shot"), GenerationConfig(strategy="few_shot", shots=2, context="both"))


def test_examples_stand_before_the_post() -> None:
    shown = (Example("1", "My knee.", "", "body", "Knees are of the body."),)
    text = prompter("few_shot", examples=shown).turns(0, Post("I ache."), {})[0].text
    assert text.startswith('Post: "My knee."\nWhich one?\nAnswer: body\n\nPost: "I ache."\nWhich one?')
    explained = prompter("few_shot_chain_of_thought", examples=shown).turns(0, Post("I ache."), {})[0].text
    assert explained.startswith('Post: "My knee."\nWhich one?\nAnswer: Knees are of the body. body\n\nPost:')


def test_emotion_words_are_named() -> None:
    assert emotion_words("I am SAD and so tired, sad", "en") == {"sadness": ("sad",), "tiredness": ("tired",)}
    assert emotion_words("我很难过，也很累", "zh") == {"sadness": ("难过",), "tiredness": ("累",)}
    assert emotion_words("saddle", "en") == {}
    text = prompter("emotion_chain_of_thought").turns(0, Post("I am sad."), {})[0].text
    assert "\nEmotion words in the post: sad.\n" in text
    text = prompter("emotion_chain_of_thought").turns(0, Post("The bus came."), {})[0].text
    assert "\nThe post holds no plain emotion word.\n" in text


@pytest.mark.parametrize("name", strategy_names())
@pytest.mark.parametrize("language", sorted(WORDINGS))
def test_every_strategy_renders_in_every_language(name: str, language: str) -> None:
    own = prompter(name, language=language)
    check_language(own.strategy, name, language)
    said = {step.name: "x" for step in own.steps}
    for place in range(len(own.steps)):
        text = own.turns(place, Post("the post itself"), said)[-1].text
        assert "{" not in text
        assert text == text.strip()


def test_questions_of_a_set(tiny_dataset: Path, tiny_multilabel: Path) -> None:
    config = load_table(str(tiny_dataset)).config
    (one,) = questions_of(config, LabelsConfig(), EN)
    assert one.text == "Which label fits the post?"
    assert one.answers == config.label_names
    (letters,) = questions_of(config, LabelsConfig(form="letters"), EN)
    assert letters.answers == ("A", "B", "C")
    assert letters.options(EN) == "Possible answers: A. body, B. work, C. people."
    assert letters.gold_answer(2, EN) == "C"
    several = load_table(str(tiny_multilabel)).config
    asked = questions_of(several, LabelsConfig(), EN)
    assert [item.text for item in asked] == [f"Does the post show {name}?" for name in several.label_names]
    assert asked[1].gold_answer([0, 1, 0], EN) == "yes"
    assert asked[1].gold_answer([1, 0, 0], EN) == "no"
    (joint,) = questions_of(several, LabelsConfig(by="parse"), EN)
    assert joint.joint
    assert joint.gold_answer([1, 0, 1], EN) == "body, people"
    assert joint.gold_answer([0, 0, 0], EN) == "none"


def test_labels_with_the_same_words_are_refused(tiny_dataset: Path) -> None:
    config = load_table(str(tiny_dataset)).config
    same = replace(config, prompt=replace(config.prompt, label_words={"body": "Work"}))
    with pytest.raises(ConfigError, match="two labels have the same words"):
        questions_of(same, LabelsConfig(), EN)


def test_examples_are_balanced_seeded_and_never_a_scored_post(tiny_dataset: Path) -> None:
    table = load_table(str(tiny_dataset))
    train, test = table.part("train"), table.part("test")
    (question,) = questions_of(table.config, LabelsConfig(), EN)
    chosen = choose_examples(train, test, question, EN, 6, seed=3)
    assert sorted(example.answer for example in chosen) == ["body", "body", "people", "people", "work", "work"]
    assert chosen[:3] == choose_examples(train, test, question, EN, 3, seed=3)
    assert chosen != choose_examples(train, test, question, EN, 6, seed=4)
    # The same rows as train and scored: nothing is left.
    with pytest.raises(ConfigError, match=r"^shots: train has 0 rows that are not scored, 3 examples were asked for\."):
        choose_examples(train, train, question, EN, 3, seed=3)
    with pytest.raises(ConfigError, match="train has 0 rows with an explanation"):
        choose_examples(train, test, question, EN, 3, seed=3, explained=True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("title: x\nsteps: [{name: verdict, ask: {en: hi}}]\n", "the last one must be called 'label'"),
        (
            "title: x\nsteps: [{name: label, ask: {en: '{{ pots }}'}}]\n",
            "nothing is called 'pots'. Did you mean 'post'?",
        ),
        ("title: x\nsteps: [{name: label, ask: {en: '{{ post'}}]\n", "line 1 of the template is broken"),
        ("title: x\nsamples: 3\nsteps: [{name: label, ask: {en: hi}}]\n", "are one and the same"),
        ("title: x\nsteps: [{name: label, continues: true, ask: {en: hi}}]\n", "the first one has nothing to continue"),
    ],
)
def test_a_wrong_strategy_file_says_what_is_wrong(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_strategy(str(file))
    assert message in str(error.value)
    assert "mine.yaml" in str(error.value)


def test_an_unknown_strategy_or_language_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'few_shot'"):
        read_strategy("few_shots")
    with pytest.raises(ConfigError, match="prompts are worded in en, zh, not in 'de'"):
        wording_of("de")
    with pytest.raises(ConfigError, match="would all be the same"):
        with_overrides(read_strategy("zero_shot"), GenerationConfig(samples=3))
