"""Judging the explanations of a finished run: its files, its numbers, going on after a kill."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from generation_support import ScriptedBackend

from mhclf.config.generation import GenerationConfig
from mhclf.config.judge import JudgeRunConfig, JudgeSettings
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, RunError
from mhclf.generation.judged_run import judge_run
from mhclf.generation.requests import Choose, Request
from mhclf.generation.run import run_prompts
from mhclf.results.judgements import JudgedRun, judgement_table, read_judgements

PARSED = JudgeSettings(by="parse")


def prompted(dataset: str, out: Path, explanation: Callable[[int], str]) -> Path:
    """Return a run whose k-th row has an explanation of its own; every post is decided for the first label."""
    texts = load_table(dataset).part("test").texts

    def reply(request: Request) -> str | Sequence[float]:
        if isinstance(request, Choose):
            return [0.0, *[-9.0] * (len(request.choices) - 1)]
        row = next(k for k, text in enumerate(texts) if f'"{text}"' in request.turns[0].text)
        return explanation(row)

    config = GenerationConfig(data=dataset, out=str(out), explain=True, post_tokens=10_000)
    return run_prompts(config, backend=ScriptedBackend(reply)).folder


def records(judged: JudgedRun, source: str = "generated") -> dict[tuple[str, str], float | None]:
    return {(one.criterion, one.metric): one.value for one in judged.records if one.source == source}


def by_criterion(request: Request) -> str:
    """Answer by the criterion; nothing that can be read on reliability of every explanation 'why 1'."""
    text = request.turns[1].text
    criterion = text.split("Criterion: ")[1].split(".")[0]
    if criterion == "reliability" and '"why 1"' in text:
        return "I would rather not say."
    return f'{{"score": {["consistency", "reliability", "professionality", "overall"].index(criterion)}}}'


def test_scores_and_shares_without_text(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = prompted(str(tiny_dataset), tmp_path, lambda row: "" if row == 0 else f"why {row % 2}")
    rows = len(load_table(str(tiny_dataset)).part("test"))
    backend = ScriptedBackend(by_criterion)
    before = {path.name for path in folder.iterdir()}
    judged = judge_run(JudgeRunConfig(judge=PARSED, run=str(folder)), backend=backend)
    assert judged.unexplained == 1
    found = records(judged)
    assert found["consistency", "score"] == 0.0 and found["overall", "score"] == 3.0
    # Half of the rows are odd: unread is a share of its own, never a score of 0.
    assert found["reliability", "score"] == 1.0
    assert found["reliability", "unread"] == pytest.approx((rows // 2) / (rows - 1))
    assert found["overall", "unread"] == 0.0
    counts = {(one.criterion, one.metric): one.n for one in judged.records}
    assert counts["reliability", "score"] == rows - 1 - rows // 2 and counts["reliability", "unread"] == rows - 1
    assert {one.lowest for one in judged.records} == {0} and {one.highest for one in judged.records} == {3}

    new = {path.name for path in folder.iterdir()} - before
    assert new == {"judges", "judgements.jsonl"}
    assert judged.name.startswith("single-parse-script-")
    frame = pd.read_parquet(folder / "judges" / f"{judged.name}.parquet")
    assert frame.columns.tolist() == ["id", "label", "source", "criterion", "score", "answers", "parsers"]
    assert len(frame) == 4 * (rows - 1)
    assert frame.query("criterion == 'reliability'")["score"].isna().sum() == rows // 2
    text_free = (folder / "judgements.jsonl").read_text(encoding="utf-8") + frame.to_json()
    assert "why" not in text_free and "rather not" not in text_free
    said = (folder / "judges" / f"{judged.name}.jsonl").read_text(encoding="utf-8").splitlines()
    unread = [json.loads(line) for line in said if "rather not" in line]
    assert len(unread) == rows // 2
    assert unread[0]["score"] is None and unread[0]["readings"] == [{"value": None, "parser": "unread"}]

    shown = judgement_table(judged)
    assert shown.title == "Judged by script, single (parse), rubric mentallama"
    assert [column.name for column in shown.columns] == ["judged", "criterion", "n", "score", "unread"]
    assert shown.rows[0] == ("generated", "consistency", rows - 1, "0.00 [0.00, 0.00]", "0.00")
    assert shown.notes[-1] == "1 rows have no explanation and were not judged"


def test_judges_stand_side_by_side_and_are_asked_once(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = prompted(str(tiny_dataset), tmp_path, lambda row: f"why {row}")
    config = JudgeRunConfig(judge=PARSED, run=str(folder), limit=3)
    first = judge_run(config, backend=ScriptedBackend(lambda request: "2"))
    dual = replace(config, judge=replace(PARSED, mechanism="dual"))

    def reply(request: Request) -> str:
        return "1" if '"why 1"' in request.turns[1].text else "2"

    backend = ScriptedBackend(reply)
    second = judge_run(dual, backend=backend)
    # The first judge's answers are those of the single one.
    assert len(backend.asked) == 3 * 4
    found = records(second)
    assert found["overall", "corrected"] == pytest.approx(1 / 3)
    assert found["overall", "change"] == pytest.approx(-1 / 3)
    assert found["overall", "unread_answers"] == 0.0
    assert {one.judge for one in read_judgements(folder)} == {first.name, second.name}
    again = judge_run(dual, backend=ScriptedBackend(lambda request: pytest.fail("asked again")))
    assert again == second
    assert len(read_judgements(folder)) == len(first.records) + len(second.records)


def test_a_killed_job_goes_on(tiny_dataset: Path, tmp_path: Path) -> None:
    folder = prompted(str(tiny_dataset), tmp_path, lambda row: f"why {row}")
    config = JudgeRunConfig(judge=PARSED, run=str(folder), limit=3)
    with pytest.raises(KeyboardInterrupt):
        judge_run(config, backend=ScriptedBackend(by_criterion, stop_after=7))
    assert not (folder / "judgements.jsonl").exists()
    backend = ScriptedBackend(by_criterion)
    judge_run(config, backend=backend)
    assert len(backend.asked) == 12 - 7


def test_references_and_first_sentences_are_judged_beside(tmp_path: Path) -> None:
    table = load_table("demo").part("test")
    references = table.frame["explanation"].astype(str).tolist()
    folder = prompted("demo", tmp_path, lambda row: f"why {row}")
    backend = ScriptedBackend(
        lambda request: "3" if any(f'"{one}"' in request.turns[1].text for one in references) else "1"
    )
    config = JudgeRunConfig(
        judge=PARSED, run=str(folder), limit=4, sources=("generated", "reference", "first_sentence")
    )
    judged = judge_run(config, backend=backend)
    assert records(judged)["overall", "score"] == 1.0
    assert records(judged, "reference")["overall", "score"] == 3.0
    assert records(judged, "first_sentence")["overall", "score"] == 1.0
    texts = [request.turns[1].text for request in backend.asked]
    gold = table.gold_names()[:4]
    spoken = [table.config.prompt.label_words.get(name, name) for name in gold]
    decided = table.config.prompt.label_words.get(table.labels[0], table.labels[0])
    for reference, right in zip(references, spoken, strict=False):
        assert all(f"Decision: {right}\n" in text for text in texts if f'"{reference}"' in text)
    assert all(f"Decision: {decided}\n" in text for text in texts if '"why ' in text)


def test_yes_or_no_questions_name_their_label(tiny_multilabel: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        return (0.0, -9.0) if isinstance(request, Choose) else "because"

    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), explain=True)
    folder = run_prompts(config, backend=ScriptedBackend(reply)).folder
    backend = ScriptedBackend(lambda request: "2")
    judged = judge_run(JudgeRunConfig(judge=PARSED, run=str(folder)), backend=backend)
    decisions = {request.turns[1].text.split("Decision: ")[1].split("\n")[0] for request in backend.asked}
    assert decisions == {"body: yes", "work: yes", "people: yes"}
    frame = pd.read_parquet(folder / "judges" / f"{judged.name}.parquet")
    assert set(frame["label"]) == {"body", "work", "people"}


def test_what_cannot_be_judged_says_so(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path))
    plain = run_prompts(config, backend=ScriptedBackend(lambda request: (-1.0, -2.0, -3.0))).folder
    with pytest.raises(ConfigError, match="was not asked to explain"):
        judge_run(JudgeRunConfig(run=str(plain)), backend=ScriptedBackend(by_criterion))
    with pytest.raises(RunError, match=r"holds no generations\.jsonl"):
        judge_run(JudgeRunConfig(run=str(tmp_path / "none")), backend=ScriptedBackend(by_criterion))
    folder = prompted(str(tiny_dataset), tmp_path, lambda row: "why")
    with pytest.raises(ConfigError, match="sources: tiny has no reference explanation"):
        judge_run(JudgeRunConfig(run=str(folder), sources=("reference",)), backend=ScriptedBackend(by_criterion))
    (folder / "judgements.jsonl").write_text("{}\n", encoding="utf-8")
    with pytest.raises(RunError, match=r"judgements\.jsonl, line 1: is damaged"):
        read_judgements(folder)
    lines = (folder / "generations.jsonl").read_text(encoding="utf-8")
    (folder / "generations.jsonl").write_text(lines + '{"id"\n', encoding="utf-8")
    with pytest.raises(RunError, match=r"generations\.jsonl, line \d+: is no JSON"):
        judge_run(JudgeRunConfig(run=str(folder)), backend=ScriptedBackend(by_criterion))
