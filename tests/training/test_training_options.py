"""Training options: each runs to a saved model that gives the run's own predictions, and does what it says."""

import csv
import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from support import write_tiny_dataset

from mhclf.config.loss import ContrastiveConfig, LossConfig
from mhclf.config.model import LongPostsConfig, LoraConfig, ModelConfig
from mhclf.config.run import RunConfig
from mhclf.config.training import BatchConfig, OptimConfig, TrainerConfig
from mhclf.data.load import load_table
from mhclf.errors import ConfigError, RunError
from mhclf.models.weights import resolve_encoder
from mhclf.training.auxiliary import AuxiliaryTask
from mhclf.training.environment import resolve_precision
from mhclf.training.fit import FitJob, build_network, fit_network
from mhclf.training.folder import RunFolder
from mhclf.training.plan import ClassificationPlan
from mhclf.training.prepared import prepare_data
from mhclf.training.run import run
from mhclf.training.saved import load_run, read_predictions

LAST = ModelConfig(aggregation="last")
PLAIN = ContrastiveConfig(weight=0)

OPTIONS = {
    "mean_last": {"model": ModelConfig(aggregation="mean_last", last_layers=2)},
    "scalar_mix": {"model": ModelConfig(aggregation="scalar_mix", pooling="attention")},
    "layer_attention": {"model": ModelConfig(aggregation="layer_attention", pooling="max")},
    "gated": {"model": ModelConfig(aggregation="layer_attentive_residual_gated", pooling="cls")},
    "gamblers": {
        "model": ModelConfig(aggregation="last", abstain=True),
        "loss": LossConfig(name="gamblers", start_share=0.3),
        "contrastive": PLAIN,
    },
    "balanced": {"loss": LossConfig(name="balanced_accuracy", class_weights="effective_number")},
    "focal": {"loss": LossConfig(name="focal", label_smoothing=0.1)},
    "queue": {"contrastive": ContrastiveConfig(queue=20), "batch": BatchConfig(size=4, per_class=2)},
    "lora": {"lora": LoraConfig(rank=4), "model": LAST, "contrastive": PLAIN},
    "frozen": {"model": ModelConfig(frozen_layers=1), "optim": OptimConfig(layer_decay=0.7, lr=5e-3, head_lr=1e-2)},
    "head_tail": {"long": LongPostsConfig("head_tail"), "max_length": 8},
    "chunks": {"long": LongPostsConfig("chunks", overlap=1), "max_length": 8},
    "bilstm": {
        "model": ModelConfig(kind="bilstm", aggregation="last", pooling="max"),
        "contrastive": PLAIN,
        "optim": OptimConfig(lr=1e-2, head_lr=1e-2),
    },
    "cnn": {
        "model": ModelConfig(kind="cnn", aggregation="last", pooling="max"),
        "optim": OptimConfig(lr=1e-2, head_lr=1e-2),
    },
}


@pytest.mark.parametrize("name", list(OPTIONS))
def test_an_option_trains_saves_and_loads(tiny_config, name):
    config = tiny_config(**OPTIONS[name], trainer=TrainerConfig(epochs=8, accelerator="cpu", precision="fp32"))
    outcome = run(config)
    loaded = load_run(outcome.folder)
    table = prepare_data(config).table.part("test")
    test = read_predictions(outcome.folder).part("test")
    assert np.allclose(loaded.predict_proba(table.texts), test.probability, atol=1e-6)
    losses = [float(row["loss/classification"]) for row in log(outcome) if row["kind"] == "step"]
    assert sum(losses[-6:]) < 0.97 * sum(losses[:6])
    assert run(config).was_complete


