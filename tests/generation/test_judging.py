"""Judges of explanations against a scripted model: exact prompts, corrections, arguments, votes, probabilities."""

import math
from pathlib import Path

import numpy as np
import pytest
import yaml
from generation_support import ScriptedBackend, build_decoder_folder

from mhclf.config.judge import JudgeConfig, JudgeRunConfig, JudgeSettings
from mhclf.errors import ConfigError
from mhclf.generation.cache import AnswerCache
from mhclf.generation.judge_prompts import Judged, JudgePrompts, judge_wording, put
from mhclf.generation.judging import Judge, voted
from mhclf.generation.requests import Ask, Choose, Request
from mhclf.generation.rubric import Rubric, read_rubric, rubric_names
from mhclf.generation.score_parsing import UNREAD, Reading

ITEM = Judged("I cannot {sleep}.", 'The post says "{post}".', "work", "How are you?")
CASE = """Said before: "How are you?"
Post: "I cannot {sleep}."
Decision: work
Explanation: "The post says "{post}"."
Criterion: reliability. What the explanation says of the post is true, and stands in the post.
0: invents what the post says, or turns it into its contrary
1: some of it is true, with serious invention
2: mostly true, with small errors
3: all of it is true and stands in the post
"""
PARSED = 'Answer with {"score": N, "reason": "one sentence"}, where N is one of 0, 1, 2, 3.'
SCORED = "Answer with one of the numbers 0, 1, 2, 3 and nothing else."


@pytest.fixture
def rubric() -> Rubric:
    return read_rubric("mentallama", "en").only(["reliability"])


def judge(backend: ScriptedBackend, rubric: Rubric, folder: Path, **settings: object) -> Judge:
    chosen = {"by": "parse"} | settings
    cache = AnswerCache(folder / "answers.sqlite")
    return Judge(backend, cache, rubric, JudgeSettings(**chosen), seed=7)  # type: ignore[arg-type]


def users(backend: ScriptedBackend) -> list[str]:
    assert all(request.turns[0].role == "system" for request in backend.asked)
    assert {request.turns[0].text for request in backend.asked} == {judge_wording("en").role}
    assert all(len(request.turns) == 2 for request in backend.asked)
    return [request.turns[1].text for request in backend.asked]


def test_a_single_judge(rubric: Rubric, tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request: '{"score": 2, "reason": "short"}')
    ((found,),) = (list(one.values()) for one in judge(backend, rubric, tmp_path).judge([ITEM]))
    assert users(backend) == [CASE + PARSED]
    assert isinstance(backend.asked[0], Ask)
    assert (backend.asked[0].temperature, backend.asked[0].max_new_tokens) == (0.0, 120)
    assert found.value == 2.0
    assert found.readings == (Reading(2.0, "json"),)
    assert found.said == (("first", '{"score": 2, "reason": "short"}'),)
    assert found.unread == 0.0


def test_the_second_judge_reads_and_corrects_the_first(rubric: Rubric, tmp_path: Path) -> None:
    second = 'Another judge answered: "Score: 3"\nJudge for yourself, and correct that answer where it is wrong.\n'

    def reply(request: Request) -> str:
        return "Score: 1" if "Another judge" in request.turns[1].text else "Score: 3"

    backend = ScriptedBackend(reply)
    found = judge(backend, rubric, tmp_path, mechanism="dual").judge([ITEM])[0]["reliability"]
    assert users(backend) == [CASE + PARSED, CASE + second + PARSED]
    assert found.value == 1.0
    assert [reading.value for reading in found.readings] == [3.0, 1.0]
    assert found.said == (("first", "Score: 3"), ("second", "Score: 1"))


def test_an_unread_correction_is_missing_not_the_first_score(rubric: Rubric, tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request: "I agree." if "Another judge" in request.turns[1].text else "Score: 3")
    found = judge(backend, rubric, tmp_path, mechanism="dual").judge([ITEM])[0]["reliability"]
    assert found.value is None
    assert found.readings == (Reading(3.0, "marker"), UNREAD)
    assert found.unread == 0.5


