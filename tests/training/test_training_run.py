"""One run: the folder's contract, numbers recomputed from its files, resuming, refusing."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from filelock import FileLock
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef
from support import LINEAR, SENTENCES, write_tiny_dataset

from mhclf.config.model import ModelConfig
from mhclf.config.run import AuditConfig
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.config.training import OptimConfig, TrainerConfig
from mhclf.errors import AuditError, ConfigError, DataError, RunError
from mhclf.models.weights import resolve_encoder
from mhclf.results.records import read_records
from mhclf.training.checkpoints import load_checkpoint
from mhclf.training.fit import build_network
from mhclf.training.plan import ClassificationPlan
from mhclf.training.prepared import prepare_data
from mhclf.training.run import run
from mhclf.training.saved import load_run, read_predictions

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def finished(encoder_folder, tiny_dataset, tmp_path_factory):
    """Return one finished run with its report."""
    from mhclf.config.run import BatchConfig, RunConfig

    return run(
        RunConfig(
            data=str(tiny_dataset),
            encoder=str(encoder_folder("bert")),
            out=str(tmp_path_factory.mktemp("runs")),
            optim=OptimConfig(lr=1e-3, head_lr=1e-2),
            batch=BatchConfig(size=8),
            trainer=TrainerConfig(epochs=3, accelerator="cpu", precision="fp32"),
        )
    )


def test_the_folder_holds_what_the_contract_lists(finished):
    found = {str(path.relative_to(finished.folder)) for path in finished.folder.rglob("*") if path.is_file()}
    assert found >= {
        "config.yaml",
        "environment.json",
        "data_manifest.json",
        "checkpoints/best.ckpt",
        "checkpoints/last.ckpt",
        "model/model.safetensors",
        "model/config.json",
        "model/tokenizer.json",
        "training_log.csv",
        "predictions.parquet",
        "results.jsonl",
        "layers.json",
        "layer_weights.parquet",
        "figures/learning_curves.png",
        "figures/confusion_matrix.png",
        "figures/layer_weights.png",
        "figures/representation_map.png",
        "figures/reliability.png",
        "figures/risk_coverage.png",
        "report.html",
        "MODEL_CARD.md",
    }
    assert finished.folder.name.startswith("lara_supcon-tiny-bert-seed1-")
    assert not list(finished.folder.rglob("*.pkl"))


def test_no_post_text_outside_the_report(finished):
    sentences = [text.encode() for group in SENTENCES.values() for text in group]
    for path in finished.folder.rglob("*"):
        if path.is_file() and path.name not in {"report.html", "tokenizer.json", "model.safetensors"}:
            content = path.read_bytes()
            assert not [text for text in sentences if text in content], path.name


def test_records_are_recomputed_from_the_predictions(finished):
    test = read_predictions(finished.folder).part("test")
    values = {
        r.metric: r for r in finished.records if r.split == "test" and r.slice == "all" and r.method == "lara_supcon"
    }
    assert values["accuracy"].value == pytest.approx(accuracy_score(test.gold, test.prediction))
    assert values["macro_f1"].value == pytest.approx(f1_score(test.gold, test.prediction, average="macro"))
    assert values["mcc"].value == pytest.approx(matthews_corrcoef(test.gold, test.prediction))
    assert values["accuracy"].ci_low <= values["accuracy"].value <= values["accuracy"].ci_high
    assert values["accuracy"].n == len(test.ids)
    assert (test.prediction == test.probability.argmax(axis=1)).all()
    assert {r.method for r in finished.records} == {"lara_supcon", "majority", "tfidf_lr"}
    assert read_records(finished.folder / "results.jsonl") == finished.records


def test_the_model_learns(finished):
    log = pd.read_csv(finished.folder / "training_log.csv")
    steps = log[log["kind"] == "step"]
    assert steps["loss/classification"].iloc[-3:].mean() < 0.8 * steps["loss/classification"].iloc[:3].mean()
    assert list(log.loc[log["kind"] == "epoch", "epoch"]) == [0, 1, 2]
    assert steps["contrastive_weight"].iloc[0] == 0
    assert steps["contrastive_weight"].iloc[-1] == pytest.approx(0.5)
    assert steps["learning_rate"].max() == pytest.approx(1e-3, rel=0.2)


def test_layer_weights_are_reported(finished):
    layers = json.loads((finished.folder / "layers.json").read_text())
    assert layers["layer_names"] == ["embeddings", "layer 1", "layer 2"]
    weights = np.array(layers["weights_mean"])
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert sum(layers["contribution_mean"]) == pytest.approx(1, abs=1e-5)
    assert layers["kl_from_uniform"] == pytest.approx(float((weights * np.log(weights * 3)).sum()), abs=1e-5)
    assert layers["distinguishable_from_uniform"] == (layers["kl_from_uniform"] > layers["uniform_interval"])


def test_a_loaded_run_predicts_what_was_saved(finished, tiny_dataset):
    from mhclf.data.load import load_table

    loaded = load_run(finished.folder)
    table = load_table(str(tiny_dataset)).part("test")
    saved = read_predictions(finished.folder).part("test")
    assert table.frame["id"].tolist() == saved.ids.tolist()
    assert loaded.predict_proba(table.texts) == pytest.approx(saved.probability, abs=1e-6)
    assert loaded.predict(table.texts[:2]) == [loaded.labels[i] for i in saved.prediction[:2]]
    assert loaded.predict_proba([]).shape == (0, 3)


def test_starting_again_says_so_and_runs_nothing(finished, caplog):
    from mhclf.config.run import RunConfig
    from mhclf.config.structure import from_mapping, read_yaml

    config = from_mapping(RunConfig, read_yaml(finished.folder / "config.yaml"), "config.yaml")
    before = (finished.folder / "results.jsonl").stat().st_mtime_ns
    with caplog.at_level("INFO"):
        again = run(config)
    assert again.was_complete
    assert again.folder == finished.folder
    assert again.records == finished.records
    assert (finished.folder / "results.jsonl").stat().st_mtime_ns == before
    assert "is complete; --overwrite starts it afresh." in caplog.text


def test_same_seed_same_numbers_other_seed_other_numbers(tiny_config):
    first = run(tiny_config())
    again = run(tiny_config(out=tiny_config().out + "-again"))
    other = run(tiny_config(seed=2))
    probability = [read_predictions(outcome.folder).probability for outcome in (first, again, other)]
    assert (probability[0] == probability[1]).all()
    assert not np.allclose(probability[0], probability[2])
    assert first.records[0].data_hash == other.records[0].data_hash


def test_a_killed_run_resumes_and_ends_with_the_metrics_of_an_unbroken_one(tiny_config, tmp_path):
    config = tiny_config(trainer=TrainerConfig(epochs=30, accelerator="cpu", precision="fp32"))
    unbroken = run(replace(config, out=str(tmp_path / "unbroken")))
    (tmp_path / "config.yaml").write_text(write_yaml(to_mapping(config)))
    command = [
        sys.executable,
        "-c",
        "import sys; from mhclf.config.run import RunConfig; from mhclf.config.structure import *; "
        "from mhclf.training.run import run; from pathlib import Path; "
        "run(from_mapping(RunConfig, read_yaml(Path(sys.argv[1])), 'x'))",
        str(tmp_path / "config.yaml"),
    ]
    process = subprocess.Popen(command, cwd=REPOSITORY, env=os.environ | {"PYTHONPATH": str(REPOSITORY)})
    folder = Path(config.out) / "tiny" / unbroken.folder.name
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        # Let it get some epochs far.
        log = folder / "training_log.csv"
        if (folder / "checkpoints" / "last.ckpt").is_file() and log.read_text().count("\nepoch,") >= 3:
            break
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (folder / "results.jsonl").exists(), "the run ended before it was killed"
    resumed = run(config)
    assert resumed.folder == folder
    assert [r.value for r in resumed.records] == [r.value for r in unbroken.records]
    assert (read_predictions(resumed.folder).probability == read_predictions(unbroken.folder).probability).all()
    logs = [pd.read_csv(outcome.folder / "training_log.csv") for outcome in (resumed, unbroken)]
    for name in ("kind", "epoch", "step", "loss", "contrastive_weight"):
        pd.testing.assert_series_equal(logs[0][name], logs[1][name])


def test_ordered_labels_start_at_their_shares_in_train(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data", task="ordinal")
    config = tiny_config(data=str(path))
    table = prepare_data(config).table
    train = table.part("train").targets
    network = build_network(table, config, resolve_encoder(config.encoder), "eager")
    first = network.head.thresholds().sigmoid()[0]
    assert float(first) == pytest.approx((train == 0).mean(), abs=1e-5)


def test_ordinal_run(tmp_path, tiny_config):
    import mhclf.hf  # noqa: F401

    path = write_tiny_dataset(tmp_path / "data", task="ordinal")
    path.write_text(path.read_text().replace("[micro_f1, macro_f1]", "[qwk, mae]"))
    outcome = run(tiny_config(data=str(path)))
    values = {(record.method, record.metric): record for record in outcome.records if record.split == "test"}
    mae = values["lara_supcon", "mae"]
    assert 0 <= mae.value <= 2 and not mae.higher_is_better and mae.ci_low <= mae.value <= mae.ci_high
    assert -1 <= values["tfidf_lr", "qwk"].value <= 1 and values["majority", "qwk"].value == 0
    loaded = load_run(outcome.folder)
    texts = SENTENCES["work"][:4]
    saved = transformers.AutoModelForSequenceClassification.from_pretrained(outcome.folder / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(outcome.folder / "model")
    with torch.no_grad():
        logits = saved(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
    np.testing.assert_allclose(logits.softmax(-1).numpy(), loaded.predict_proba(texts), atol=1e-5)
    np.testing.assert_allclose(logits.exp().sum(-1).numpy(), 1, atol=1e-5)


def test_multilabel_run(encoder_folder, tiny_multilabel, tiny_config):
    outcome = run(tiny_config(data=str(tiny_multilabel)))
    test = read_predictions(outcome.folder).part("test")
    values = {
        r.metric: r.value
        for r in outcome.records
        if r.split == "test" and r.slice == "all" and r.method == "lara_supcon"
    }
    assert values["micro_f1"] == pytest.approx(f1_score(test.gold, test.prediction, average="micro"))
    assert values["subset_accuracy"] == pytest.approx((test.gold == test.prediction).all(axis=1).mean())
    assert (test.prediction == (test.probability >= 0.5)).all()
    assert isinstance(load_run(outcome.folder).predict(["my knee hurts"])[0], list)


def test_linear_run_saves_without_pickle_and_loads(tiny_config):
    outcome = run(tiny_config(**LINEAR))
    loaded = load_run(outcome.folder)
    saved = read_predictions(outcome.folder)
    assert {path.suffix for path in (outcome.folder / "model").iterdir()} == {".json", ".safetensors"}
    assert outcome.folder.name.startswith("tfidf_lr-tfidf-seed1-")
    assert loaded.predict_proba(["my knee hurts when the stairs are wet"])[0].argmax() == 0
    assert saved.probability.sum(axis=1) == pytest.approx(np.ones(len(saved.ids)))
    with pytest.raises(RunError, match="is the linear baseline and has no network. Choose a neural run."):
        loaded.parts()


def test_the_test_set_stays_shut(tiny_config):
    outcome = run(tiny_config(test=False))
    assert {record.split for record in outcome.records} == {"validation"}
    assert set(read_predictions(outcome.folder).splits) == {"validation"}


def test_limit_takes_rows_per_split(tiny_config, tiny_dataset):
    from mhclf.data.load import load_table
    from mhclf.data.subsets import limit_rows

    table = limit_rows(load_table(str(tiny_dataset)), 5)
    assert table.frame["split"].value_counts().to_dict() == {"train": 5, "validation": 5, "test": 5}


def test_locked_folder(tiny_config):
    outcome = run(tiny_config(trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32")))
    with (
        FileLock(outcome.folder / ".lock"),
        pytest.raises(RunError) as error,
    ):
        run(tiny_config(trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32")))
    assert str(error.value) == (
        f"{outcome.folder}: another process works in this run folder. Wait for it, or change --out."
    )


def test_loss_that_is_not_finite_names_the_posts(tiny_config, tiny_dataset):
    config = tiny_config(optim=OptimConfig(lr=1e30, head_lr=1e30, warmup=0.0, gradient_clip=0))
    with pytest.raises(RunError) as error:
        run(config)
    message = str(error.value)
    assert "the loss is not finite at step" in message
    assert "Lower --optim.lr or --optim.head_lr, or use --trainer.precision fp32." in message
    assert "the batch holds the posts " in message


class _Bomb:
    def __reduce__(self):
        return (os.mkdir, (os.environ["MHCLF_TEST_BOMB"],))


def test_ctrl_c_while_training_stays_ctrl_c(tiny_config, monkeypatch):
    def pressed(self, batch, batch_idx):
        raise KeyboardInterrupt

    monkeypatch.setattr(ClassificationPlan, "training_step", pressed)
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        run(tiny_config())
    assert signal.getsignal(signal.SIGINT) is handler


def test_a_malicious_checkpoint_is_refused_and_not_executed(tmp_path, monkeypatch):
    monkeypatch.setenv("MHCLF_TEST_BOMB", str(tmp_path / "exploded"))
    torch.save({"state_dict": {}, "extra": _Bomb()}, tmp_path / "zip.ckpt")
    (tmp_path / "raw.ckpt").write_bytes(pickle.dumps(_Bomb()))
    for name in ("zip.ckpt", "raw.ckpt"):
        with pytest.raises(RunError, match="is no readable checkpoint of this library"):
            load_checkpoint(tmp_path / name)
    assert not (tmp_path / "exploded").exists()


def test_a_damaged_last_checkpoint_is_a_clear_error(tiny_config):
    config = tiny_config(trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"))
    outcome = run(config)
    (outcome.folder / "status.json").write_text('{"state": "running"}')
    last = outcome.folder / "checkpoints" / "last.ckpt"
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.raises(RunError, match="last.ckpt: is no readable checkpoint of this library"):
        run(config)
    assert run(config, overwrite=True).folder == outcome.folder


@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (lambda content: content["optimizer_states"][0]["param_groups"].pop(), "ValueError"),
        (lambda content: content["state_dict"].popitem(), "RuntimeError"),
    ],
)
def test_a_checkpoint_of_another_version_says_what_to_do(tiny_config, spoil, kind):
    config = tiny_config(trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"))
    outcome = run(config)
    (outcome.folder / "status.json").write_text('{"state": "running"}')
    last = outcome.folder / "checkpoints" / "last.ckpt"
    content = torch.load(last, weights_only=True)
    spoil(content)
    torch.save(content, last)
    with pytest.raises(RunError) as error:
        run(config)
    assert str(error.value) == (
        f"{last}: does not fit this run ({kind}); another version of the code has most likely written it. "
        f"Remove {outcome.folder}, or use --overwrite, to start the run afresh."
    )
    assert run(config, overwrite=True).folder == outcome.folder


def test_load_run_refuses_a_folder_without_a_run(tmp_path):
    with pytest.raises(RunError) as error:
        load_run(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: is no run folder (no config.yaml). Give the folder that training printed."
    )


def test_expected_failures_come_before_any_folder(tiny_config, tmp_path):
    with pytest.raises(ConfigError, match="data: no data set is called 'dreadit'. Did you mean 'dreaddit'?"):
        run(tiny_config(data="dreadit"))
    with pytest.raises(ConfigError, match="Unknown pooling 'men'. Did you mean 'mean'?"):
        run(tiny_config(model=ModelConfig(pooling="men")))
    with pytest.raises(ConfigError, match="Built-in names: minilm, mpnet."):
        run(tiny_config(encoder="/no/such/encoder"))
    with pytest.raises(DataError, match="was not found"):
        run(tiny_config(data="dreaddit", data_root=str(tmp_path)))


def test_a_leak_stops_the_run_on_request(tmp_path, tiny_config):
    path = write_tiny_dataset(tmp_path / "leaky")
    rows = (tmp_path / "leaky" / "tiny.jsonl").read_text().splitlines()
    doubled = [json.loads(row) | {"id": f"again-{i}", "group": f"again-{i}"} for i, row in enumerate(rows)]
    (tmp_path / "leaky" / "tiny.jsonl").write_text("\n".join(rows + [json.dumps(row) for row in doubled]) + "\n")
    with pytest.raises(AuditError, match="Use --audit.on_leak drop to remove them."):
        run(tiny_config(data=str(path), audit=AuditConfig("stop")))


def test_posts_of_another_test_set_leave_train_and_validation(tmp_path, tiny_config, tiny_dataset):
    whole = prepare_data(tiny_config(data=str(tiny_dataset)))
    validation = whole.table.part("validation").frame
    other = tmp_path / "other"
    other.mkdir()
    rows = [{"text": text, "label": "body", "part": "test"} for text in validation["text"]]
    rows += [
        {"text": f"quite another sentence number {n} of this file", "label": "work", "part": "train"} for n in range(9)
    ]
    (other / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (other / "other.yaml").write_text(
        "name: other\ntask: multiclass\nlabels: [body, work]\nsource: {files: rows.jsonl}\n"
        "columns: {text: text, label: label, split: part}\n"
    )
    left = prepare_data(tiny_config(data=str(tiny_dataset), audit=AuditConfig(against=(str(other / "other.yaml"),))))
    assert not set(left.table.texts) & set(validation["text"]) - set(left.table.part("test").texts)
    assert len(left.table.part("validation")) > 0
    assert left.manifest["findings"][0]["check"] == "shared_with_test_set"


def test_no_path_of_this_machine_in_the_saved_model(finished, encoder_folder):
    for path in (finished.folder / "model").glob("*.json"):
        assert str(encoder_folder("bert").parent) not in path.read_text(), path.name


def test_weights_of_each_post_are_kept(finished):
    weights = pd.read_parquet(finished.folder / "layer_weights.parquet")
    assert weights["id"].tolist() == read_predictions(finished.folder).ids.tolist()
    columns = ["weight/embeddings", "weight/layer 1", "weight/layer 2"]
    assert weights[columns].sum(axis=1).to_numpy() == pytest.approx(np.ones(len(weights)), abs=1e-5)
    mean = weights.loc[weights["split"] == "test", columns].mean().tolist()
    assert mean == pytest.approx(json.loads((finished.folder / "layers.json").read_text())["weights_mean"], abs=1e-5)


def test_other_labels_metric_or_weights_are_another_run(tiny_config, encoder_folder, tmp_path):
    path = write_tiny_dataset(tmp_path / "renamed")
    config = tiny_config(**LINEAR, data=str(path))
    folder = run(config).folder
    text = path.read_text()
    path.write_text(text.replace("[macro_f1, accuracy]", "[accuracy, macro_f1]"))
    assert run(config).folder != folder
    path.write_text(text.replace("[body, work, people]", "[work, body, people]"))
    assert run(config).folder != folder
    path.write_text(text)
    assert run(config).was_complete


def test_what_is_refused_before_training(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "typo")
    path.write_text(path.read_text().replace("[macro_f1, accuracy]", "[macr_f1]"))
    with pytest.raises(ConfigError) as error:
        run(tiny_config(data=str(path)))
    assert str(error.value).startswith(
        "tiny: metrics: 'macr_f1' is no metric of a multiclass task. Did you mean 'macro_f1'? Known: accuracy, "
    )
    with pytest.raises(ConfigError, match="max_length: is 600, but the encoder 'tiny-bert' reads 512 tokens at most."):
        run(tiny_config(max_length=600))
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be made: a file is in the way. Change --out."):
        run(tiny_config(**LINEAR, out=str(tmp_path / "file" / "runs")))
    path.write_text(path.read_text().replace("task: multiclass", "task: choice").replace("macr_f1", "macro_f1"))
    with pytest.raises(ConfigError) as error:
        run(tiny_config(data=str(path)))
    assert str(error.value) == f"{path}: columns: options: missing; 'task: choice' needs the columns of the options."


def test_a_headline_where_less_is_better_chooses_the_epoch_with_the_least(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data")
    path.write_text(path.read_text().replace("[macro_f1, accuracy]", "[nll, accuracy]"))
    folder = run(tiny_config(data=str(path))).folder
    log = pd.read_csv(folder / "training_log.csv").query("kind == 'epoch'")
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert best["epoch"] == log.loc[log["validation_nll"].idxmin(), "epoch"]
    assert log["validation_nll"].idxmin() != log["validation_nll"].idxmax()


def test_a_risk_metric_cannot_choose_the_model(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data")
    text = path.read_text().replace("[macro_f1, accuracy]", "[high_risk_recall]") + "risk: {high: [body]}\n"
    path.write_text(text)
    with pytest.raises(ConfigError, match="'high_risk_recall' is perfect where every post is called high risk"):
        prepare_data(tiny_config(data=str(path)))


def test_risk_metrics_come_into_records_manifest_and_suites(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data")
    path.write_text(path.read_text() + "risk: {high: [body], order: [people, work, body]}\n")
    outcome = run(tiny_config(data=str(path), **LINEAR))
    saved = read_predictions(outcome.folder)
    assert saved.risk.high == ("body",) and saved.risk.order == ("people", "work", "body")
    test = saved.part("test")
    by_metric = {r.metric: r for r in outcome.records if r.split == "test" and r.slice == "all"}
    found = (test.prediction[test.gold == 0] == 0).mean()
    assert by_metric["high_risk_recall"].value == pytest.approx(found)
    assert not by_metric["severe_miss_rate"].higher_is_better
    assert by_metric["false_negative_rate/body"].value == pytest.approx(1 - found)


def test_a_loaded_run_decides_by_its_thresholds_only_when_asked(tiny_config, tmp_path):
    path = write_tiny_dataset(tmp_path / "data", task="multilabel")
    folder = run(tiny_config(data=str(path), **LINEAR)).folder
    loaded = load_run(folder)
    assert list(loaded.thresholds) == list(loaded.labels)
    texts = [text for group in SENTENCES.values() for text in group]
    probabilities = loaded.predict_proba(texts)

    def by(limits):
        return [[n for n, p, t in zip(loaded.labels, row, limits, strict=True) if p >= t] for row in probabilities]

    assert loaded.predict(texts) == by([0.5, 0.5, 0.5])
    assert loaded.predict(texts, tuned=True) == by(loaded.thresholds.values())
    assert loaded.predict(texts, tuned=True) != loaded.predict(texts)


def test_thresholds_that_do_not_exist_are_told(finished):
    with pytest.raises(RunError, match="has no fitted thresholds"):
        load_run(finished.folder).predict(["a text"], tuned=True)


def test_predictions_hold_the_number_of_words_and_no_text(finished):
    frame = pd.read_parquet(finished.folder / "predictions.parquet")
    assert "confidence" not in frame  # the set has no annotators
    sentences = {f"{label}-{n}": text for label, group in SENTENCES.items() for n, text in enumerate(group)}
    for row in frame.itertuples():
        stem, copy = row.id.rsplit("-", 1)
        ending = ["", " today", " once more"][int(copy)]
        assert row.words == len((sentences[stem] + ending).split())


def test_a_run_moves_to_a_device_that_is_there(tiny_config, monkeypatch):
    loaded = load_run(run(tiny_config()).folder)
    assert loaded.to() is loaded and loaded.to("cpu") is loaded
    for name, message in (("cuda", "no GPU is visible to torch here"), ("tpu", "is 'tpu', expected auto, cpu or cuda")):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        with pytest.raises(ConfigError, match=message):
            loaded.to(name)
    moved = []
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr(type(loaded.network), "to", lambda self, device: moved.append(str(device)))
    loaded.to("auto").to("cuda").to("cpu")
    assert moved == ["cuda", "cuda", "cpu"]
