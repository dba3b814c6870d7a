"""Measuring the explanations of a finished run, beside two that need no model."""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mhclf.config.generation import GenerationConfig
from mhclf.config.joint import read_run_config
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.data.audit import leaks_of
from mhclf.data.load import load_table
from mhclf.data.shown import mask_shown
from mhclf.data.spans import marked_words
from mhclf.data.spans import words as split_words
from mhclf.data.subsets import limit_rows
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError, RunError
from mhclf.generation.added_measures import (
    Attributed,
    add_attributions,
    add_bert_scores,
    add_consistencies,
    add_likelihoods,
)
from mhclf.generation.generated_rows import read_generated
from mhclf.generation.measuring import (
    Explanations,
    Measured,
    common_explanations,
    first_sentence,
    measure_of,
    overlap_measures,
    paired_differences,
    summarise,
)
from mhclf.generation.page import write_generations
from mhclf.generation.safety_flags import flag_rates
from mhclf.generation.tables import explanation_table
from mhclf.generation.wording import wording_of
from mhclf.results.explained import COMMON, FIRST_SENTENCE, GENERATED, Measure
from mhclf.results.files import write_text
from mhclf.results.report import write_report
from mhclf.training.prepared import prepare_data


def measure_run(
    folder: Path,
    encoder: str = "minilm",
    likelihood: str = "",
    attributions: Attributed | None = None,
    data_root: str | None = None,
    mask_identifiers: bool = False,
) -> Measured:
    """Measure the explanations of a prompting or a joint run.

    Writes `explanations.jsonl` (numbers), `explanation_notes.json` (by which models, references and directions) and
    `generations.html` (rows, with these numbers) into its folder.

    Parameters
    ----------
    folder : Path
        Of a run that was asked to explain.
    encoder : str
        For BERTScore; '' leaves it out.
    likelihood : str
        Language model for the likelihood of explanations given their posts; '' leaves it out.
    attributions : Attributed, optional
        What a classifier looked at: whether the text cites it. From `read_attributed`, or `explain.generated`.
    data_root : str, optional
    mask_identifiers : bool
        Replace e-mail and web addresses, user names and phone numbers in the posts that the pages show; also where the
        settings of a joint run say so.

    Raises
    ------
    RunError, ConfigError
        If the folder holds no prompting run, no explanation, or its data are not those of the run.
    """
    split, table = read_table_of(folder, data_root)
    part = table.part(split)
    own, predictions = _generated(folder, part)
    sources = [own]
    train = table.part("train")
    # Of several labels, and of letters that stand for something else in each row, no label has explanations of its own.
    labelled = part.targets.ndim == 1 and part.options is None
    explained_train = labelled and train.frame["explanation"].astype(bool).any()
    sources.append(replace(own, source=FIRST_SENTENCE, texts=[first_sentence(post) for post in own.posts]))
    if explained_train:
        common = common_explanations(train.frame["explanation"].astype(str).tolist(), train.targets, len(train.labels))
        known = [common[label] if label >= 0 else "" for label in predictions]
        sources.append(replace(own, source=COMMON, texts=known))
    measures: list[Measure] = []
    notes = [_reference_note(table)]
    if not explained_train:
        notes.append(
            "No train row has an explanation and one label that means the same in every row: there is no most common "
            "explanation, and no reader of labels for consistency."
        )
    values = [overlap_measures(source) for source in sources]
    if encoder:
        notes.append(add_bert_scores(sources, values, encoder))
    if likelihood:
        notes.append(add_likelihoods(sources, values, likelihood))
    if attributions is not None:
        notes.append(add_attributions(sources, values, attributions))
    if explained_train:
        notes.append(add_consistencies(table, sources, values, predictions))
    for source, found in zip(sources, values, strict=True):
        measures += summarise(source, found)
    for source, found in zip(sources[1:], values[1:], strict=True):
        measures += paired_differences(own, values[0], source.source, found)
    for source in sources:
        for kind, rate in flag_rates(source.texts, source.posts, source.groups).items():
            measures.append(measure_of(source.source, f"flag_{kind}", rate))
    lines = (json.dumps(asdict(measure), ensure_ascii=False) + "\n" for measure in measures)
    write_text(folder / "explanations.jsonl", "".join(lines))
    write_text(folder / "explanation_notes.json", json.dumps(notes, indent=1, ensure_ascii=False) + "\n")
    measured = Measured(folder, tuple(measures), tuple(notes))
    masked = mask_identifiers or bool(read_yaml(folder / "config.yaml").get("mask_identifiers"))
    write_generations(folder, part, [explanation_table(measured)], masked)
    if (folder / "report.html").is_file():
        # The report of a joint run shows these numbers, too.
        texts = map(mask_shown, table.texts) if masked else table.texts
        write_report(folder, dict(zip(table.frame["id"], texts, strict=True)))
    return measured


