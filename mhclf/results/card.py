"""The model card of a run, with the front matter that the Hugging Face hub reads."""

import os
import re
from pathlib import Path
from typing import Any

import yaml

from mhclf.results.escape import escape_markdown, plain
from mhclf.results.files import write_text
from mhclf.results.layers import layer_sentences
from mhclf.results.pairs import pairs_sentence
from mhclf.results.part_tables import calibration_sentence, risk_level_table, risk_sentences
from mhclf.results.records import ResultRecord
from mhclf.results.robustness_table import robustness_sentence
from mhclf.results.runfolder import RunFiles, read_run
from mhclf.results.summary import (
    UNSET,
    counts_table,
    findings_table,
    flatten,
    headline,
    headline_sentences,
    main_records,
    metric_name,
    own_encoder,
    own_method,
    results_table,
)
from mhclf.results.tables import Column, Table, to_markdown

_HUB_METRICS = {
    "accuracy": "accuracy", "balanced_accuracy": "balanced_accuracy", "mcc": "matthews_correlation",
    "auroc": "roc_auc", "macro_f1": "f1", "weighted_f1": "f1", "micro_f1": "f1", "positive_f1": "f1",
    "samples_f1": "f1", "macro_precision": "precision", "macro_recall": "recall",
}  # fmt: skip
_AVERAGES = {"macro_f1": "macro", "weighted_f1": "weighted", "micro_f1": "micro", "positive_f1": "binary",
             "samples_f1": "samples", "macro_precision": "macro", "macro_recall": "macro"}  # fmt: skip
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_PATHS = re.compile(r"(^|[._])(out|root|path|dir|folder|file)s?$|(^|_)data_root$")
_FEW = 30
_INTENDED = (
    "For research on text classification and on explanations of it: comparing methods, studying errors, checking what "
    "a model goes by. A label says what annotators would write beside a text, not what state its author is in."
)
_OUT_OF_SCOPE = (
    "- It is not a diagnostic device and was not assessed as one.\n"
    "- Do not use it for decisions about individuals, to rank people, or to start or withhold help.\n"
    "- Do not use it to watch people, or on texts of people who would not expect it.\n"
    "- No clinical, crisis or moderation use: nothing here says how it errs there."
)


def write_model_card(folder: str | os.PathLike[str]) -> Path:
    """Write the `MODEL_CARD.md` of a run folder.

    Parameters
    ----------
    folder : path-like
        The run folder.

    Returns
    -------
    pathlib.Path
        The card: YAML front matter with a model index, then sections for readers. It holds no post text and
        no path of this machine.

    Raises
    ------
    RunError, DataError
        As in `read_run`.
    """
    run = read_run(folder)
    sections = [
        ("", _opening(run)),
        ("Intended use", _INTENDED),
        ("Out-of-scope use", _OUT_OF_SCOPE),
        ("How to load it", _loading(run)),
        ("Data", _data(run)),
        ("Training", _training(run)),
        ("Results", _results(run)),
        ("Layers", " ".join(map(escape_markdown, layer_sentences(run.layers))) if run.layers else ""),
        ("Limits", _limits(run)),
        ("Ethics", _ethics(run)),
        ("Citation", _citation(run)),
    ]
    body = [f"## {title}\n\n{text.strip()}" if title else text.strip() for title, text in sections if text]
    return write_text(run.folder / "MODEL_CARD.md", front_matter(run) + "\n" + "\n\n".join(body) + "\n")


