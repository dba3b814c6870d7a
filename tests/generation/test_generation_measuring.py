"""Explanations of a prompting run, measured beside a copied sentence and a common explanation."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generation_support import ScriptedBackend

from mhclf.config.generation import GenerationConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, RunError
from mhclf.generation.added_measures import read_attributed
from mhclf.generation.measured_run import Measured, measure_run, read_table_of
from mhclf.generation.measuring import cited_words, common_explanations, first_sentence
from mhclf.generation.requests import Choose, Request
from mhclf.generation.run import run_prompts
from mhclf.generation.tables import explanation_table
from mhclf.results.explained import COMMON, FIRST_SENTENCE, GENERATED, difference_name


@pytest.fixture(scope="module")
def explained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a run on the demo corpus that answers by gold and explains by the reference, or by a quote."""
    table = load_table("demo").part("test")
    by_text = dict(zip(table.texts, range(len(table)), strict=True))

    def reply(request: Request) -> str | Sequence[float]:
        text = request.turns[0].text.split('Post: "')[-1].split('"\nWhich')[0]
        row = by_text[text]
        if isinstance(request, Choose):
            return np.where(np.arange(4) == table.targets[row], -0.1, -3.0).tolist()
        if row % 2:
            return str(table.frame["explanation"].iloc[row])
        return f'The post says "{" ".join(text.split()[:5])}" and "zebras never sleep".'

    config = GenerationConfig(data="demo", out=str(tmp_path_factory.mktemp("asked")), explain=True, post_tokens=10_000)
    return run_prompts(config, backend=ScriptedBackend(reply)).folder


def value(measured: Measured, metric: str, source: str = GENERATED) -> float:
    (found,) = (one.value for one in measured.measures if (one.source, one.metric) == (source, metric))
    assert found is not None
    return found