def test_a_debate_is_decided_by_a_moderator(rubric: Rubric, tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        text = request.turns[1].text
        if "Two sides argued" in text:
            return "2"
        side = "bad" if text.endswith("deserves a low score. No number.") else "good"
        return f"{side}{text.count('For a ')}"

    backend = ScriptedBackend(reply)
    found = judge(backend, rubric, tmp_path, mechanism="debate", rounds=2).judge([ITEM])[0]["reliability"]
    ask = "Argue in two or three sentences that by this criterion the explanation deserves {}. No number."
    low, high = ask.format("a low score"), ask.format("a high score")
    lines = ["For a low score: bad0", "For a high score: good1", "For a high score: good2", "For a low score: bad3"]
    assert users(backend) == [
        CASE + low,
        CASE + "\n".join(["Said so far:", lines[0], high]),
        CASE + "\n".join(["Said so far:", *lines[:2], high]),
        CASE + "\n".join(["Said so far:", *lines[:3], low]),
        CASE
        + "\n".join(["Two sides argued. Decide by the post and the explanation, not by who argued better.", *lines])
        + "\n"
        + PARSED,
    ]
    assert found.value == 2.0
    assert [who for who, _ in found.said] == ["for_low", "for_high", "for_high", "for_low", "moderator"]
    assert found.readings == (Reading(2.0, "exact"),)


def test_samples_vote_with_seeds_of_their_own(rubric: Rubric, tmp_path: Path) -> None:
    answers = {7000: "3", 7001: "1", 7002: "no idea", 7003: "3", 7004: "1"}

    def reply(request: Request) -> str:
        assert isinstance(request, Ask)
        assert request.temperature == 0.7
        return answers[request.seed]

    backend = ScriptedBackend(reply)
    found = judge(backend, rubric, tmp_path, mechanism="majority_vote").judge([ITEM])[0]["reliability"]
    assert {request.seed for request in backend.asked if isinstance(request, Ask)} == set(answers)
    assert set(users(backend)) == {CASE + PARSED}
    assert [reading.value for reading in found.readings] == [3.0, 1.0, None, 3.0, 1.0]
    assert found.value == 1.0
    assert found.unread == 0.2
    again = judge(backend, rubric, tmp_path, mechanism="majority_vote", vote="median")
    assert again.judge([ITEM])[0]["reliability"].value == 2.0
    assert len(backend.asked) == 5


def test_votes() -> None:
    assert voted([2.0, 3.0, 3.0]) == 3.0
    assert voted([3.0, 0.0]) == 0.0
    assert voted([None, 2.0]) == 2.0
    assert voted([None, None]) is None
    assert voted([None], by_median=True) is None
    assert voted([0.0, 1.0, 3.0, 3.0], by_median=True) == 2.0


def test_a_score_from_probabilities_is_their_mean(rubric: Rubric, tmp_path: Path) -> None:
    chances = np.array([0.1, 0.2, 0.3, 0.4])
    # Whatever else could be said has probability too: the numbers share what is left.
    backend = ScriptedBackend(lambda request: (np.log(chances) - 5.0).tolist())
    found = judge(backend, rubric, tmp_path, by="score").judge([ITEM])[0]["reliability"]
    assert users(backend) == [CASE + SCORED]
    assert isinstance(backend.asked[0], Choose) and backend.asked[0].choices == ("0", "1", "2", "3")
    assert found.value == pytest.approx(0.2 + 0.6 + 1.2)
    assert found.probabilities == pytest.approx(tuple(chances))
    assert found.readings[0].parser == "scored"
    assert found.said == (("first", "3"),)
    corrected = judge(backend, rubric, tmp_path, by="score", mechanism="dual").judge([ITEM])[0]["reliability"]
    assert 'Another judge answered: "3"' in users(backend)[-1]
    assert corrected.value == pytest.approx(2.0)


def test_each_explanation_is_judged_by_each_criterion_and_asked_once(tmp_path: Path) -> None:
    whole = read_rubric("imhi_ratings", "en")

    def reply(request: Request) -> str:
        text = request.turns[1].text
        number = ["fluency", "completeness", "reliability", "overall"].index(text.split("Criterion: ")[1].split(".")[0])
        return f"Score: {number}" if "second" in text else f"Score: {3 - number}"

    backend = ScriptedBackend(reply)
    items = [Judged("a post", "first why"), Judged("another", "second why"), Judged("a post", "first why")]
    first, second, third = judge(backend, whole, tmp_path).judge(items)
    assert {name: one.value for name, one in first.items()} == dict(zip(whole.names, (3.0, 2.0, 1.0, 0.0), strict=True))
    assert {name: one.value for name, one in second.items()} == dict(
        zip(whole.names, (0.0, 1.0, 2.0, 3.0), strict=True)
    )
    assert third == first
    assert len(backend.asked) == 8
    assert "Decision:" not in backend.asked[0].turns[1].text
    assert "Said before" not in backend.asked[0].turns[1].text


def test_a_killed_job_asks_nothing_twice(rubric: Rubric, tmp_path: Path) -> None:
    items = [Judged(f"post {number}", "because") for number in range(6)]
    stopped = ScriptedBackend(lambda request: "Score: 2", stop_after=8)
    with pytest.raises(KeyboardInterrupt):
        judge(stopped, rubric, tmp_path, mechanism="dual").judge(items)
    backend = ScriptedBackend(lambda request: "Score: 2")
    seen: list[tuple[str, int, int]] = []
    one = Judge(
        backend, AnswerCache(tmp_path / "answers.sqlite"), rubric, JudgeSettings("dual", by="parse"), "en", 7,
        lambda what, done, total: seen.append((what, done, total)),
    )  # fmt: skip
    assert all(found["reliability"].value == 2.0 for found in one.judge(items))
    assert len(backend.asked) == 4
    assert seen[5] == ("first", 6, 6) and seen[-1] == ("second", 6, 6)


def test_a_local_model_gives_the_expected_score(tmp_path: Path, rubric: Rubric) -> None:
    import torch

    from mhclf.generation.decoders import load_decoder
    from mhclf.generation.local import LocalBackend

    decoder = load_decoder(str(build_decoder_folder(tmp_path / "tiny-llama")))
    backend = LocalBackend(decoder, batch_size=2)
    short = Rubric("t", 0, 3, (rubric.criteria[0],))
    one = Judge(backend, AnswerCache(tmp_path / "a.sqlite"), short, JudgeSettings())
    items = [Judged("my knee hurts", "a knee"), Judged("the exam is on monday", "it is about work")]
    for item, found in zip(items, one.judge(items), strict=True):
        ids = torch.tensor([backend.ids(backend.prompt(one.prompts.alone(item, short.criteria[0])))])
        with torch.no_grad():
            logits = decoder.model(ids).logits[0, -1].double()
        numerals = [decoder.tokenizer(str(score), add_special_tokens=False)["input_ids"] for score in range(4)]
        assert all(len(tokens) == 1 for tokens in numerals)
        chances = torch.softmax(logits[[tokens[0] for tokens in numerals]], 0)
        assert found["reliability"].value == pytest.approx(float(chances @ torch.arange(4.0).double()), abs=1e-4)
        assert 0 < (found["reliability"].value or 0) < 3


def test_chinese_words_and_names_in_braces() -> None:
    rubric = read_rubric("mentallama", "zh")
    prompts = JudgePrompts(rubric, "zh", scored=True)
    turns = prompts.alone(Judged("我睡不着", "他失眠"), rubric.criteria[1])
    assert turns[1].text.splitlines()[:2] == ["文字：“我睡不着”", "解释：“他失眠”"]
    assert turns[1].text.endswith("请只回答0、1、2、3中的一个数字，不要回答其他内容。")
    assert put("{post} {answer}", post="{answer}", answer="{post}") == "{answer} {post}"
    with pytest.raises(ConfigError, match="judges are asked in en, zh, not in 'de'"):
        judge_wording("de")


def test_shipped_rubrics() -> None:
    assert rubric_names() == ["imhi_ratings", "mentallama"]
    assert read_rubric("mentallama", "zh").names == ("consistency", "reliability", "professionality", "overall")
    with pytest.raises(ConfigError, match=r"'mentalama' is none\. Did you mean 'mentallama'\?"):
        read_rubric("mentalama", "en")
    with pytest.raises(ConfigError, match="criterion 'fluency' is worded in en, not in 'zh'"):
        read_rubric("imhi_ratings", "zh")
    with pytest.raises(ConfigError, match="has none of the criteria warmth; its own: fluency"):
        read_rubric("imhi_ratings", "en").only(["warmth"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"lowest": 3}, "lowest, highest: are 3 and 3"),
        ({"highest": 11}, "the second larger by 1 to 10"),
        ({"criteria": []}, "criteria: expected one or more"),
        ({"anchor": {"0": "bad", "4": "good"}}, "the anchor '4' is no score from 0 to 3"),
        ({"anchor": {"0": "bad", "2": "good"}}, r"what the ends of the scale mean \(0 and 3\)"),
        ({"description": {"en": "x", "zh": "y"}}, "must have the same languages"),
        ({"colour": "red"}, "unknown key 'colour'"),
    ],
)
def test_a_broken_rubric_names_its_file(tmp_path: Path, changes: dict[str, object], message: str) -> None:
    given = dict(changes)
    anchors = given.pop("anchor", {"0": "bad", "3": "good"})
    criterion = {"name": "c", "description": given.pop("description", {"en": "x"}), "anchors": {"en": anchors}}
    path = tmp_path / "own.yaml"
    path.write_text(yaml.safe_dump({"title": "t", "lowest": 0, "highest": 3, "criteria": [criterion]} | given))
    with pytest.raises(ConfigError, match=message) as error:
        read_rubric(str(path), "en")
    assert str(error.value).startswith(str(path))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"samples": 3}, "samples is of majority_vote"),
        ({"rounds": 2, "mechanism": "dual"}, "rounds is of debate"),
        ({"mechanism": "majority_vote"}, "the same in each sample. Use --judge.by parse"),
        ({"temperature": 0.0}, "temperature: is 0.0"),
        ({"max_new_tokens": 0}, "max_new_tokens: is 0"),
    ],
)
def test_settings_that_say_nothing_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        JudgeSettings(**settings)  # type: ignore[arg-type]


def test_an_endpoint_needs_parsing_and_a_run_its_folder() -> None:
    from mhclf.config.generation import EndpointConfig

    endpoint = EndpointConfig("http://localhost", "m")
    with pytest.raises(ConfigError, match=r"gives no probabilities of numbers\. Use --judge\.by parse"):
        JudgeConfig(backend="endpoint", endpoint=endpoint)
    with pytest.raises(ConfigError, match="give its address and its model"):
        JudgeConfig(JudgeSettings(by="parse"), backend="endpoint")
    with pytest.raises(ConfigError, match="--run DIR"):
        JudgeRunConfig()
    with pytest.raises(ConfigError, match="sources: expected one or more of generated, reference, first_sentence"):
        JudgeRunConfig(run="x", sources=("generated", "generated"))
    assert math.isclose(JudgeConfig().judge.temperature, 0.7)