def front_matter(run: RunFiles) -> str:
    """Return the YAML between two lines of dashes; it claims no licence, the data's is not the model's."""
    manifest, encoder = run.manifest, own_encoder(run)
    records = [record for record in main_records(run) if record.slice == "all" and record.value is not None]
    types = list(dict.fromkeys(_HUB_METRICS.get(record.metric, record.metric) for record in records))
    metadata: dict[str, Any] = {
        "language": manifest.language,
        "library_name": "mhclf",
        "pipeline_tag": "text-classification",
        "tags": ["mental-health", "text-classification", manifest.task, "research", plain(own_method(run))],
        "datasets": [plain(manifest.name)],
    }
    if _HUB_NAME.fullmatch(encoder):
        metadata["base_model"] = encoder
    if types:
        metadata["metrics"] = types
        metadata["model-index"] = [{"name": run.folder.name, "results": [{
            "task": {"type": "text-classification", "name": f"{manifest.task} text classification"},
            "dataset": {"type": plain(manifest.name), "name": plain(manifest.title or manifest.name),
                        "split": run.split},
            "metrics": [_hub_metric(record) for record in records],
        }]}]  # fmt: skip
    return f"---\n{yaml.safe_dump(metadata, sort_keys=False, allow_unicode=True, width=100)}---\n"


def _hub_metric(record: ResultRecord) -> dict[str, Any]:
    """Return one number of the model index."""
    kind = _HUB_METRICS.get(record.metric, record.metric)
    entry: dict[str, Any] = {"type": kind, "name": metric_name(record.metric), "value": record.value}
    if record.metric in _AVERAGES:
        entry["args"] = {"average": _AVERAGES[record.metric]}
    return entry


def _opening(run: RunFiles) -> str:
    """Return heading and first paragraph."""
    manifest = run.manifest
    labels = ", ".join(escape_markdown(label) for label in manifest.labels)
    method, encoder = escape_markdown(own_method(run)), escape_markdown(own_encoder(run))
    title = escape_markdown(manifest.title or manifest.name)
    on = f" on the encoder {encoder}" if encoder and not _linear(run) else ""
    return (
        f"# {title}: {method}\n\nA {manifest.task} text classifier trained with the method {method}{on}. "
        f"It gives a probability to each of {len(manifest.labels)} labels: {labels}."
    )


def _loading(run: RunFiles) -> str:
    """Return the lines of Python that load the model."""
    if _linear(run):
        lines = ["import mhclf", "", 'run = mhclf.load_run("path/to/this/folder")',
                 'probabilities = run.predict_proba(["a text"])']  # fmt: skip
    else:
        lines = [
            "import mhclf.hf  # makes the model class known to transformers",
            "from transformers import AutoModelForSequenceClassification, AutoTokenizer", "",
            'tokenizer = AutoTokenizer.from_pretrained("path/to/this/folder/model")',
            'model = AutoModelForSequenceClassification.from_pretrained("path/to/this/folder/model")',
            'logits = model(**tokenizer(["a text"], truncation=True, return_tensors="pt")).logits',
        ]  # fmt: skip
    if "explanation" in run.config:
        lines += ["", "from mhclf.generation.joint import load_joint", ""]
        lines += ['label, probabilities, explanation = load_joint("path/to/this/folder").explain(["a text"])[0]']
    return "\n".join(["```python", *lines, "```"])


def _data(run: RunFiles) -> str:
    """Return counts, licence, protocol and findings."""
    manifest = run.manifest
    parts = [
        f"Data set `{_code(manifest.name)}`, protocol {escape_markdown(manifest.protocol or UNSET)}.",
        to_markdown(counts_table(manifest)),
        f"Licence of the data: {escape_markdown(manifest.licence or 'not stated')}. "
        "The licence of this model is not set here: check the terms of "
        "the data and of the encoder before you publish it.",
    ]
    if manifest.access:
        parts.append(f"Access: {escape_markdown(manifest.access)}")
    findings = findings_table(manifest)
    parts.append(to_markdown(findings) if findings else "The audit of the data found nothing.")
    if manifest.hashes.get("data"):
        parts.append(f"SHA-256 of the rows: `{_code(str(manifest.hashes['data']))}`.")
    return "\n\n".join(part.strip() for part in parts)


