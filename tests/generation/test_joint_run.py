"""Runs of a classifier that explains: files, equality with a plain run, resuming, loading, measuring."""

import csv
import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from generation_support import build_decoder_folder, write_explained_dataset
from support import write_tiny_dataset

import mhclf.hf  # noqa: F401
from mhclf.config.joint import ExplanationConfig, JointConfig
from mhclf.config.loss import ContrastiveConfig
from mhclf.config.model import LoraConfig, ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, DataError, RunError
from mhclf.generation.decoders import load_decoder
from mhclf.generation.explainer import Explainer, prompts_of
from mhclf.generation.explanation_head import ExplanationHead
from mhclf.generation.joint import JointExtension, load_joint, run_joint
from mhclf.generation.joint_data import Explanations, question_of
from mhclf.generation.joint_plan import JointPlan
from mhclf.generation.measured_run import measure_run
from mhclf.training.run import RunOutcome, run
from mhclf.training.saved import load_run
from mhclf.training.texts import texts_of_run

EXPLAINED = 2
"""Of three rows, so many have an explanation."""


def write_explained(folder: Path, task: str = "multiclass") -> Path:
    """Write the tiny set with explanations for two of three rows; returns its YAML."""

    def why(number: int, text: str) -> str:
        return f"it says {' '.join(text.split()[:3])}" if number % 3 < EXPLAINED else ""

    return write_explained_dataset(folder, why, task=task, name="explained")


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the YAML of the explained set and the folder of the tiny Llama."""
    folder = tmp_path_factory.mktemp("joint")
    return write_explained(folder / "data"), build_decoder_folder(folder / "tiny-llama")


def plain_settings(data: Path, encoder: Path, out: Path) -> dict[str, object]:
    return {
        "data": str(data),
        "encoder": str(encoder),
        "out": str(out),
        "report": False,
        "contrastive": ContrastiveConfig(weight=0.5),
        "optim": OptimConfig(lr=1e-3, head_lr=1e-2),
        "batch": BatchConfig(size=8),
        "trainer": TrainerConfig(epochs=2, accelerator="cpu", precision="fp32"),
    }


def settings(data: Path, encoder: Path, decoder: Path, out: Path, **explanation: object) -> JointConfig:
    own = {
        "decoder": str(decoder),
        "prefix_length": 2,
        "lr": 2e-2,
        "lora": LoraConfig(rank=4, dropout=0.2),
        "max_new_tokens": 8,
        "micro_batch": 3,
    }
    head = ExplanationConfig(**(own | explanation))  # type: ignore[arg-type]
    return JointConfig(**plain_settings(data, encoder, out), explanation=head)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def joint(
    places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> tuple[JointConfig, RunOutcome]:
    """Return settings and outcome of a joint run with its report."""
    config = settings(places[0], encoder_folder("bert"), places[1], tmp_path_factory.mktemp("runs"))
    config = replace(config, report=True)
    return config, run_joint(config)


def log(folder: Path) -> list[dict[str, str]]:
    with (folder / "training_log.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "generations.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_folder_holds_what_any_run_has_and_the_head(joint: tuple[JointConfig, RunOutcome]) -> None:
    config, outcome = joint
    folder = outcome.folder
    names = {path.name for path in folder.iterdir()}
    assert {
        "config.yaml", "environment.json", "data_manifest.json", "checkpoints", "model", "explainer",
        "training_log.csv", "predictions.parquet", "results.jsonl", "generations.jsonl", "report.html", "MODEL_CARD.md",
    } <= names  # fmt: skip
    assert "generations.part.jsonl" not in names
    assert {path.name for path in (folder / "explainer").iterdir()} == {
        "explainer.json", "projector.safetensors", "adapter",
    }  # fmt: skip
    assert folder.name.startswith("lara_supcon+explanation-tiny-bert-seed1-")
    own = [record for record in outcome.records if record.method == "lara_supcon+explanation"]
    assert {record.metric for record in own} >= {"macro_f1", "accuracy"}
    card = (folder / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert "lara_supcon+explanation" in card
    assert 'load_joint("path/to/this/folder").explain(["a text"])[0]' in card
    for path in (folder / "explainer").rglob("*.*"):
        assert str(config.explanation.decoder).encode() not in path.read_bytes(), path
    assert run_joint(config).was_complete


def test_each_part_of_the_loss_is_logged_and_falls(joint: tuple[JointConfig, RunOutcome]) -> None:
    rows = log(joint[1].folder)
    steps = [row for row in rows if row["kind"] == "step"]
    for row in steps:
        parts = [float(row[name]) for name in ("loss/classification", "loss/contrastive", "loss/generation")]
        expected = parts[0] + float(row["contrastive_weight"]) * parts[1] + 0.5 * parts[2]
        assert float(row["loss"]) == pytest.approx(expected, rel=1e-5)
    held_out = [float(row["validation_generation_loss"]) for row in rows if row["kind"] == "epoch"]
    assert len(held_out) == 2
    assert held_out[1] < held_out[0] < float(steps[0]["loss/generation"])


def test_the_classifier_loads_as_any_other_run(joint: tuple[JointConfig, RunOutcome]) -> None:
    folder = joint[1].folder
    loaded = load_run(folder)
    assert isinstance(loaded.config, JointConfig)
    part = load_table(joint[0].data).part("test")
    saved = pd.read_parquet(folder / "predictions.parquet")
    saved = saved[saved["split"] == "test"]
    columns = [f"probability/{label}" for label in loaded.labels]
    np.testing.assert_allclose(loaded.predict_proba(part.texts), saved[columns].to_numpy(), atol=1e-6)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder / "model").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder / "model")
    with torch.no_grad():
        logits = model(**tokenizer(part.texts[:4], padding=True, truncation=True, return_tensors="pt")).logits
    np.testing.assert_allclose(logits.softmax(-1).numpy(), saved[columns].to_numpy()[:4], atol=1e-5)
    assert set(texts_of_run(folder)) >= set(part.frame["id"])


def test_the_saved_model_says_again_what_the_run_wrote(joint: tuple[JointConfig, RunOutcome]) -> None:
    config, outcome = joint
    part = load_table(config.data).part("test")
    model = load_joint(outcome.folder)
    found = model.explain(part.texts)
    written = lines(outcome.folder)
    assert [row["id"] for row in written] == part.frame["id"].tolist()
    assert [one.explanation for one in found] == [row["explanation"] for row in written]
    assert [[one.label] for one in found] == [row["answer"] for row in written]
    assert any(one.explanation for one in found)
    assert found[0].probabilities.shape == (3,)
    assert model.explain([]) == []
    # Alone or in company.
    assert model.explain(part.texts[3:4])[0].explanation == found[3].explanation


def test_a_moved_decoder_is_found_and_another_one_is_refused(
    joint: tuple[JointConfig, RunOutcome], places: tuple[Path, Path], tmp_path: Path
) -> None:
    folder = joint[1].folder
    shutil.copytree(places[1], tmp_path / "moved")
    text = "my knee hurts when the stairs are wet"
    assert load_joint(folder, str(tmp_path / "moved")).explain([text])[0][2] == load_joint(folder).explain([text])[0][2]
    other = transformers.AutoModelForCausalLM.from_pretrained(tmp_path / "moved")
    with torch.no_grad():
        other.get_input_embeddings().weight.add_(1.0)
    other.save_pretrained(tmp_path / "moved")
    with pytest.raises(ConfigError, match="has other weights than 'tiny-llama'"):
        load_joint(folder, str(tmp_path / "moved"))
    broken = tmp_path / "broken"
    shutil.copytree(folder, broken)
    (broken / "explainer" / "projector.safetensors").write_bytes(b"nothing")
    with pytest.raises(RunError, match="holds no readable explainer"):
        load_joint(broken)


def test_without_weight_the_classifier_learns_as_alone(
    places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    encoder = encoder_folder("bert")
    alone = run(RunConfig(**plain_settings(places[0], encoder, tmp_path)))  # type: ignore[arg-type]
    beside = run_joint(settings(places[0], encoder, places[1], tmp_path, weight=0.0))
    curves = [[row["loss"] for row in log(outcome.folder)] for outcome in (alone, beside)]
    assert curves[0] == curves[1]
    assert all(row["loss/generation"] == "" for row in log(beside.folder))
    first, second = (pd.read_parquet(outcome.folder / "predictions.parquet") for outcome in (alone, beside))
    pd.testing.assert_frame_equal(first, second)


def test_the_generation_loss_moves_the_encoder(joint: tuple[JointConfig, RunOutcome], tmp_path: Path) -> None:
    config, outcome = joint
    without = run_joint(replace(config, out=str(tmp_path), explanation=replace(config.explanation, weight=0.0)))
    first, second = (
        load_run(one.folder).parts()[0].encoder.get_input_embeddings().weight for one in (outcome, without)
    )
    assert not torch.allclose(first, second)


def test_rows_without_an_explanation_count_for_the_classifier_only(
    joint: tuple[JointConfig, RunOutcome], places: tuple[Path, Path]
) -> None:
    train = load_table(str(places[0])).part("train")
    extension = JointExtension(joint[0])
    explanations = Explanations(train, extension._prompts(extension._decoder, train), joint[0].explanation)
    has = (train.frame["explanation"] != "").to_numpy()
    assert sorted(explanations.places) == np.flatnonzero(has).tolist()
    assert 0 < has.sum() < len(has)
    nothing = replace(train, frame=train.frame.assign(explanation=""))
    assert not Explanations(nothing, extension._prompts(extension._decoder, train), joint[0].explanation).places


def test_a_set_without_explanations_is_refused(
    tiny_dataset: Path, places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match="tiny: no train row has an explanation. Name their column"):
        run_joint(settings(tiny_dataset, encoder_folder("bert"), places[1], tmp_path))


def test_a_run_stopped_in_training_and_in_writing_goes_on_as_if_it_had_not(
    joint: tuple[JointConfig, RunOutcome], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, whole = joint
    config = replace(config, out=str(tmp_path), report=False)
    step = JointPlan.training_step

    def stopping(self: JointPlan, batch: object, batch_idx: int) -> object:
        if self.current_epoch == 1 and batch_idx == 2:
            raise RuntimeError("the power went")
        return step(self, batch, batch_idx)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(JointPlan, "training_step", stopping)
        with pytest.raises(RuntimeError, match="the power went"):
            run_joint(config)
    generate, calls = ExplanationHead.generate, []

    def once(self: ExplanationHead, *arguments: object) -> object:
        calls.append(len(arguments[1]))  # type: ignore[arg-type]
        if len(calls) == 2:
            raise KeyboardInterrupt
        return generate(self, *arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr("mhclf.generation.explainer.BATCH", 4)
        patch.setattr(ExplanationHead, "generate", once)
        with pytest.raises(KeyboardInterrupt):
            run_joint(config)
        done = len(calls) - 1
        again = run_joint(config)
        rows = len(lines(again.folder))
        # The batch that was written is not written again.
        assert len(calls) - 2 == -(-rows // 4) - done
    assert (again.folder / "generations.jsonl").read_text() == (whole.folder / "generations.jsonl").read_text()
    for name in (
        "model/model.safetensors",
        "explainer/projector.safetensors",
        "explainer/adapter/adapter_model.safetensors",
    ):
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    timeless = [
        [{key: value for key, value in row.items() if key != "samples_per_second"} for row in log(outcome.folder)]
        for outcome in (whole, again)
    ]
    assert timeless[0] == timeless[1]


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_without_the_post_and_without_adapters(
    task: str, places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    data = write_explained(tmp_path / "data", task)
    config = settings(
        data, encoder_folder("bert"), places[1], tmp_path / "runs", reads_post=False, lora=LoraConfig(rank=0)
    )
    config = replace(config, test=False)
    outcome = run_joint(config)
    assert not (outcome.folder / "explainer" / "adapter").exists()
    model = load_joint(outcome.folder)
    prompts = model.explainer.prompts
    assert prompts.prompt("some post") == prompts.prompt("another") == "<user>Which label fits the post?<end><model>"
    part = load_table(str(data)).part("validation")
    written = lines(outcome.folder)
    assert [row["id"] for row in written] == part.frame["id"].tolist()
    found = model.explain(part.texts)
    assert [one.explanation for one in found] == [row["explanation"] for row in written]
    named = [one.label if task == "multilabel" else [one.label] for one in found]
    assert named == [row["answer"] for row in written]
    measured = {one.metric: one.value for one in measure_run(outcome.folder, encoder="").measures}
    assert measured["rougeL"] is not None


def test_eval_measures_a_joint_run(joint: tuple[JointConfig, RunOutcome]) -> None:
    measured = measure_run(joint[1].folder, encoder="")
    values = {(one.source, one.metric): one.value for one in measured.measures}
    assert values["generated", "rougeL"] is not None
    assert values["first sentence of the post", "rougeL"] is not None
    assert ("generated", "consistency") in values
    page = (joint[1].folder / "generations.html").read_text(encoding="utf-8")
    rows = (joint[1].folder / "generations.jsonl").read_text(encoding="utf-8").splitlines()
    assert page.count("<article") == len(rows) and "rougeL" in page


def test_posts_that_experts_explained_are_kept_out(
    places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    content = places[0].read_text(encoding="utf-8")
    rows = (places[0].parent / "explained.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    learnt = set(load_table(str(places[0])).part("train").frame["id"][:3])
    (tmp_path / "experts.jsonl").write_text(
        "".join(row for row in rows if json.loads(row)["id"] in learnt), encoding="utf-8"
    )
    given = content.replace("name: explained\n", "name: experts\nexplanations: expert\n").replace(
        "files: explained.jsonl", "files: {test: experts.jsonl}"
    )
    given = given.replace("splits: {kind: ratio, test: 0.25}", "splits: {kind: given}")
    (tmp_path / "experts.yaml").write_text(given, encoding="utf-8")
    config = settings(
        places[0], encoder_folder("bert"), places[1], tmp_path / "runs", keep_out=(str(tmp_path / "experts.yaml"),)
    )
    outcome = run_joint(config)
    used = set(texts_of_run(outcome.folder))
    assert not learnt & used


def test_a_set_that_would_be_kept_out_by_halves_is_refused(
    places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    other = write_tiny_dataset(tmp_path / "other", name="other")
    config = settings(places[0], encoder_folder("bert"), places[1], tmp_path / "runs", keep_out=(str(other),))
    with pytest.raises(ConfigError, match=r"keep_out: other has \d+ train and validation rows, which would be learnt"):
        run_joint(config)


def test_a_question_of_each_row_is_what_the_decoder_is_asked(
    places: tuple[Path, Path], encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    data = write_explained(tmp_path / "data")
    file = data.parent / "explained.jsonl"
    rows = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    for number, row in enumerate(rows):
        row["asked"] = f"Is it about number {number % 2}?"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    content = data.read_text(encoding="utf-8").replace("explanation: why}", "explanation: why, context: asked}")
    data.write_text(content + 'prompt: {question: "{context}"}\n', encoding="utf-8")
    decoder = load_decoder(str(places[1]))
    part = load_table(str(data)).part("test")
    asked = part.contexts or []
    assert len(set(asked)) == 2
    for reads_post in (True, False):
        prompts = prompts_of(decoder, question_of(part.config), "en", reads_post, 50)
        learnt = prompts.instruction("1", part.texts[0], 0, "because", asked[0])
        assert learnt.prompt == prompts.prompt(part.texts[0], asked[0])
        assert learnt.prompt.count(asked[0]) == 1
        assert "{context}" not in learnt.prompt
    config = settings(data, encoder_folder("bert"), places[1], tmp_path / "runs", reads_post=False)
    outcome = run_joint(replace(config, trainer=replace(config.trainer, epochs=1)))
    model = load_joint(outcome.folder)
    found = model.explain(part.texts, asked)
    assert [one.explanation for one in found] == [row["explanation"] for row in lines(outcome.folder)]
    with pytest.raises(DataError, match="contexts: the question about each text stands there"):
        model.explain(part.texts)


def test_settings_that_do_not_fit_are_refused(tmp_path: Path, places: tuple[Path, Path]) -> None:
    for options, message in (
        ({"prefix_length": 0}, "explanation: prefix_length: is 0, expected 1 or more."),
        ({"weight": -1.0}, "explanation: needs weight >= 0 and lr >= 0."),
        ({"label_weight": 0.0}, "explanation: label_weight: is 0.0, expected above 0."),
    ):
        with pytest.raises(ConfigError) as caught:
            ExplanationConfig(**options)  # type: ignore[arg-type]
        assert str(caught.value) == message
    with pytest.raises(ConfigError, match="the linear baseline has no representation"):
        JointConfig(model=ModelConfig(kind="tfidf_lr"))
    with pytest.raises(ConfigError, match="goes without an average of the weights"):
        JointConfig(trainer=TrainerConfig(average=True))
    encoding = build_decoder_folder(tmp_path / "tiny-t5", encodes=True)
    with pytest.raises(ConfigError, match="is no causal model"):
        JointExtension(JointConfig(explanation=ExplanationConfig(decoder=str(encoding))))


def test_another_run_does_not_explain(
    tiny_dataset: Path, encoder_folder: Callable[[str], Path], tmp_path: Path
) -> None:
    outcome = run(RunConfig(**plain_settings(tiny_dataset, encoder_folder("bert"), tmp_path)))  # type: ignore[arg-type]
    with pytest.raises(
        RunError, match="its classifier does not explain. Give a folder that generate.py joint printed."
    ):
        load_joint(outcome.folder)


def test_rows_that_are_known_are_left_out_by_whole_batches(
    joint: tuple[JointConfig, RunOutcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    explainer: Explainer = load_joint(joint[1].folder).explainer
    monkeypatch.setattr("mhclf.generation.explainer.BATCH", 2)
    states = torch.zeros(4, explainer.settings.hidden)
    texts = ["one two three four", "one two three", "one two", "one"]
    batches = list(explainer.explain(states, texts, [0, 1, 2, 0], known={0, 1, 2}))
    assert [sorted(batch) for batch in batches] == [[2, 3]]