def log(outcome):
    with (outcome.folder / "training_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_reservation_is_the_abstention_that_is_saved(tiny_config):
    outcome = run(tiny_config(**OPTIONS["gamblers"]))
    frame = pd.read_parquet(outcome.folder / "predictions.parquet")
    probability = frame.filter(like="probability/").max(axis=1)
    assert frame["abstention"].between(0, 1).all()
    assert not np.allclose(frame["abstention"], 1 - probability, atol=1e-3)
    assert np.allclose(frame.filter(like="probability/").sum(axis=1), 1, atol=1e-5)


def test_frozen_layers_keep_their_weights(tiny_config, tmp_path):
    config = tiny_config(model=ModelConfig(aggregation="last", frozen_layers=1), contrastive=PLAIN)
    source = resolve_encoder(config.encoder)
    before = build_network(load_table(config.data), config, source, "eager").encoder.state_dict()
    fitted = fit_network(
        FitJob(prepare_data(config).table, config, source, "eager", 32, RunFolder(tmp_path), lambda: None)
    )
    changed = {
        name for name, value in fitted.network.encoder.state_dict().items() if not torch.equal(value, before[name])
    }
    assert changed and all(name.startswith("encoder.layer.1.") for name in changed)


def test_lower_layers_learn_slower(tiny_config):
    from mhclf.training.fit import build_plan

    config = tiny_config(optim=OptimConfig(lr=1e-3, head_lr=1e-2, layer_decay=0.5))
    table = prepare_data(config).table
    network = build_network(table, config, resolve_encoder(config.encoder), "eager")
    plan = build_plan(table.part("train"), config, network, ())

    class Trainer:
        estimated_stepping_batches = 10

    plan._trainer = Trainer()
    groups = plan.configure_optimizers()["optimizer"].param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    rates = {names[id(parameter)]: group["initial_lr"] for group in groups for parameter in group["params"]}
    assert len(rates) == len(names)
    for name, rate in rates.items():
        expected = 1e-2
        if name.startswith("encoder."):
            depth = 2 if ".layer.1." in name else 1 if ".layer.0." in name else 0
            expected = 1e-3 * 0.5 ** (2 - depth)
        assert rate == pytest.approx(expected), name


def test_biases_norms_and_gates_do_not_decay(tiny_config):
    from mhclf.training.fit import build_plan

    table = prepare_data(tiny_config()).table
    network = build_network(table, tiny_config(), resolve_encoder(tiny_config().encoder), "eager")
    plan = build_plan(table.part("train"), tiny_config(), network, ())

    class Trainer:
        estimated_stepping_batches = 10

    plan._trainer = Trainer()
    groups = plan.configure_optimizers()["optimizer"].param_groups
    names = {id(parameter): name for name, parameter in network.named_parameters()}
    decays = {names[id(parameter)]: group["weight_decay"] for group in groups for parameter in group["params"]}
    assert decays["aggregation.gate.value"] == decays["head.linear.bias"] == decays["aggregation.norm.weight"] == 0
    assert {name for name, decay in decays.items() if decay == 0.01} == {
        name for name, parameter in network.named_parameters() if parameter.ndim > 1
    }


def test_a_stopped_run_goes_on_to_the_same_log(tiny_config, tmp_path):
    """Also with accumulation, and where early stopping had ended the training before the kill."""
    still = OptimConfig(lr=0.0, head_lr=0.0)
    trainer = TrainerConfig(epochs=9, accelerator="cpu", precision="fp32", patience=2, accumulate=3)
    config = tiny_config(optim=still, trainer=trainer, batch=BatchConfig(size=2))
    table, source = prepare_data(config).table, resolve_encoder(config.encoder)
    folder = RunFolder(tmp_path / "run")

    def rows():
        with (folder.path / "training_log.csv").open(newline="") as file:
            return [(row["kind"], row["epoch"], row["step"], row["loss"]) for row in csv.DictReader(file)]

    fit_network(FitJob(table, config, source, "eager", 32, folder, lambda: None))
    unbroken = rows()
    assert [row[1] for row in unbroken if row[0] == "epoch"] == ["0", "1", "2"]
    fit_network(FitJob(table, config, source, "eager", 32, folder, lambda: None))
    assert rows() == unbroken, "it had stopped already"
    shutil.rmtree(folder.path)

    def kill(*arguments):
        raise KeyError("killed")

    batches = iter(range(60))
    with pytest.MonkeyPatch.context() as patch:
        step = ClassificationPlan.training_step
        patch.setattr(
            ClassificationPlan,
            "training_step",
            lambda self, batch, number: kill() if next(batches) == 47 else step(self, batch, number),
        )
        with pytest.raises(KeyError):
            fit_network(FitJob(table, config, source, "eager", 32, folder, lambda: None))
    fit_network(FitJob(table, config, source, "eager", 32, folder, lambda: None))
    assert rows() == unbroken


def test_training_stops_when_nothing_improves(tiny_config):
    still = OptimConfig(lr=0.0, head_lr=0.0)
    trainer = TrainerConfig(epochs=9, accelerator="cpu", precision="fp32", patience=2)
    rows = log(run(tiny_config(optim=still, trainer=trainer)))
    assert [row["epoch"] for row in rows if row["kind"] == "epoch"] == ["0", "1", "2"]


def test_accumulated_batches_make_fewer_steps(tiny_config):
    trainer = TrainerConfig(epochs=1, accelerator="cpu", precision="fp32")
    batches = [row for row in log(run(tiny_config(trainer=trainer))) if row["kind"] == "step"]
    outcome = run(tiny_config(trainer=replace(trainer, accumulate=3)))
    steps = [row for row in log(outcome) if row["kind"] == "step"]
    assert len(batches) == len(steps)
    assert int(steps[-1]["step"]) == -(-len(batches) // 3)


def test_the_average_of_the_weights_is_what_is_saved(tiny_config):
    slow = TrainerConfig(epochs=2, accelerator="cpu", precision="fp32", average=True, average_decay=0.999)
    outcome = run(tiny_config(trainer=slow))
    plain = run(tiny_config(trainer=replace(slow, average=False)))
    probability = [read_predictions(item.folder).part("test").probability for item in (outcome, plain)]
    start = build_network(
        prepare_data(tiny_config()).table, tiny_config(), resolve_encoder(tiny_config().encoder), "eager"
    ).state_dict()
    weights = [load_run(item.folder).network.state_dict() for item in (outcome, plain)]
    name = "encoder.encoder.layer.1.output.dense.weight"
    moved = [float((state[name] - start[name]).norm()) for state in weights]
    assert moved[0] < 0.6 * moved[1], "an average that moves slowly stays near the start"
    assert not np.allclose(*probability, atol=1e-3)


def test_a_resumed_average_equals_an_unbroken_one(tiny_config, tmp_path):
    trainer = TrainerConfig(epochs=3, accelerator="cpu", precision="fp32", average=True, average_decay=0.5)
    config = tiny_config(trainer=trainer)
    table, source = prepare_data(config).table, resolve_encoder(config.encoder)
    whole = fit_network(FitJob(table, config, source, "eager", 32, RunFolder(tmp_path / "whole"), lambda: None))
    parts = RunFolder(tmp_path / "parts")
    epochs = iter([None, None])

    def stop():
        if next(epochs, 0) == 0:
            raise KeyError("stopped")

    with pytest.raises(KeyError):
        fit_network(FitJob(table, config, source, "eager", 32, parts, stop))
    again = fit_network(FitJob(table, config, source, "eager", 32, parts, lambda: None))
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, again.network.state_dict()[name]), name


def test_loggers_of_lightning_write_beside_our_log(tiny_config):
    trainer = TrainerConfig(
        epochs=1, accelerator="cpu", precision="fp32", loggers={"CSVLogger": {}}, options={"log_every_n_steps": 1}
    )
    outcome = run(tiny_config(trainer=trainer))
    (metrics,) = (outcome.folder / "logs").rglob("metrics.csv")
    frame = pd.read_csv(metrics)
    ours = [float(row["loss"]) for row in log(outcome) if row["kind"] == "step"]
    assert frame["train/loss"].dropna().tolist() == pytest.approx(ours, rel=1e-5)
    for theirs, column in (
        ("train/loss/contrastive", "loss/contrastive"),
        ("train/contrastive_weight", "contrastive_weight"),
        ("train/learning_rate", "learning_rate"),
    ):
        steps = [float(row[column]) for row in log(outcome) if row["kind"] == "step"]
        if column == "learning_rate":
            # Theirs is the rate of the step, ours the one after it.
            steps, frame = steps[:-1], frame[frame[theirs].notna()].iloc[1:]
        assert frame[theirs].dropna().tolist() == pytest.approx(steps, rel=1e-5), column


@pytest.mark.parametrize(
    ("trainer", "message"),
    [
        ({"options": {"limit_train_batch": 2}},
         "trainer: options: lightning.Trainer has no option 'limit_train_batch'. Did you mean 'limit_train_batches'?"),
        ({"options": {"max_epochs": 2}}, "trainer: options: give 'max_epochs' as --trainer.epochs."),
        ({"options": {"gradient_clip_val": 0.5}},
         "trainer: options: 'gradient_clip_val' has no effect here. Give --optim.gradient_clip (by norm)."),
        ({"options": {"limit_val_batches": 0}},
         "trainer: options: 'limit_val_batches: 0' would leave the run without a validated epoch, from which its model "
         "is taken; it trains for 1."),
        ({"options": {"check_val_every_n_epoch": 3}},
         "trainer: options: 'check_val_every_n_epoch: 3' would leave the run without a validated epoch, from which its "
         "model is taken; it trains for 1."),
        ({"options": {"fast_dev_run": True}},
         "trainer: options: 'fast_dev_run' would leave the run without the checkpoint that its model is taken from. "
         "For a quick look give --limit 50 --trainer.epochs 1."),
        ({"options": {"callbacks": []}}, "trainer: options: 'callbacks' is set by this library. Leave it out."),
        ({"loggers": {"CsvLogger": {}}}, "trainer: loggers: no logger is called 'CsvLogger'. Known: CSVLogger,"),
        ({"loggers": {"CSVLogger": {"colour": 1}}}, "trainer: loggers: CSVLogger: "),
    ],
)  # fmt: skip
def test_options_that_lightning_lacks(tiny_config, trainer, message):
    settings = TrainerConfig(epochs=1, accelerator="cpu", precision="fp32", **trainer)
    with pytest.raises(ConfigError) as error:
        run(tiny_config(trainer=settings))
    assert str(error.value).startswith(message)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"model": ModelConfig(abstain=True)},
         "model: abstain: the reservation and the loss 'gamblers' belong together. "
         "Give --model.abstain true --loss.name gamblers, or neither."),
        ({"model": ModelConfig(kind="cnn")},
         "model: kind: 'cnn' has one layer. Give --model.aggregation last, and leave frozen_layers and lora.rank 0."),
        ({"lora": LoraConfig(rank=2), "model": ModelConfig(frozen_layers=1)},
         "lora: rank: adapters go without --model.frozen_layers and --optim.layer_decay."),
        ({"loss": LossConfig(soft_labels=True)},
         "tiny: loss: soft_labels: needs the share of annotators behind each label. "
         "Name its column as 'columns: confidence', or leave soft_labels off."),
        ({"contrastive": ContrastiveConfig(ordinal=True)},
         "tiny: contrastive: ordinal: is for ordered labels. Leave it off."),
        ({"model": ModelConfig(kind="tfidf_lr"), "auxiliary": ("demo",)},
         "auxiliary: the linear baseline has no shared encoder. Choose a neural method."),
        ({"auxiliary": ("shared",)},
         "auxiliary: tiny shares its posts with no other set. Give --auxiliary NAME."),
    ],
)  # fmt: skip
def test_settings_that_do_not_go_together(tiny_config, settings, message):
    with pytest.raises(ConfigError) as error:
        run(tiny_config(**settings))
    assert str(error.value) == message