def _training(run: RunFiles) -> str:
    """Return the settings that are set, without paths, and the main versions."""
    rows = tuple(
        (key, value) for key, value in flatten(run.config)
        if value not in ("", UNSET) and not _PATHS.search(key) and not value.startswith("\u2026/")
    )  # fmt: skip
    settings = to_markdown(Table("", (Column("setting"), Column("value")), rows))
    shown = ("python", "versions.", "packages.", "precision", "attention", "gpu", "git.commit")
    environment = [
        f"{escape_markdown(key)} {escape_markdown(value)}" for key, value in flatten(run.environment)
        if key.startswith(shown) and value != UNSET
    ]  # fmt: skip
    return settings + ("\nEnvironment: " + ", ".join(environment) + "." if environment else "")


def _results(run: RunFiles) -> str:
    """Return the headline in words, the table of results, and a sentence on each further finding that there is."""
    table, risk = results_table(run), risk_level_table(run)
    parts = [escape_markdown(" ".join(headline_sentences(run)))]
    if table.rows:
        parts.append(to_markdown(table))
    if calibration := calibration_sentence(run):
        parts.append(f"Calibration: {escape_markdown(calibration)}")
    if sentences := risk_sentences(run):
        parts.append(f"High risk: {escape_markdown(' '.join(sentences))}")
        parts += [to_markdown(risk)] if risk else []
    if pairs := pairs_sentence(run.pairs):
        parts.append(f"Confusable pairs: {escape_markdown(pairs)}")
    if run.robustness is not None:
        parts.append(f"Robustness: {escape_markdown(robustness_sentence(run.robustness))}")
    return "\n\n".join(part.strip() for part in parts)


def _limits(run: RunFiles) -> str:
    """Return what the numbers do not cover."""
    manifest, record = run.manifest, headline(run)
    limits = [
        f"Measured on one data set ({escape_markdown(manifest.name)}), language "
        f"`{_code(manifest.language)}`; other platforms, periods and people may give other numbers.",
        "One seed; the intervals cover the choice of posts, not that of the seed.",
        "Probabilities fit the class shares of the training data; see the reliability diagram before use.",
    ]
    counts = manifest.class_counts.get(run.split, {})
    few = [f"{escape_markdown(label)} ({counts.get(label, 0)})" for label in manifest.labels
           if counts and counts.get(label, 0) < _FEW]  # fmt: skip
    if few:
        limits.append(f"Fewer than {_FEW} {run.split} posts, so these labels have uncertain numbers: {', '.join(few)}.")
    if record is not None and record.value is not None and record.ci_low is None:
        limits.append("No interval was computed for the headline number.")
    if _linear(run):
        limits.append(
            "The model's vocabulary, `model/linear.json`, holds words and pairs of words that stand in two or more "
            "training posts; names that people use may be among them."
        )
    if run.split != "test":
        limits.append("The test set was not opened; the numbers are those of the validation split.")
    return "\n".join(f"- {limit}" for limit in limits)


def _ethics(run: RunFiles) -> str:
    """Return what holds for every such model, and what the data set adds."""
    general = (
        "The texts were often written by people in distress who did not know that they would be studied. "
        "Do not try to find them and do not quote their posts. A model like this can be turned against those "
        "it was trained on: think of who may use it before you pass it on."
    )
    own = escape_markdown(run.manifest.ethics)
    return f"{general}\n\n{own}" if own else general


def _citation(run: RunFiles) -> str:
    """Return what to cite."""
    citation = escape_markdown(run.manifest.citation)
    return (f"Data: {citation}\n\n" if citation else "") + "Software: mhclf."


def _linear(run: RunFiles) -> bool:
    """Return whether the run is the linear baseline, which transformers cannot load."""
    model = run.config.get("model")
    return "tfidf_lr" in (run.method, own_method(run), model.get("kind") if isinstance(model, dict) else None)


def _code(text: str) -> str:
    """Return text for a code span."""
    return plain(text).replace("`", "'")
