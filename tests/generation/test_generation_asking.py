"""Strategies carried out against a scripted backend: what is asked, voted, kept, and asked again."""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from generation_support import ScriptedBackend
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.generation.asking import Asker
from mhclf.generation.cache import AnswerCache, answer_all
from mhclf.generation.deciding import Decision, decide_by_scores, decide_by_votes, fit_scores
from mhclf.generation.prompting import Post, Prompter
from mhclf.generation.questions import Question
from mhclf.generation.requests import Ask, Chances, Choose, Request, Said, Turn, request_key
from mhclf.generation.strategy import read_strategy

QUESTION = Question("Which one?", ("body", "work"), ("body", "work"), ("", ""))
POSTS = [Post("My knee aches."), Post("The exam is near."), Post("It rains.")]


def asker(
    backend: ScriptedBackend, cache: AnswerCache, strategy: str, config: GenerationConfig, samples: int = 1
) -> Asker:
    return Asker(backend, cache, Prompter(read_strategy(strategy), QUESTION, "en"), config, samples)


def decide(own: Asker, posts: Sequence[Post]) -> list[Decision]:
    """Label posts, then explain what was decided where that is asked for, as a run does."""
    decisions = own.label(posts)
    return own.explain(posts, decisions) if own.config.explain else decisions


@pytest.fixture
def cache(tmp_path: Path) -> AnswerCache:
    return AnswerCache(tmp_path / "answers.sqlite")


def by_post(request: Request) -> str | Sequence[float]:
    text = request.turns[0].text
    about = 0 if "knee" in text else 1 if "exam" in text else None
    if isinstance(request, Choose):
        return (-1.0, -2.0) if about == 0 else (-3.0, -1.0) if about == 1 else (-1.5, -1.5 - np.log(3))
    return "It is body." if about == 0 else "work" if about == 1 else "who knows"


def test_labels_are_scored(cache: AnswerCache) -> None:
    backend = ScriptedBackend(by_post)
    found = decide(asker(backend, cache, "zero_shot", GenerationConfig()), POSTS)
    assert [item.options for item in found] == [(0,), (1,), (0,)]
    assert found[2].probabilities == pytest.approx((0.75, 0.25))
    assert found[0].scores == (-1.0, -2.0)
    assert found[0].parsers == ("scored",)
    assert all(isinstance(request, Choose) and request.choices == ("body", "work") for request in backend.asked)


def test_the_prior_is_what_the_model_answers_without_a_post(cache: AnswerCache) -> None:
    def reply(request: Request) -> Sequence[float]:
        return (-1.0, -4.0) if 'Post: "N/A"' in request.turns[0].text else (-2.0, -4.5)

    config = GenerationConfig(labels=LabelsConfig(prior="subtract"))
    found = decide(asker(ScriptedBackend(reply), cache, "zero_shot", config), POSTS[:1])
    # -2 - -1 = -1 against -4.5 - -4 = -.5: the less probable answer gains more by the post.
    assert found[0].options == (1,)
    assert found[0].scores == (-1.0, -0.5)
    with pytest.raises(ConfigError, match="needs a strategy of one step"):
        decide(asker(ScriptedBackend(lambda request: "x"), cache, "chain_of_thought", config), POSTS[:1])


def test_labels_are_parsed_and_what_is_not_read_stays_unread(cache: AnswerCache) -> None:
    config = GenerationConfig(labels=LabelsConfig(by="parse"))
    found = decide(asker(ScriptedBackend(by_post), cache, "zero_shot", config), POSTS)
    assert [item.options for item in found] == [(0,), (1,), None]
    assert [item.parsers for item in found] == [("mention",), ("exact",), ("unparsed",)]
    assert found[0].said == ({"label": "It is body."},)


def test_a_chain_hands_its_reasoning_on(cache: AnswerCache) -> None:
    def reply(request: Request) -> str:
        return f"thought {len(request.turns)}" if len(request.turns) == 1 else "work"

    config = GenerationConfig(labels=LabelsConfig(by="parse"))
    backend = ScriptedBackend(reply)
    found = decide(asker(backend, cache, "chain_of_thought", config), POSTS[:1])
    assert found[0].said == ({"reasoning": "thought 1", "label": "work"},)
    assert backend.asked[-1].turns[1] == Turn("assistant", "thought 1")


def test_self_consistency_votes_over_seeded_samples(cache: AnswerCache) -> None:
    def reply(request: Request) -> str:
        assert isinstance(request, Ask)
        if len(request.turns) == 1:
            assert request.temperature == 0.7
            return f"thought {request.seed % 5}"
        number = int(request.turns[1].text.split()[1])
        return ("body", "work", "work", "no idea", "work")[number]

    config = GenerationConfig(labels=LabelsConfig(by="parse"))
    found = decide(asker(ScriptedBackend(reply), cache, "self_consistency", config, samples=5), POSTS[:1])[0]
    assert found.options == (1,)
    assert found.probabilities == pytest.approx((0.25, 0.75))
    assert sorted(found.parsers) == ["exact"] * 4 + ["unparsed"]
    assert len({sample["reasoning"] for sample in found.said}) == 5