def test_explanations_are_measured_beside_two_baselines(explained: Path) -> None:
    measured = measure_run(explained, encoder="")
    table = load_table("demo").part("test")
    odd = np.arange(len(table)) % 2 == 1
    # Half of the explanations are the references themselves.
    assert value(measured, "rougeL") > odd.mean()
    assert value(measured, "rougeL") > value(measured, "rougeL", FIRST_SENTENCE) > 0
    assert value(measured, "rougeL", COMMON) > 0
    # One of two quotes in the others stands in the post.
    quoting = [one for one in measured.measures if (one.source, one.metric) == (GENERATED, "invented_quote_share")]
    assert quoting[0].n >= (~odd).sum()
    assert value(measured, "grounded_share", FIRST_SENTENCE) == 1.0
    assert value(measured, "cited_token_f1", FIRST_SENTENCE) > 0
    assert value(measured, "no_explanation") == 0.0
    assert 0 < value(measured, "consistency") <= 1
    lines = (explained / "explanations.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == len(measured.measures)
    shown = explanation_table(measured)
    differences = [difference_name(GENERATED, FIRST_SENTENCE), difference_name(GENERATED, COMMON)]
    assert [column.name for column in shown.columns] == [
        "metric", GENERATED, FIRST_SENTENCE, COMMON, *differences, "n",
    ]  # fmt: skip
    # Paired: the mean of the differences, over the posts that have both.
    for metric in ("rougeL", "consistency", "grounded_share"):
        expected = value(measured, metric) - value(measured, metric, FIRST_SENTENCE)
        assert value(measured, metric, differences[0]) == pytest.approx(expected, abs=1e-12)
    assert not [one for one in measured.measures if (one.source, one.metric) == (differences[0], "words")]
    assert "References: written by a machine (silver)." in shown.notes
    assert any(note.startswith("Consistency: share of explanations") for note in shown.notes)


def test_what_a_classifier_looked_at_is_compared(explained: Path, tmp_path: Path) -> None:
    from mhclf.data.spans import words

    table = load_table("demo").part("test")
    rows = [
        {"id": str(identifier), "target": "x", "method": "integrated_gradients", "scores": scores}
        for identifier, text in zip(table.frame["id"], table.texts, strict=True)
        for scores in [[1.0 if place < 5 else 0.0 for place in range(len(words(text)))]]
    ]
    pd.DataFrame(rows).to_parquet(tmp_path / "attributions.parquet")
    measured = measure_run(explained, encoder="", attributions=read_attributed(tmp_path))
    assert value(measured, "classifier_cited_auprc") > value(measured, "classifier_cited_share")
    with pytest.raises(ConfigError, match=r"holds no attributions\.parquet"):
        read_attributed(tmp_path / "none")
    pd.DataFrame(rows * 2).to_parquet(tmp_path / "attributions.parquet")
    with pytest.raises(ConfigError, match="explains several labels a post"):
        read_attributed(tmp_path)


def test_three_signs_in_a_row_are_no_citation_in_chinese() -> None:
    post = "我最近总是睡不着觉，也不想见人。"
    chance, quoted, long = cited_words(["这说明他最近总在抱怨", "他说“睡不着”", "他总是睡不着觉。"], [post] * 3)
    assert not chance.any()
    assert (quoted.sum(), long.sum()) == (3, 6)
    # One sign among English words changes nothing.
    (cited,) = cited_words(["it hurts so much"], ["my knee hurts so much ツ"])
    assert cited.tolist() == [False, False, True, True, True, False]


def test_a_first_sentence_and_a_common_explanation() -> None:
    assert first_sentence("It hurts. Since May.") == "It hurts."
    assert first_sentence("no end") == "no end"
    assert first_sentence("我很累。明天再说") == "我很累。"
    texts = ["the knee hurts", "the knee hurts today", "a lark sings", "", "work work"]
    targets = np.array([0, 0, 0, 0, 1])
    assert common_explanations(texts, targets, 3) == ["the knee hurts", "work work", ""]


def test_train_explanations_of_scored_posts_are_left_out(tmp_path: Path) -> None:
    rows = {"train": [("a b c", "x"), ("d e f", "y"), ("g h i", "x")], "validation": [("k l", "x")],
            "test": [("A b c!", "x"), ("n o p", "y")]}  # fmt: skip
    for split, own in rows.items():
        lines = [json.dumps({"text": text, "label": label, "why": f"because {text}"}) for text, label in own]
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = ", ".join(f"{split}: {split}.jsonl" for split in rows)
    yaml = tmp_path / "shared.yaml"
    yaml.write_text(
        f"name: shared\ntask: multiclass\nlabels: [x, y]\nsource: {{files: {{{files}}}}}\n"
        "columns: {text: text, label: label, explanation: why}\n", encoding="utf-8",
    )  # fmt: skip
    backend = ScriptedBackend(lambda request: (-1.0, -2.0) if isinstance(request, Choose) else "because")
    outcome = run_prompts(GenerationConfig(data=str(yaml), out=str(tmp_path / "runs"), explain=True), backend=backend)
    table = read_table_of(outcome.folder, None)[1]
    assert table.part("train").texts == ["d e f", "g h i"]


def test_a_missing_explanation_lowers_every_likeness_to_references(
    tmp_path: Path, encoder_folder: Callable[[str], Path]
) -> None:
    """References in train and test only, so that no label reader can be checked."""
    rows = {"train": [("d e f", "y"), ("g h i", "x")], "validation": [("k l", "x")],
            "test": [("a b c", "x"), ("n o p", "y")]}  # fmt: skip
    for split, own in rows.items():
        told = "" if split == "validation" else "because"
        lines = [json.dumps({"text": text, "label": label, "why": f"{told} {text}" if told else ""})
                 for text, label in own]  # fmt: skip
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    files = ", ".join(f"{split}: {split}.jsonl" for split in rows)
    yaml = tmp_path / "half.yaml"
    yaml.write_text(
        f"name: half\ntask: multiclass\nlabels: [x, y]\nsource: {{files: {{{files}}}}}\n"
        "columns: {text: text, label: label, explanation: why}\n", encoding="utf-8",
    )  # fmt: skip

    def reply(request: Request) -> str | Sequence[float]:
        if isinstance(request, Choose):
            return (-1.0, -2.0)
        return "because a b c" if "a b c" in request.turns[0].text else ""

    config = GenerationConfig(data=str(yaml), out=str(tmp_path / "runs"), explain=True)
    outcome = run_prompts(config, backend=ScriptedBackend(reply))
    measured = measure_run(outcome.folder, encoder=str(encoder_folder("bert")))
    assert value(measured, "no_explanation") == 0.5
    assert value(measured, "rougeL") == 0.5
    assert value(measured, "bertscore_f1") == pytest.approx(0.5, abs=1e-5)
    assert not any(one.metric == "consistency" for one in measured.measures)
    assert any(note.startswith("Consistency: not measured") for note in measured.notes)


def test_a_run_without_explanations_says_so(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path))
    plain = run_prompts(config, backend=ScriptedBackend(lambda request: (-1.0, -2.0, -3.0)))
    with pytest.raises(ConfigError, match="was not asked to explain"):
        measure_run(plain.folder, encoder="")
    with pytest.raises(RunError, match=r"holds no generations\.jsonl"):
        measure_run(tmp_path, encoder="")


def test_a_yes_without_reasons_is_a_missing_explanation(tiny_multilabel: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        asked = request.turns[0].text
        if isinstance(request, Choose):
            return (-3.0, -0.1) if "show work?" in asked else (-0.1, -3.0)
        return "because" if "show body?" in asked else ""

    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), explain=True)
    outcome = run_prompts(config, backend=ScriptedBackend(reply))
    assert value(measure_run(outcome.folder, encoder=""), "no_explanation") == 0.5


def test_several_labels_are_explained_where_they_hold(tiny_multilabel: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        if isinstance(request, Choose):
            return (-0.1, -3.0) if "show body?" in request.turns[0].text else (-3.0, -0.1)
        return "because"

    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), explain=True)
    outcome = run_prompts(replace(config, seed=2), backend=ScriptedBackend(reply))
    said = [json.loads(line) for line in (outcome.folder / "generations.jsonl").read_text().splitlines()]
    measured = measure_run(outcome.folder, encoder="")
    assert value(measured, "words") == 1.0
    sources = {GENERATED, FIRST_SENTENCE, difference_name(GENERATED, FIRST_SENTENCE)}
    assert {one.source for one in measured.measures} == sources
    assert {item["label"] for item in said if item["explanation"]} == {"body"}
    assert len(said) == 3 * sum(item["label"] == "body" for item in said)