def test_soft_labels_reach_the_loss(tiny_config, tmp_path):
    data = write_tiny_dataset(tmp_path / "soft", name="soft")
    rows = [json.loads(line) for line in data.with_suffix(".jsonl").read_text().splitlines()]
    for number, row in enumerate(rows):
        row["agreement"] = 1.0 if number % 2 else 0.5
    data.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data.write_text(data.read_text().replace("columns: {", "columns: {confidence: agreement, "))
    soft = run(tiny_config(data=str(data), loss=LossConfig(soft_labels=True)))
    hard = run(tiny_config(data=str(data)))
    first = [float(log(outcome)[0]["loss/classification"]) for outcome in (soft, hard)]
    assert first[0] != pytest.approx(first[1], abs=1e-4)


def test_training_that_ends_before_validation_says_so(tiny_config):
    with pytest.raises(RunError, match="training ended before the first validation, which chooses the model."):
        run(tiny_config(trainer=replace(tiny_config().trainer, options={"max_steps": 1})))


def test_an_auxiliary_set_is_learnt_without_the_held_out_posts(tiny_config, tiny_multilabel, caplog):
    config: RunConfig = tiny_config(auxiliary=(str(tiny_multilabel),))
    caplog.set_level("INFO", "mhclf")
    data = prepare_data(config)
    held_out = {text for split in ("validation", "test") for text in data.table.part(split).texts}
    assert held_out and not held_out & set(data.auxiliary[0].texts)
    assert any("tiny_multilabel" in message and "dropped" in message for message in caplog.messages)
    outcome, alone = run(config), run(tiny_config())
    assert outcome.folder.name != alone.folder.name
    losses = [[float(row["loss"]) for row in log(item) if row["kind"] == "step"] for item in (outcome, alone)]
    assert losses[0][0] > losses[1][0], "the auxiliary loss is added"
    manifest = json.loads((outcome.folder / "data_manifest.json").read_text())
    assert manifest["auxiliary"]["tiny_multilabel"]["rows"] == len(data.auxiliary[0])
    assert load_run(outcome.folder).labels == ("body", "work", "people")


