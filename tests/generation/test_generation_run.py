"""Prompting runs from a data set to the files of the run folder."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from generation_support import ScriptedBackend, build_decoder_folder

from mhclf.config.generation import EndpointConfig, GenerationConfig, LabelsConfig, LocalConfig
from mhclf.config.model import ModelConfig
from mhclf.config.run import RunConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError
from mhclf.evaluation import NO_ANSWER
from mhclf.generation.requests import Choose, Request
from mhclf.generation.run import run_prompts
from mhclf.generation.tables import answer_table
from mhclf.results.records import ResultRecord
from mhclf.training.run import run as train
from mhclf.training.saved import read_predictions

LABELS = ("body", "work", "people")
CLUES = {
    "body": ("knee", "headache", "pills", "fever", "pain", "stomach", "ankle", "cough"),
    "work": ("exam", "boss", "job", "essay", "office", "hours", "software", "thesis"),
}


def truth(text: str) -> int:
    """Return the right label of a sentence of the tiny set, by a word of it."""
    said = text.split('Post: "')[-1].split('"')[0]
    for number, label in enumerate(("body", "work")):
        if any(clue in said for clue in CLUES[label]):
            return number
    return 2


def value(records: Sequence[ResultRecord], metric: str) -> float:
    (found,) = (record.value for record in records if record.metric == metric)
    assert found is not None
    return found


def test_a_scored_run_writes_its_folder(tiny_dataset: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> Sequence[float]:
        assert isinstance(request, Choose)
        return np.log(np.where(np.arange(3) == truth(request.turns[0].text), 0.8, 0.1)).tolist()

    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path))
    outcome = run_prompts(config, backend=ScriptedBackend(reply))
    assert outcome.folder.parent == tmp_path / "tiny"
    assert outcome.folder.name.startswith("zero_shot-script-seed1-")
    assert {path.name for path in outcome.folder.iterdir()} == {
        ".lock", "config.yaml", "environment.json", "data_manifest.json", "status.json", "predictions.parquet",
        "generations.jsonl", "results.jsonl",
    }  # fmt: skip
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    assert (frame["gold"] == frame["prediction"]).all()
    assert frame["probability/body"].max() == pytest.approx(0.8)
    assert not frame["unparsed"].any()
    assert value(outcome.records, "accuracy") == 1.0
    assert value(outcome.records, "unparsed") == 0.0
    assert value(outcome.records, "nll") == pytest.approx(-np.log(0.8))
    assert {record.method for record in outcome.records} == {"zero_shot"}
    test = load_table(str(tiny_dataset)).part("test")
    for path in outcome.folder.iterdir():
        if path.suffix in {".json", ".jsonl", ".yaml"}:
            content = path.read_text(encoding="utf-8")
            assert not any(text in content for text in test.texts)
    again = run_prompts(config, backend=ScriptedBackend(lambda request: pytest.fail("asked again")))
    assert again.was_complete
    assert again.records == outcome.records


def test_an_unread_answer_counts_as_wrong_and_has_its_own_number(tiny_dataset: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str:
        number = truth(request.turns[0].text)
        return "I cannot say." if number == 1 else LABELS[number]

    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path), labels=LabelsConfig(by="parse"))
    outcome = run_prompts(config, backend=ScriptedBackend(reply))
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    unread = frame["gold"] == "work"
    assert unread.any()
    assert frame["prediction"].isna().tolist() == unread.tolist()
    assert frame["unparsed"].tolist() == unread.tolist()
    assert value(outcome.records, "unparsed") == pytest.approx(unread.mean())
    assert value(outcome.records, "accuracy") == pytest.approx(1 - unread.mean())
    assert value(outcome.records, "recall/work") == 0.0
    assert value(outcome.records, "precision/body") == 1.0
    assert value(outcome.records, "balanced_accuracy") == pytest.approx(2 / 3)
    assert {record.method for record in outcome.records} == {"zero_shot (parsed)"}
    # Read back, an answer that was not read is still wrong, however the file stores what is missing.
    saved = read_predictions(outcome.folder)
    assert (saved.prediction == NO_ANSWER).tolist() == unread.tolist()
    assert (saved.prediction == saved.gold).mean() == pytest.approx(value(outcome.records, "accuracy"))
    assert not any(record.metric in {"auroc", "nll"} for record in outcome.records)


def test_several_labels_by_a_question_each_and_by_one(tiny_multilabel: Path, tmp_path: Path) -> None:
    def scored(request: Request) -> Sequence[float]:
        text = request.turns[0].text
        asked = next(number for number, name in enumerate(LABELS) if f"show {name}?" in text)
        return (-0.1, -3.0) if asked == truth(text) else (-3.0, -0.1)

    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path))
    outcome = run_prompts(config, backend=ScriptedBackend(scored))
    table = load_table(str(tiny_multilabel)).part("test")
    right = table.targets[np.arange(len(table)), [truth(f'Post: "{text}"') for text in table.texts]]
    assert right.all()
    assert value(outcome.records, "recall/body") == 1.0
    assert value(outcome.records, "precision/people") == 1.0

    def parsed(request: Request) -> str:
        number = truth(request.turns[0].text)
        return "hm" if number == 0 else f"{LABELS[number]}, people"

    config = replace(config, labels=LabelsConfig(by="parse"))
    outcome = run_prompts(config, backend=ScriptedBackend(parsed))
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    unread = np.array([truth(f'Post: "{text}"') == 0 for text in table.texts])
    assert frame["unparsed"].tolist() == unread.tolist()
    assert value(outcome.records, "unparsed") == pytest.approx(unread.mean())
    # What was not read is wrong for every label: hamming accuracy counts it as nothing right.
    gold = table.targets[~unread]
    said = np.array([[0, 1, 1] if truth(f'Post: "{text}"') == 1 else [0, 0, 1] for text in table.texts])[~unread]
    assert value(outcome.records, "hamming_accuracy") == pytest.approx((gold == said).sum() / table.targets.size)
    saved = read_predictions(outcome.folder)
    assert (saved.prediction == saved.gold).mean() == pytest.approx(value(outcome.records, "hamming_accuracy"))


def test_a_fit_on_validation_mends_a_biased_model(
    tiny_dataset: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def reply(request: Request) -> Sequence[float]:
        scores = np.array([-1.0, -4.0, -4.0])
        scores[truth(request.turns[0].text)] += 1.0
        return scores.tolist()

    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path))
    plain = run_prompts(config, backend=ScriptedBackend(reply))
    fitted = run_prompts(replace(config, labels=LabelsConfig(fit="validation")), backend=ScriptedBackend(reply))
    assert value(plain.records, "accuracy") < 0.5
    # Validation has posts of two labels only; a label that it lacks is never answered, and that is said.
    table = load_table(str(tiny_dataset))
    known = np.isin(table.part("test").targets, table.part("validation").targets)
    assert 0 < known.mean() < 1
    assert value(fitted.records, "accuracy") == pytest.approx(known.mean())
    assert "labels: fit: no validation row has the label 'work'; it is never answered." in caplog.text
    manifest = json.loads((fitted.folder / "data_manifest.json").read_text(encoding="utf-8"))
    assert list(manifest["fitted"]) == ["Which label fits the post?"]
    with pytest.raises(ConfigError, match="cannot be fitted on and scored"):
        run_prompts(replace(config, labels=LabelsConfig(fit="validation"), split="validation"))


def test_an_explanation_is_of_the_label_after_the_fit(tiny_dataset: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        if not isinstance(request, Choose):
            return f"because {request.turns[-2].text}"
        scores = np.array([-1.0, -4.0, -4.0])
        scores[truth(request.turns[0].text)] += 1.0
        return scores.tolist()

    config = GenerationConfig(
        data=str(tiny_dataset), out=str(tmp_path), explain=True, labels=LabelsConfig(fit="validation")
    )
    backend = ScriptedBackend(reply)
    outcome = run_prompts(config, backend=backend)
    said = [json.loads(line) for line in (outcome.folder / "generations.jsonl").read_text().splitlines()]
    assert len({item["answer"][0] for item in said}) > 1
    assert [item["explanation"] for item in said] == [f"because {item['answer'][0]}" for item in said]
    # Validation rows are not explained.
    assert sum(not isinstance(request, Choose) for request in backend.asked) == len(said)


def test_a_label_that_validation_never_has_is_left_unfitted(
    tiny_multilabel: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), labels=LabelsConfig(fit="validation"))
    outcome = run_prompts(config, backend=ScriptedBackend(lambda request: (-3.0, -0.1)))
    held = load_table(str(tiny_multilabel)).part("validation").targets
    rare = [name for name, column in zip(LABELS, held.T, strict=True) if len(set(column.tolist())) == 1]
    assert rare
    for name in rare:
        assert f"validation has the label '{name}' in all rows or in none; its answers are left" in caplog.text
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    assert not any(rare[0] in list(names) for names in frame["prediction"])


def test_fit_without_validation_rows_says_so_before_anything_is_asked(tiny_dataset: Path, tmp_path: Path) -> None:
    own = tmp_path / "only.yaml"
    content = tiny_dataset.read_text(encoding="utf-8").replace("name: tiny\n", "name: only\n")
    rows = (tiny_dataset.parent / "tiny.jsonl").as_posix()
    start = content.index("source:")
    own.write_text(
        content[:start] + f"source: {{files: {{test: {rows}}}}}\n" + content[content.index("columns:") :].partition(
            "splits:")[0], encoding="utf-8",
    )  # fmt: skip
    config = GenerationConfig(data=str(own), out=str(tmp_path / "runs"), labels=LabelsConfig(fit="validation"))
    with pytest.raises(ConfigError, match="labels: fit: only has no validation row"):
        run_prompts(config, backend=ScriptedBackend(lambda request: pytest.fail("asked")))
    plain = replace(config, labels=LabelsConfig())
    assert run_prompts(plain, backend=ScriptedBackend(lambda request: (-1.0, -2.0, -3.0))).records[0].n > 0


def test_an_unread_joint_answer_is_held_back_first(tiny_multilabel: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), labels=LabelsConfig(by="parse"))
    outcome = run_prompts(config, backend=ScriptedBackend(lambda request: "hm"))
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    assert frame["unparsed"].all()
    assert (frame["abstention"] == 1).all()


def test_parsed_answers_have_no_ranking_metrics(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path), labels=LabelsConfig(by="parse"))
    outcome = run_prompts(config, backend=ScriptedBackend(lambda request: LABELS[truth(request.turns[0].text)]))
    assert value(outcome.records, "unparsed") == 0.0
    assert not any(record.metric in {"auroc", "nll", "ece"} for record in outcome.records)


def test_the_folder_follows_contents_not_paths(tiny_dataset: Path, tmp_path: Path) -> None:
    def ask(config: GenerationConfig) -> Path:
        return run_prompts(config, backend=ScriptedBackend(lambda request: (-1.0, -2.0, -3.0))).folder

    mine = tmp_path / "mine.yaml"
    mine.write_text("title: x\nsteps: [{name: label, ask: {en: '{{ post }} {{ question }}'}}]\n", encoding="utf-8")
    moved = tmp_path / "elsewhere" / "mine.yaml"
    moved.parent.mkdir()
    moved.write_bytes(mine.read_bytes())
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path / "runs"), strategy=str(mine))
    first = ask(config)
    assert first == ask(replace(config, strategy=str(moved)))
    assert (
        "mine" in (first / "results.jsonl").read_text() and str(tmp_path) not in (first / "results.jsonl").read_text()
    )
    # Other words of the strategy, or of the data set's question, are another run.
    mine.write_text(mine.read_text().replace("{{ post }} {{", "{{ post }}! {{"), encoding="utf-8")
    assert ask(config) != first
    reworded = tmp_path / "tiny.yaml"
    content = tiny_dataset.read_text(encoding="utf-8")
    content = content.replace("tiny.jsonl", str(tiny_dataset.parent / "tiny.jsonl"))
    reworded.write_text(content, encoding="utf-8")
    assert ask(replace(config, strategy=str(moved), data=str(reworded))) == first
    reworded.write_text(content + 'prompt: {question: "Which topic?"}\n', encoding="utf-8")
    assert ask(replace(config, strategy=str(moved), data=str(reworded))) != first


def test_the_published_rule_speaks_of_the_files_values(tiny_dataset: Path, tmp_path: Path) -> None:
    own = tmp_path / "renamed.yaml"
    content = tiny_dataset.read_text(encoding="utf-8").replace("name: tiny\n", "name: renamed\n")
    content = content.replace("tiny.jsonl", str(tiny_dataset.parent / "tiny.jsonl"))
    start, end = content.index("labels:"), content.index("source:")
    labels = 'labels: [{raw: "body", name: "the body"}, {raw: "work", name: "the job"}, "people"]\n'
    rule = 'published_labels: [["work", "work"], ["people", "people"]]\n'
    own.write_text(content[:start] + labels + content[end:] + rule, encoding="utf-8")
    config = GenerationConfig(
        data=str(own), out=str(tmp_path), labels=LabelsConfig(by="parse"), protocol="mentallama-2024"
    )
    outcome = run_prompts(config, backend=ScriptedBackend(lambda request: "homework"))
    assert set(pd.read_parquet(outcome.folder / "predictions.parquet")["prediction"]) == {"the job"}


def test_answers_without_a_post_show_the_bias(tiny_dataset: Path, tiny_multilabel: Path, tmp_path: Path) -> None:
    backend = ScriptedBackend(lambda request: np.log([0.2, 0.7, 0.1]).tolist())
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path), strategy="prior_only")
    frame = pd.read_parquet(run_prompts(config, backend=backend).folder / "predictions.parquet")
    # One question, asked once for all posts.
    assert len(backend.asked) == 1
    gold = [f"{(frame['gold'] == name).mean():.3f}" for name in LABELS]
    assert answer_table(frame).rows == (
        ("body", gold[0], "0.000", "0.200"),
        ("work", gold[1], "1.000", "0.700"),
        ("people", gold[2], "0.000", "0.100"),
    )
    several = ScriptedBackend(lambda request: (-0.1, -3.0) if "body" in request.turns[0].text else (-3.0, -0.1))
    outcome = run_prompts(replace(config, data=str(tiny_multilabel)), backend=several)
    table = answer_table(pd.read_parquet(outcome.folder / "predictions.parquet"))
    assert [row[2] for row in table.rows] == ["1.000", "0.000", "0.000"]


def test_posts_are_cut_and_counted(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path), post_tokens=7)
    backend = ScriptedBackend(lambda request: (-1.0, -1.0, -1.0))
    outcome = run_prompts(config, backend=backend)
    texts = load_table(str(tiny_dataset)).part("test").texts
    manifest = json.loads((outcome.folder / "data_manifest.json").read_text(encoding="utf-8"))
    assert manifest["posts_cut"] == sum(len(text.split()) > 7 for text in texts)
    shown = [request.turns[0].text.split('"')[1] for request in backend.asked]
    assert max(len(text.split()) for text in shown) == 7


def test_the_published_protocol_reads_substrings(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(
        data=str(tiny_dataset), out=str(tmp_path), labels=LabelsConfig(by="parse"), protocol="mentallama-2024"
    )
    with pytest.raises(ConfigError, match="has no 'published_labels'"):
        run_prompts(config, backend=ScriptedBackend(lambda request: "x"))
    own = tmp_path / "published.yaml"
    content = tiny_dataset.read_text(encoding="utf-8").replace("name: tiny\n", "name: published\n")
    rule = 'published_labels: [["work", "work"], ["people", "people"]]\n'
    own.write_text(content.replace("tiny.jsonl", str(tiny_dataset.parent / "tiny.jsonl")) + rule, encoding="utf-8")
    backend = ScriptedBackend(lambda request: "homework" if truth(request.turns[0].text) == 1 else "no idea")
    outcome = run_prompts(replace(config, data=str(own)), backend=backend)
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    assert (frame.loc[frame["gold"] == "work", "prediction"] == "work").all()
    # What names no label becomes class 0, as in the published code.
    assert (frame.loc[frame["gold"] != "work", "prediction"] == "body").all()
    # It counts them all the same, and does not say so in its score.
    assert value(outcome.records, "unparsed") == pytest.approx((frame["gold"] != "work").mean())
    answers = 'published_answers: [["home", "people"], ["", "people"]]\n'
    own.write_text(own.read_text(encoding="utf-8") + answers, encoding="utf-8")
    frame = pd.read_parquet(run_prompts(replace(config, data=str(own)), backend=backend).folder / "predictions.parquet")
    assert set(frame["prediction"]) == {"people"}


def test_an_unread_answer_of_a_prompted_run_stays_unread(
    tiny_dataset: Path, tiny_multilabel: Path, tmp_path: Path
) -> None:
    for data in (tiny_dataset, tiny_multilabel):
        first = GenerationConfig(
            data=str(data), out=str(tmp_path / "first"), labels=LabelsConfig(by="parse", questions="per_label")
        )
        read = run_prompts(
            first, backend=ScriptedBackend(lambda r: "yes, body" if "knee" in r.turns[0].text else "I cannot say.")
        )
        labels = LabelsConfig(by="run", run=str(read.folder), questions="per_label")
        config = GenerationConfig(data=str(data), out=str(tmp_path / "second"), labels=labels, explain=True)
        backend = ScriptedBackend(lambda request: "because of the knee")
        outcome = run_prompts(config, backend=backend)
        assert value(outcome.records, "unparsed") == value(read.records, "unparsed") > 0
        # Nothing is explained that was not decided.
        assert all("knee" in request.turns[0].text for request in backend.asked)
        lines = [json.loads(line) for line in (outcome.folder / "generations.jsonl").read_text().splitlines()]
        assert all((line["answer"] is None) == (line["explanation"] == "") for line in lines)


def test_the_label_of_a_classifier_is_explained(tiny_dataset: Path, tiny_multilabel: Path, tmp_path: Path) -> None:
    def explain(request: Request) -> str:
        return f"because {request.turns[-2].text}"

    for data, right in ((tiny_dataset, "accuracy"), (tiny_multilabel, "subset_accuracy")):
        trained = train(RunConfig(data=str(data), method="tfidf_lr", model=ModelConfig(kind="tfidf_lr"),
                                  out=str(tmp_path / "runs"), report=False))  # fmt: skip
        labels = LabelsConfig(by="run", run=str(trained.folder))
        config = GenerationConfig(data=str(data), out=str(tmp_path / "asked"), labels=labels, explain=True)
        outcome = run_prompts(config, backend=ScriptedBackend(explain))
        own = next(
            record.value
            for record in trained.records
            if (record.split, record.metric, record.method) == ("test", right, "tfidf_lr")
        )
        assert value(outcome.records, right) == own
        lines = (outcome.folder / "generations.jsonl").read_text(encoding="utf-8").splitlines()
        said = [json.loads(line) for line in lines]
        # Of yes-or-no questions a no has nothing to explain.
        expected = ["" if item["answer"] == ["no"] else f"because {item['answer'][0]}" for item in said]
        assert [item["explanation"] for item in said] == expected
    with pytest.raises(ConfigError, match="predicts other labels than tiny has"):
        run_prompts(replace(config, data=str(tiny_dataset)), backend=ScriptedBackend(explain))


def test_a_real_tiny_model_is_asked(tiny_dataset: Path, tmp_path: Path) -> None:
    model = build_decoder_folder(tmp_path / "tiny-llama")
    local = LocalConfig(model=str(model), precision="fp32", batch_size=4)
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path / "runs"), limit=6, local=local, explain=True)
    first = run_prompts(replace(config, max_new_tokens=5))
    second = run_prompts(
        replace(config, max_new_tokens=5, out=str(tmp_path / "again"), local=replace(local, batch_size=1))
    )
    assert first.folder.name == second.folder.name
    assert str(tmp_path) not in (first.folder / "environment.json").read_text(encoding="utf-8")
    a, b = (pd.read_parquet(item.folder / "predictions.parquet") for item in (first, second))
    pd.testing.assert_frame_equal(a, b, atol=1e-5)
    lines = (first.folder / "generations.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(isinstance(json.loads(line)["explanation"], str) for line in lines)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"backend": "endpoint", "labels": LabelsConfig(by="parse")}, "endpoint: give its address and its model"),
        (
            {"backend": "endpoint", "endpoint": EndpointConfig("http://x", "m")},
            "gives no probabilities of whole labels",
        ),
        ({"protocol": "mentallama-2024"}, "Add --labels.by parse"),
        ({"labels": LabelsConfig(fit="tuned")}, "is of IMHI's form. Add --strategy imhi."),
        ({"labels": LabelsConfig(fit="tuned"), "strategy": "imhi", "split": "validation"}, "Use --split test."),
        ({"shots": -1}, "shots: is -1, expected 0 or more."),
        ({"samples": 0}, "samples: is 0, expected 1 or more."),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as error:
        GenerationConfig(**settings)  # type: ignore[arg-type]
    assert message in str(error.value)


def test_label_settings_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match="need probabilities"):
        LabelsConfig(by="parse", fit="validation")
    with pytest.raises(ConfigError, match="a joint question can only be parsed"):
        LabelsConfig(questions="joint")
    with pytest.raises(ConfigError, match="the tuned one is of plain scores of words"):
        LabelsConfig(fit="tuned", prior="subtract")