def test_three_branches_and_a_verdict(cache: AnswerCache) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        text = request.turns[-1].text
        if isinstance(request, Choose):
            assert "Feelings: F\nCircumstances: C\nCoping: K\n" in text
            return (-1.0, -2.0)
        return "F" if "feels" in text else "C" if "weigh on" in text else "K"

    backend = ScriptedBackend(reply)
    found = decide(asker(backend, cache, "tree_of_thought", GenerationConfig()), POSTS)
    assert [item.options for item in found] == [(0,)] * 3
    assert len(backend.asked) == 12


def test_explanations_are_asked_for_after_the_answer(cache: AnswerCache) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        if isinstance(request, Choose):
            return (-1.0, -2.0)
        assert isinstance(request, Ask)
        assert request.turns[-2] == Turn("assistant", "body")
        return "The knee."

    found = decide(asker(ScriptedBackend(reply), cache, "zero_shot", GenerationConfig(explain=True)), POSTS[:1])
    assert found[0].explanation == "The knee."


def test_imhi_goes_on_behind_reasoning(cache: AnswerCache) -> None:
    def scored(request: Request) -> str | Sequence[float]:
        if isinstance(request, Choose):
            return (-1.0, -2.0)
        assert isinstance(request, Ask)
        assert request.opening == "body. Reasoning:"
        return " The knee."

    found = decide(asker(ScriptedBackend(scored), cache, "imhi", GenerationConfig(explain=True)), POSTS[:1])
    assert found[0].explanation == "The knee."
    config = GenerationConfig(explain=True, labels=LabelsConfig(by="parse"))
    whole = ScriptedBackend(lambda request: "work. Reasoning: The exam.")
    found = decide(asker(whole, cache, "imhi", config), POSTS[:1])
    assert (found[0].options, found[0].explanation) == ((1,), "The exam.")
    assert len(whole.asked) == 1


def test_an_explanation_goes_on_from_a_sample_that_agrees(cache: AnswerCache) -> None:
    def reply(request: Request) -> str:
        assert isinstance(request, Ask)
        if len(request.turns) == 1:
            return f"thought {request.seed % 5}"
        if len(request.turns) > 3:
            return f"because of {request.turns[1].text}"
        return ("body", "work", "work")[int(request.turns[1].text.split()[1])]

    config = GenerationConfig(explain=True, labels=LabelsConfig(by="parse"))
    found = decide(asker(ScriptedBackend(reply), cache, "self_consistency", config, samples=3), POSTS[:1])[0]
    assert (found.options, found.agreeing) == ((1,), 1)
    assert found.explanation == "because of thought 1"


def test_one_parsed_answer_has_no_probabilities() -> None:
    assert decide_by_votes([(1,)], ["exact"], 3, joint=False).probabilities is None


def test_the_prior_of_a_row_with_its_own_question_is_that_questions(cache: AnswerCache) -> None:
    question = replace(QUESTION, text="{context}")

    def reply(request: Request) -> Sequence[float]:
        text = request.turns[0].text
        if "N/A" not in text:
            return (-1.0, -1.0)
        return (-1.0, -3.0) if "first" in text else (-3.0, -1.0)

    config = GenerationConfig(labels=LabelsConfig(prior="subtract"))
    own = Asker(ScriptedBackend(reply), cache, Prompter(read_strategy("zero_shot"), question, "en"), config)
    found = decide(own, [Post("x", "first?"), Post("x", "second?")])
    assert [item.options for item in found] == [(1,), (0,)]


def test_a_killed_job_asks_nothing_twice_and_loses_nothing(tmp_path: Path) -> None:
    config = GenerationConfig(labels=LabelsConfig(by="parse"))
    first = ScriptedBackend(by_post, stop_after=2)
    cache = AnswerCache(tmp_path / "answers.sqlite")
    with pytest.raises(KeyboardInterrupt):
        decide(asker(first, cache, "zero_shot", config), POSTS)
    cache.close()
    second = ScriptedBackend(by_post)
    again = decide(asker(second, AnswerCache(tmp_path / "answers.sqlite"), "zero_shot", config), POSTS)
    assert len(first.asked) == 2
    assert len(second.asked) == 1
    assert not set(first.asked) & set(second.asked)
    unbroken = asker(ScriptedBackend(by_post), AnswerCache(tmp_path / "other.sqlite"), "zero_shot", config)
    assert again == decide(unbroken, POSTS)