def test_an_auxiliary_set_learns_by_likelihood_whatever_the_main_loss_is(tiny_config, tiny_multilabel):
    config = tiny_config(
        auxiliary=(str(tiny_multilabel),), batch=BatchConfig(size=7, per_class=2), **OPTIONS["gamblers"]
    )
    losses = [float(row["loss"]) for row in log(run(config)) if row["kind"] == "step"]
    assert np.isfinite(losses).all()


def test_each_batch_of_an_accumulated_step_learns_an_auxiliary_batch_of_its_own(
    tiny_config, tiny_multilabel, monkeypatch
):
    turns = []
    batch_of = AuxiliaryTask.batch
    monkeypatch.setattr(AuxiliaryTask, "batch", lambda self, turn: turns.append(turn) or batch_of(self, turn))
    trainer = replace(tiny_config().trainer, accumulate=3, epochs=1)
    run(tiny_config(auxiliary=(str(tiny_multilabel),), trainer=trainer, batch=BatchConfig(size=3)))
    assert len(turns) > 3
    assert turns == list(range(len(turns)))


def test_the_auxiliary_part_is_logged(tiny_config, tiny_multilabel):
    outcome = run(tiny_config(auxiliary=(str(tiny_multilabel),), auxiliary_weight=0.5))
    for row in log(outcome):
        if row["kind"] == "step":
            parts = [float(row[name]) for name in ("loss/classification", "loss/contrastive", "loss/auxiliary")]
            total = parts[0] + float(row["contrastive_weight"]) * parts[1] + 0.5 * parts[2]
            assert float(row["loss"]) == pytest.approx(total, rel=1e-5)


