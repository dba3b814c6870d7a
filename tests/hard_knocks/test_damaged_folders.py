"""Every file of a run folder damaged in every way: whoever reads it gives one expected error that says where."""

import random
import shutil
from dataclasses import replace

import pandas as pd
import pytest
from support import LINEAR

from explain.run import explain_run, read_run_fidelity
from mhclf.config.run import BatchConfig, RunConfig, TrainerConfig
from mhclf.config.suite import PlannedCell
from mhclf.errors import MhclfError, RunError, disk_fault
from mhclf.results.card import write_model_card
from mhclf.results.compare import read_runs
from mhclf.results.report import write_report
from mhclf.training.located import locate
from mhclf.training.robustness import measure_robustness
from mhclf.training.run import run
from mhclf.training.saved import load_run, read_predictions
from mhclf.training.suite_records import gather
from mhclf.training.suite_work import complete_only
from mhclf.training.texts import texts_of_run
from mhclf.training.transfer import evaluate_on

pytestmark = pytest.mark.filterwarnings("ignore::mhclf.errors.MhclfWarning")


def flipped(content):
    changed = bytearray(content)
    draw = random.Random(7)
    for _ in range(max(3, len(changed) // 200)):
        changed[draw.randrange(len(changed))] ^= 1 << draw.randrange(8)
    return bytes(changed)


def write(make):
    def damage(path):
        path.write_bytes(make(path.read_bytes()))

    return damage


def another_table(path):
    pd.DataFrame({"id": ["a"], "split": ["test"]}).to_parquet(path)


def other_types(path):
    if path.suffix != ".parquet":
        return write(lambda content: content.replace(b'"', b"", 1))(path)
    frame = pd.read_parquet(path)
    frame.assign(**{column: "x" for column in frame.columns if column not in ("id", "split", "group")}).to_parquet(path)


def a_folder(path):
    path.unlink()
    path.mkdir()


DAMAGES = {
    "empty": write(lambda content: b""),
    "cut": write(lambda content: content[: len(content) // 2]),
    "flipped": write(flipped),
    "list": write(lambda content: b"[]\n"),
    "null": write(lambda content: b"null\n"),
    "number": write(lambda content: b"5\n"),
    "mapping": write(lambda content: b"{}\n"),
    "nested": write(lambda content: b"[" * 100_000),
    "binary": write(lambda content: b"\xff\xfe\x00\x81" * 9),
    "another table": another_table,
    "other types": other_types,
    "folder": a_folder,
    "gone": lambda path: path.unlink(),
}


@pytest.fixture(scope="module")
def runs(marked, encoder_folder, tmp_path_factory):
    """Return the configurations and folders of an explained linear run and of a neural one."""
    base = RunConfig(
        data=str(marked),
        encoder=str(encoder_folder("bert")),
        out=str(tmp_path_factory.mktemp("runs")),
        report=False,
        batch=BatchConfig(size=16),
        trainer=TrainerConfig(epochs=1, accelerator="cpu", precision="fp32"),
    )
    linear = replace(base, **LINEAR)
    configs = {"linear": linear, "network": base}
    folders = {name: run(config).folder for name, config in configs.items()}
    measure_robustness(folders["linear"], ["typos"], 0.1, 0)
    explain_run(folders["linear"], ("occlusion",), 2, faithful=False)
    return configs, folders


def actions(config, folder, data):
    """Return what reads a run folder, by name."""
    cell = PlannedCell(config, "tfidf_lr")
    return {
        "load": lambda: load_run(folder),
        "predictions": lambda: read_predictions(folder),
        "transfer": lambda: evaluate_on(folder, data),
        "noise": lambda: measure_robustness(folder, ["typos"], 0.1, 0),
        "explain": lambda: explain_run(folder, ("occlusion",), 2, faithful=False),
        "fidelity": lambda: read_run_fidelity(folder),
        "texts": lambda: texts_of_run(folder),
        "report": lambda: write_report(folder, {}),
        "card": lambda: write_model_card(folder),
        "compare": lambda: read_runs([folder, folder]),
        "train": lambda: run(config),
        "suite": lambda: gather(complete_only(locate([cell]))),
    }


def faults(config, folder, data, names=None):
    """Return the actions, all or those named, that end with anything but a result or an expected error about it."""
    found = {}
    for name, action in actions(config, folder, data).items():
        if names is not None and name not in names:
            continue
        try:
            action()
        except MhclfError as error:
            if str(folder) not in str(error):
                found[name] = f"says not where: {error}"
        except Exception as error:
            # What the system says of a path, the doors say in one message.
            if disk_fault(error) is None:
                found[name] = repr(error)[:200]
    return found


FILES = (
    "config.yaml", "data_manifest.json", "environment.json", "status.json", "predictions.parquet", "results.jsonl",
    "temperature.json", "model/linear.json", "model/linear.safetensors", "robustness/robustness.json",
)  # fmt: skip


def harmed(runs, data, out, file, damages):
    """Return damage -> the actions that go wrong in a copy of the linear run with one damaged file."""
    configs, folders = runs
    found = {}
    for name in damages:
        folder = out / name / "tiny" / folders["linear"].name
        shutil.copytree(folders["linear"], folder)
        DAMAGES[name](folder / file)
        found[name] = faults(replace(configs["linear"], out=str(out / name)), folder, data)
        shutil.rmtree(out / name)
    return {name: wrong for name, wrong in found.items() if wrong}


@pytest.mark.parametrize("file", FILES)
def test_two_kinds_of_damage(runs, marked, tmp_path, file):
    damages = random.Random(file).sample(sorted(DAMAGES), 2)
    assert harmed(runs, str(marked), tmp_path, file, damages) == {}


@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
def test_every_kind_of_damage(runs, marked, tmp_path, file):
    assert harmed(runs, str(marked), tmp_path, file, DAMAGES) == {}


# What only a neural run has.

NEURAL_FILES = (
    "representation.parquet", "representation.json", "training_log.csv", "layers.json", "class_pairs.json",
    "predictions.parquet", "results.jsonl",
)  # fmt: skip
READERS = ("load", "predictions", "report", "card", "compare", "suite")


def harmed_network(runs, data, out, file, damages):
    """Return what `harmed` does, for the neural run and what reads its files without predicting anything."""
    configs, folders = runs
    found = {}
    assert (folders["network"] / file).is_file()
    for name in damages:
        folder = out / name / "tiny" / folders["network"].name
        shutil.copytree(folders["network"], folder)
        DAMAGES[name](folder / file)
        found[name] = faults(replace(configs["network"], out=str(out / name)), folder, data, READERS)
        shutil.rmtree(out / name)
    return {name: wrong for name, wrong in found.items() if wrong}


def test_a_neural_run_unharmed_and_with_words_for_numbers(runs, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(runs[1]["network"], folder)
    assert write_report(folder, {}).is_file()
    table, log = folder / "representation.parquet", folder / "training_log.csv"
    kept, lines = table.read_bytes(), log.read_text()
    pd.read_parquet(table).assign(x="far", gold=1).to_parquet(table)
    for path, wrong in ((table, "'x', 'gold'"), (log, "'epoch'")):
        with pytest.raises(RunError) as error:
            write_report(folder, {})
        assert str(error.value) == (
            f"{path}: the columns {wrong} hold other values than the run wrote. Run it again with --overwrite."
        )
        table.write_bytes(kept)
        log.write_text(lines.replace("step,0,", "step,first,"))


@pytest.mark.parametrize("file", NEURAL_FILES)
def test_a_neural_run_with_other_types(runs, marked, tmp_path, file):
    assert harmed_network(runs, str(marked), tmp_path, file, ["other types"]) == {}


@pytest.mark.slow
@pytest.mark.parametrize("file", NEURAL_FILES)
def test_a_neural_run_with_every_kind_of_damage(runs, marked, tmp_path, file):
    assert harmed_network(runs, str(marked), tmp_path, file, DAMAGES) == {}