def test_repeated_requests_are_asked_once_and_counted(cache: AnswerCache) -> None:
    backend = ScriptedBackend(lambda request: "yes")
    request = Ask((Turn("user", "hi"),))
    settled: list[int] = []
    assert len(answer_all(backend, cache, [request, request, request], settled.append)) == 3
    assert len(backend.asked) == 1
    assert settled == [3]


def test_everything_that_matters_changes_the_key() -> None:
    identity = {"model": "a", "sha256": "1"}
    base = Ask((Turn("user", "hi"),), "", 10, 0.7, 1)
    others = [
        replace(base, turns=(Turn("user", "ho"),)),
        replace(base, turns=(Turn("system", "hi"),)),
        replace(base, opening="x"),
        replace(base, max_new_tokens=11),
        replace(base, temperature=0.8),
        replace(base, seed=2),
        Choose((Turn("user", "hi"),), ("a",)),
        Choose((Turn("user", "hi"),), ("b",)),
    ]
    keys = {request_key(identity, request) for request in (base, *others)}
    keys |= {request_key(identity | {"sha256": "2"}, base)}
    assert len(keys) == 10
    greedy = replace(base, temperature=0.0)
    assert request_key(identity, greedy) == request_key(identity, replace(greedy, seed=5))


def test_a_damaged_cache_says_so(tmp_path: Path) -> None:
    file = tmp_path / "answers.sqlite"
    file.write_bytes(b"no database at all" * 100)
    with pytest.raises(RunError, match="cannot be used as cache of answers"):
        AnswerCache(file)
    cache = AnswerCache(tmp_path / "good.sqlite")
    cache.put("a", Said("x", True, 1))
    cache.put("b", Chances((-1.0,), (2,)))
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (Said("x", True, 1), Chances((-1.0,), (2,)), None)


def test_a_cache_that_fails_later_says_so(tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "answers.sqlite")
    cache.close()
    for act in (lambda: cache.get("a"), lambda: cache.put("a", Said("x", True, 1))):
        with pytest.raises(RunError, match=r"answers\.sqlite: the cache of answers cannot be used"):
            act()


def test_several_jobs_use_one_cache_at_once(tmp_path: Path) -> None:
    def work(job: int) -> int:
        cache = AnswerCache(tmp_path / "answers.sqlite")
        for number in range(40):
            cache.put(f"{number}", Said(f"{number}", True, job))
        found = sum(cache.get(f"{number}") is not None for number in range(40))
        cache.close()
        return found

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(8))) == [40] * 8


def test_votes() -> None:
    assert decide_by_votes([(1,), None, (1,), (0,)], ["exact"] * 4, 3, joint=False).options == (1,)
    assert decide_by_votes([(2,), (0,)], ["exact"] * 2, 3, joint=False).options == (0,)
    assert decide_by_votes([None, None], ["unparsed"] * 2, 3, joint=False).options is None
    joint = decide_by_votes([(0, 1), (1,), (1, 2), ()], ["mention"] * 4, 3, joint=True)
    assert joint.options == (1,)
    assert joint.probabilities == pytest.approx((0.25, 0.75, 0.25))
    # Two samples for each answer: the one with the higher mean probability wins.
    scores = [np.log([0.6, 0.4]), np.log([0.1, 0.9])]
    assert decide_by_scores(scores).options == (1,)
    assert decide_by_scores(scores).probabilities == (0.5, 0.5)


def test_a_fit_moves_the_threshold() -> None:
    generator = np.random.default_rng(0)
    gold = generator.integers(0, 2, 200)
    # The model always prefers answer 0, by less where the answer is 1.
    scores = np.column_stack([np.zeros(200), -5.0 + 2 * gold + generator.normal(0, 0.3, 200)])
    fit = fit_scores(scores, gold)
    fitted = fit.probabilities(scores)
    assert (fitted.argmax(1) == gold).mean() > 0.98
    assert np.allclose(fitted.sum(1), 1)
    assert fit.classes == (0, 1) and len(fit.weights) == 1
    with pytest.raises(DataError, match="all validation rows have the same label"):
        fit_scores(scores, np.zeros(200, dtype=int))


@pytest.mark.parametrize("known", [(0, 1), (0, 1, 2), (0, 2, 3)])
def test_a_fit_is_scikit_learns_logistic_regression(known: tuple[int, ...]) -> None:
    generator = np.random.default_rng(1)
    gold = np.array(known)[generator.integers(0, len(known), 120)]
    scores = generator.normal(-3, 1, (120, 4)) + 2 * np.eye(4)[gold]
    held = generator.normal(-3, 2, (30, 4))
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(scores, gold)
    found = fit_scores(scores, gold).probabilities(held)
    assert np.allclose(found[:, list(known)], model.predict_proba(held))
    assert (found[:, [number for number in range(4) if number not in known]] == 0).all()