@dataclass(frozen=True)
class ExplainedRows:
    """The rows of a run that have an explanation: what an attribution of the same decisions needs.

    Attributes
    ----------
    ids, texts : list of str
    contexts : list of str, or None
    labels : list of str or None
        The decided label of each; None where it was not read.
    """

    ids: list[str]
    texts: list[str]
    contexts: list[str] | None
    labels: list[str | None]


def explained_rows(folder: Path, data_root: str | None) -> ExplainedRows:
    """Return the rows that a run explained, in the order of its file.

    Raises
    ------
    RunError, ConfigError
        As `measure_run`; a ConfigError where posts have several labels.
    """
    split, table = read_table_of(folder, data_root)
    part = table.part(split)
    if part.targets.ndim == 2 or part.options is not None:
        what = "several labels" if part.options is None else "options of their own"
        raise ConfigError(f"attributions: posts of {part.config.name} have {what}. Leave them out.")
    found, decided = _generated(folder, part)
    places = {str(identifier): row for row, identifier in enumerate(part.frame["id"])}
    rows = [places[str(identifier)] for identifier in found.ids]
    contexts = None if part.contexts is None else [part.contexts[row] for row in rows]
    labels = [part.labels[number] if number >= 0 else None for number in decided.tolist()]
    return ExplainedRows([str(one) for one in found.ids], found.posts, contexts, labels)


def read_table_of(folder: Path, data_root: str | None) -> tuple[str, PostTable]:
    """Return the split that a run explained, and its data."""
    if not (folder / "generations.jsonl").is_file():
        raise RunError(f"{folder}: holds no generations.jsonl. Give the folder that generate.py prompt printed.")
    content = read_yaml(folder / "config.yaml")
    if "explanation" in content:
        joint = read_run_config(folder / "config.yaml")
        data = prepare_data(replace(joint, data_root=data_root or joint.data_root))
        return "test" if joint.test else "validation", data.table
    config = from_mapping(GenerationConfig, content, str(folder / "config.yaml"))
    table = load_table(config.data, data_root=data_root or config.data_root, mask=config.mask)
    # As in the run: no train explanation of a post that is scored, and no more rows than it had.
    table = leaks_of(table, "drop")[0]
    return config.split, table if config.limit is None else limit_rows(table, config.limit)


def _generated(folder: Path, part: PostTable) -> tuple[Explanations, npt.NDArray[np.int64]]:
    """Return the run's explanations in the order of its file, and the label number decided beside each."""
    words = {part.config.prompt.label_words.get(name, name): number for number, name in enumerate(part.labels)}
    # Of yes-or-no questions only those about a label that was said to hold: a yes without reasons counts.
    said_to_hold = (wording_of(part.config.language).yes,)
    found = [item for item in read_generated(folder, part) if item.label is None or item.answer == said_to_hold]
    texts, rows = [item.explanation for item in found], [item.row for item in found]
    decided = [words.get(item.answer[0], -1) if item.answer and item.label is None else -1 for item in found]
    if not any(texts):
        if not read_yaml(folder / "config.yaml").get("explain", True):
            raise ConfigError(f"{folder}: was not asked to explain. Prompt it again with --explain true.")
        why = "its model wrote none" if found else "no label was said to hold"
        raise ConfigError(f"{folder}: has no explanation: {why}. Ask another model.")
    frame = part.frame.iloc[rows]
    shown = part.texts_with_options
    posts = [shown[row] for row in rows]
    marks = None
    if part.rationales and any(rationale.spans for rationale in part.rationales):
        marks = [
            marked_words(split_words(post), part.rationales[row].spans) for row, post in zip(rows, posts, strict=True)
        ]
    explanations = Explanations(
        GENERATED,
        frame["id"].astype(str).to_numpy(dtype=str),
        frame["group"].astype(str).to_numpy(dtype=str),
        texts,
        posts,
        frame["explanation"].astype(str).tolist(),
        marks,
    )
    return explanations, np.array(decided, dtype=np.int64)


def _reference_note(table: PostTable) -> str:
    who = {"expert": "written by experts", "silver": "written by a machine (silver)", "": "of unknown origin"}
    if not table.frame["explanation"].astype(bool).any():
        return "The data set has no reference explanation."
    return f"References: {who[table.config.explanations]}."
