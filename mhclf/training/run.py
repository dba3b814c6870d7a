"""One run from start to artefacts: data, folder, model, predictions, records, figures, report."""

import logging
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from mhclf.config.dataset import DatasetConfig
from mhclf.config.run import RunConfig
from mhclf.config.source import is_table_file
from mhclf.data.audit import findings_as_json, findings_of, survey
from mhclf.data.audit.reading import read_share
from mhclf.data.locate import dataset_yaml
from mhclf.data.shown import mask_shown
from mhclf.data.table import PostTable
from mhclf.errors import RunError
from mhclf.models.encoder import layer_names, load_tokenizer
from mhclf.models.linear import fit_linear
from mhclf.models.weights import EncoderSource, resolve_encoder
from mhclf.results.derived import derived_records
from mhclf.results.files import write_text
from mhclf.results.records import ResultRecord, write_records
from mhclf.training.checks import check_settings
from mhclf.training.environment import (
    describe_environment,
    resolve_attention,
    resolve_precision,
    shares_steps,
    training_device,
    worker_rank,
)
from mhclf.training.fit import Extension, FitJob, Fitted, fit_network, train_network
from mhclf.training.folder import RunFolder, run_folder
from mhclf.training.model_folder import save_network_folder
from mhclf.training.outcome import (
    layer_summary,
    layer_weight_frame,
    majority_probabilities,
    pair_summary,
    prediction_frame,
    representation_frame,
    result_records,
)
from mhclf.training.predict import Scored, predict_network
from mhclf.training.prepared import PreparedData, prepare_data

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunOutcome:
    """A finished run: its folder, its records, and whether it was complete before."""

    folder: Path
    records: tuple[ResultRecord, ...]
    was_complete: bool


