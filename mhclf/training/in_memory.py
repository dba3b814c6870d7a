"""Training without files: a table in, a run in memory out; runs written to and read from any folder."""

import json
import tempfile
from pathlib import Path

import torch

from mhclf.config.run import RunConfig
from mhclf.config.structure import to_mapping
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.models.linear import fit_linear
from mhclf.models.weights import EncoderSource, resolve_encoder
from mhclf.results.files import write_text
from mhclf.training.checks import check_data, check_settings
from mhclf.training.environment import resolve_attention, shares_steps
from mhclf.training.fit import FitJob, fit_network
from mhclf.training.folder import RunFolder
from mhclf.training.model_folder import save_network_folder
from mhclf.training.saved import Run, load_run

_NOWHERE = Path("in-memory")


def fit_table(table: PostTable, config: RunConfig) -> Run:
    """Train on the train rows of a table, choose by its validation rows, and leave no file behind.

    Notes
    -----
    The linear baseline needs no validation and is fitted on all rows. The state of torch's random numbers is that of
    before.
    """
    labels, task = table.labels, table.config.task
    if config.model.kind == "tfidf_lr":
        linear = fit_linear(task, labels, table.texts, table.targets)
        return Run(_NOWHERE, config, labels, task, linear=linear, repair=table.config.repair)
    if config.auxiliary:
        raise ConfigError(
            f"auxiliary: '{config.method}' learns other data sets beside this one, which posts in memory have not. "
            "Choose another method, or use experiments/train.py."
        )
    if shares_steps(config.trainer):
        raise ConfigError(
            "trainer: devices: posts in memory are learnt by one process. Leave it 1, or use experiments/train.py."
        )
    check_settings(config)
    check_data(config, table)
    source: EncoderSource = resolve_encoder(config.encoder)
    max_length = table.config.max_length
    attention = resolve_attention(config, max_length)
    devices = range(torch.cuda.device_count())
    with tempfile.TemporaryDirectory(prefix="mhclf-") as folder, torch.random.fork_rng(devices):
        fitted = fit_network(
            FitJob(table, config, source, attention, max_length, RunFolder(Path(folder)), lambda: None)
        )
    fitted.tokenizer.model_max_length = max_length
    return Run(_NOWHERE, config, labels, task, fitted.network, fitted.tokenizer, repair=table.config.repair)


def save_run(run: Run, folder: Path) -> None:
    """Write what `load_run` needs: settings, labels, model."""
    target = RunFolder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    target.write_config(run.config)
    manifest = {"name": "in-memory", "task": run.task, "labels": list(run.labels), "repair": run.repair}
    target.write_json("data_manifest.json", manifest)
    if run.linear is not None:
        run.linear.save(target.model)
    else:
        network, tokenizer = run.parts()
        save_network_folder(network, tokenizer, run.max_length, target.model)


def pack_run(run: Run) -> dict[str, bytes]:
    """Return the files of `save_run` by their names: JSON, YAML and safetensors, no pickle."""
    with tempfile.TemporaryDirectory(prefix="mhclf-") as name:
        folder = Path(name)
        save_run(run, folder)
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def unpack_run(files: dict[str, bytes]) -> Run:
    """Return the run that `pack_run` packed."""
    with tempfile.TemporaryDirectory(prefix="mhclf-") as name:
        for file, content in files.items():
            path = Path(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        run = load_run(name)
    return Run(_NOWHERE, run.config, run.labels, run.task, run.network, run.tokenizer, run.linear, run.repair)


def write_settings(path: Path, content: dict[str, object]) -> None:
    """Write plain values as JSON."""
    write_text(path, json.dumps(to_mapping(content), indent=1, ensure_ascii=False) + "\n")