def test_another_process_does_not_wait_in_a_complete_run(tiny_config, monkeypatch):
    trainer = TrainerConfig(epochs=1, accelerator="cpu", precision="fp32", devices=2)
    config = tiny_config(trainer=trainer)
    monkeypatch.setattr("mhclf.training.run.train_network", lambda *arguments: pytest.fail("waits for the first"))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setattr(RunFolder, "complete", True)
    monkeypatch.setattr("mhclf.training.run._records", lambda folder: ())
    assert run(config).was_complete


@pytest.mark.parametrize(
    ("processor", "dot", "tiles", "precision"),
    [
        ("AMD EPYC 9654", True, False, "bf16"),
        ("Intel(R) Xeon(R) Processor", True, True, "bf16"),
        # Slower there than fp32.
        ("Intel(R) Xeon(R) Processor", True, False, "fp32"),
        ("AMD EPYC 7763", False, False, "fp32"),
    ],
)
def test_auto_is_the_faster_precision_of_the_processor(processor, dot, tiles, precision, monkeypatch):
    monkeypatch.setattr("mhclf.training.environment._processor", lambda: processor)
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: dot)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: tiles)
    assert resolve_precision(TrainerConfig(accelerator="cpu")) == precision
    assert resolve_precision(TrainerConfig(accelerator="cpu", precision="bf16")) == "bf16"