def run(config: RunConfig, overwrite: bool = False, extension: Extension | None = None) -> RunOutcome:
    """Carry out one run, go on with a stopped one, or return a complete one.

    Parameters
    ----------
    config : RunConfig
    overwrite : bool
        Start afresh even where a run of the same configuration and data exists.
    extension : Extension, optional
        What is learnt with the network in one process.

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    config, source, data, folder = _resolve(config, extension)
    if shares_steps(config.trainer) and worker_rank():
        # The first process finds a complete run complete, too, and asks for no help.
        if folder.complete and not overwrite:
            return RunOutcome(folder.path, _records(folder), was_complete=True)
        return _help_train(config, source, data, folder)
    with folder.locked():
        if overwrite:
            _clear(folder)
        if folder.complete:
            if lacks_report(config, folder) or config.mask_identifiers:
                _draw(folder, data.table, config.mask_identifiers)
            logger.info("%s is complete; --overwrite starts it afresh.", folder.path)
            return RunOutcome(folder.path, _records(folder), was_complete=True)
        records = _carry_out(config, source, data, folder, extension)
        return RunOutcome(folder.path, records, was_complete=False)


def outcome_of(folder: RunFolder) -> RunOutcome:
    """Return the outcome of a complete run.

    Raises
    ------
    MhclfError
        If its records are missing or damaged.
    """
    return RunOutcome(folder.path, _records(folder), was_complete=True)


def lacks_report(config: RunConfig, folder: RunFolder) -> bool:
    """Return whether a start of the complete run would still draw its report."""
    return config.report and not (folder.path / "report.html").is_file()


def _resolve(
    config: RunConfig, extension: Extension | None = None
) -> tuple[RunConfig, EncoderSource, PreparedData, RunFolder]:
    """Check what can be checked before work starts, and find the folder."""
    source = checked_source(config)
    data = prepare_data(config)
    config, folder = folder_of(config, source, data.table.config, data.manifest, extension)
    return config, source, data, folder


def checked_source(config: RunConfig) -> EncoderSource:
    """Return the encoder of a run whose settings go together.

    Raises
    ------
    ConfigError
        If they do not, or there is no such encoder.
    """
    check_settings(config)
    return EncoderSource("tfidf", "", True) if config.model.kind == "tfidf_lr" else resolve_encoder(config.encoder)


def folder_of(
    config: RunConfig,
    source: EncoderSource,
    dataset: DatasetConfig,
    manifest: Mapping[str, Any],
    extension: Extension | None = None,
) -> tuple[RunConfig, RunFolder]:
    """Return the configuration with the data set's defaults, and the folder of its run.

    Parameters
    ----------
    config : RunConfig
    source : EncoderSource
        From `checked_source`.
    dataset, manifest
        Of the prepared data.
    extension : Extension, optional
    """
    # The YAML's defaults become part of the resolved configuration, and so of the hash.
    config = replace(config, max_length=config.max_length or dataset.max_length)
    hashes = [manifest["hashes"]["data"], *(item["data"] for item in manifest.get("auxiliary", {}).values())]
    if extension is not None:
        hashes.append(extension.identity(dataset, manifest["hashes"]))
    return config, run_folder(config, dataset, source, "".join(hashes), _method(config, extension))


def _method(config: RunConfig, extension: Extension | None) -> str:
    """Return what records and the run folder call the method."""
    return config.method if extension is None else f"{config.method}+{extension.name}"


def _carry_out(
    config: RunConfig,
    source: EncoderSource,
    data: PreparedData,
    folder: RunFolder,
    extension: Extension | None,
) -> tuple[ResultRecord, ...]:
    """Do the work of a run whose folder is locked."""
    start, start_cpu = time.perf_counter(), time.process_time()
    # A run that an earlier version began has no time of the processor, and gets none.
    earlier = {"seconds": 0.0} | (folder.status() or {"cpu_seconds": 0.0})
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    max_length = int(config.max_length or data.table.config.max_length)
    attention = resolve_attention(config, max_length)
    folder.write_config(config)
    if is_table_file(config.data):
        write_text(folder.path / "dataset.yaml", dataset_yaml(data.table.config))
    folder.write_json("environment.json", describe_environment(resolve_precision(config.trainer), attention))
    folder.write_json("data_manifest.json", _with_survey(data, source, config))

    def note_time(state: str = "running") -> None:
        spent = {"seconds": time.perf_counter() - start, "cpu_seconds": time.process_time() - start_cpu}
        total = {key: round(float(earlier[key]) + value, 1) for key, value in spent.items() if key in earlier}
        folder.write_json("status.json", {"state": state} | total)

    note_time()
    parts = {split: data.table.part(split) for split in ("validation", "test")}
    if not config.test:
        del parts["test"]
    evaluated = {split: part for split, part in parts.items() if len(part)}
    if config.model.kind == "tfidf_lr":
        scored = _run_linear(data.table, evaluated, folder)
    else:
        fitted = fit_network(
            FitJob(data.table, config, source, attention, max_length, folder, note_time, data.auxiliary, extension)
        )
        scored = _run_network(fitted, config, evaluated, folder, max_length, extension)
    frames = [
        prediction_frame(part, scored[split].probabilities, scored[split].reservation)
        for split, part in evaluated.items()
    ]
    pd.concat(frames, ignore_index=True).to_parquet(folder.path / "predictions.parquet", index=False)
    identity = {
        "run": folder.path.name,
        "dataset": data.table.config.name,
        "method": _method(config, extension),
        "encoder": source.name,
        "seed": config.seed,
        "protocol": config.protocol,
        "data_hash": data.manifest["hashes"]["data"],
    }
    records = [
        record
        for split, part in evaluated.items()
        for record in result_records(part, scored[split].probabilities, identity)
    ]
    records += derived_records(folder.path, identity)
    records += _baseline_records(data.table, evaluated, identity)
    write_records(folder.path / "results.jsonl", records)
    if config.report:
        _draw(folder, data.table, config.mask_identifiers)
    if not config.trainer.keep_checkpoints:
        shutil.rmtree(folder.checkpoints, ignore_errors=True)
    note_time("complete")
    return tuple(records)


def _help_train(config: RunConfig, source: EncoderSource, data: PreparedData, folder: RunFolder) -> RunOutcome:
    """Take part in the training of another process, which alone writes the run folder."""
    if config.trainer.threads:
        torch.set_num_threads(config.trainer.threads)
    max_length = int(config.max_length or data.table.config.max_length)
    attention = resolve_attention(config, max_length)
    train_network(FitJob(data.table, config, source, attention, max_length, folder, lambda: None, data.auxiliary))
    return RunOutcome(folder.path, (), was_complete=False)


def _with_survey(data: PreparedData, source: EncoderSource, config: RunConfig) -> dict[str, Any]:
    """Return the manifest with all that the audit counts in the rows that are used."""
    table = data.table
    read = None
    if source.location and config.long.strategy == "head":
        length = int(config.max_length or table.config.max_length)
        read = read_share(table.texts, table.rationales, load_tokenizer(source), source.name, length)
    numbers = survey(table, read)
    findings = findings_of(numbers)
    for finding in findings:
        if finding.severity == "warning":
            logger.info("audit: %s", finding.message)
    return data.manifest | {
        "findings": data.manifest["findings"] + findings_as_json(findings),
        "audit": numbers.as_json(),
    }


def _run_linear(table: PostTable, evaluated: dict[str, PostTable], folder: RunFolder) -> dict[str, Scored]:
    train = table.part("train")
    model = fit_linear(table.config.task, table.labels, train.texts_in_context, train.targets)
    model.save(folder.model)
    return {split: Scored(model.probabilities(part.texts_in_context)) for split, part in evaluated.items()}


def _run_network(
    fitted: Fitted,
    config: RunConfig,
    evaluated: dict[str, PostTable],
    folder: RunFolder,
    max_length: int,
    extension: Extension | None,
) -> dict[str, Scored]:
    save_network_folder(fitted.network, fitted.tokenizer, max_length, folder.model)
    # Predicted where it was trained; everything else works on the CPU's copy.
    fitted.network.to(training_device(config.trainer))
    predictions = {
        split: predict_network(
            fitted.network, fitted.tokenizer, part.texts, max_length, config.batch, part.contexts, config.long
        )
        for split, part in evaluated.items()
    }
    fitted.network.cpu()
    shown = "test" if "test" in evaluated else "validation"
    if predictions[shown].layer_weights is not None:
        names = layer_names(fitted.network.encoder)
        weights = [layer_weight_frame(evaluated[split], item, names) for split, item in predictions.items()]
        pd.concat(weights, ignore_index=True).to_parquet(folder.path / "layer_weights.parquet", index=False)
        folder.write_json("layers.json", layer_summary(predictions[shown], evaluated[shown], names))
    frame, description = representation_frame(evaluated[shown], predictions[shown])
    frame.to_parquet(folder.path / "representation.parquet", index=False)
    folder.write_json("representation.json", description)
    if evaluated[shown].targets.ndim == 1:
        folder.write_json("class_pairs.json", pair_summary(evaluated[shown], predictions[shown]))
    if extension is not None:
        extension.finish(folder, evaluated, predictions)
    return {split: Scored(item.probabilities, item.reservation) for split, item in predictions.items()}


def _baseline_records(
    table: PostTable, evaluated: dict[str, PostTable], identity: dict[str, Any]
) -> list[ResultRecord]:
    """Majority and, beside a neural run, the linear baseline, on the same rows."""
    train = table.part("train")
    records = []
    model = None
    if identity["method"] != "tfidf_lr":
        model = fit_linear(table.config.task, table.labels, train.texts_in_context, train.targets)
    for part in evaluated.values():
        majority = identity | {"method": "majority", "encoder": "none"}
        records += result_records(part, majority_probabilities(train, len(part)), majority)
        if model is not None:
            linear = identity | {"method": "tfidf_lr", "encoder": "tfidf"}
            records += result_records(part, model.probabilities(part.texts_in_context), linear)
    return records


def _draw(folder: RunFolder, table: PostTable, masked: bool) -> None:
    # Plotting libraries load only when a run has something to draw.
    from mhclf.results import draw_run_figures, write_model_card, write_report

    draw_run_figures(folder.path)
    texts = map(mask_shown, table.texts) if masked else table.texts
    write_report(folder.path, dict(zip(table.frame["id"], texts, strict=True)))
    write_model_card(folder.path)


def _records(folder: RunFolder) -> tuple[ResultRecord, ...]:
    from mhclf.results.records import read_records

    path = folder.path / "results.jsonl"
    records = tuple(read_records(path))
    if not records:
        raise RunError(f"{path}: holds no record, though the run is complete. Start it afresh with --overwrite.")
    return records


def _clear(folder: RunFolder) -> None:
    for item in folder.path.iterdir():
        if item.name == ".lock":
            continue
        if item.is_dir() and not item.is_symlink():
            shutil.rmtree(item)
        else:
            item.unlink()
