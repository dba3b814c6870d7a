"""Measuring the explanations of a finished run, beside two that need no model."""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.config.generation import GenerationConfig
from mhclf.config.joint import read_run_config
from mhclf.config.structure import from_mapping, read_yaml
from mhclf.data.audit import leaks_of
from mhclf.data.load import load_table
from mhclf.data.spans import marked_words
from mhclf.data.spans import words as split_words
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError, RunError
from mhclf.evaluation.evidence_agreement import attribution_agreement
from mhclf.generation.bert_score import bert_score
from mhclf.generation.consistency import consistency, fit_label_reader, without_label_words
from mhclf.generation.decoders import load_decoder
from mhclf.generation.generated_rows import read_generated
from mhclf.generation.likelihood import likelihood_scores
from mhclf.generation.measuring import (
    Explanations,
    Floats,
    Measured,
    cited_words,
    common_explanations,
    first_sentence,
    measure_of,
    overlap_measures,
    paired_differences,
    spread,
    summarise,
)
from mhclf.generation.page import write_generations
from mhclf.generation.safety_flags import flag_rates
from mhclf.generation.tables import explanation_table
from mhclf.generation.wording import wording_of
from mhclf.models.encoder import load_encoder, load_tokenizer
from mhclf.models.weights import resolve_encoder
from mhclf.results.explained import COMMON, FIRST_SENTENCE, GENERATED, Measure
from mhclf.results.files import write_text
from mhclf.results.report import write_report
from mhclf.training.prepared import prepare_data


def measure_run(
    folder: Path,
    encoder: str = "minilm",
    likelihood: str = "",
    attributions: Path | None = None,
    data_root: str | None = None,
) -> Measured:
    """Measure the explanations of a prompting or a joint run.

    Writes `explanations.jsonl` (numbers) and `generations.html` (rows, with these numbers) into its folder.

    Parameters
    ----------
    folder : Path
        Of a run that was asked to explain.
    encoder : str
        For BERTScore; '' leaves it out.
    likelihood : str
        Language model for the likelihood of explanations given their posts; '' leaves it out.
    attributions : Path, optional
        Run folder of a classifier with `attributions.parquet`: whether the text cites what the classifier looked at.
    data_root : str, optional

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
    several = part.targets.ndim == 2
    explained_train = not several and train.frame["explanation"].astype(bool).any()
    sources.append(replace(own, source=FIRST_SENTENCE, texts=[first_sentence(post) for post in own.posts]))
    if explained_train:
        common = common_explanations(train.frame["explanation"].astype(str).tolist(), train.targets, len(train.labels))
        known = [common[label] if label >= 0 else "" for label in predictions]
        sources.append(replace(own, source=COMMON, texts=known))
    measures: list[Measure] = []
    notes = [_reference_note(table)]
    values = [overlap_measures(source) for source in sources]
    if encoder:
        notes.append(_add_bert_scores(sources, values, encoder))
    if likelihood:
        notes.append(_add_likelihoods(sources, values, likelihood))
    if attributions is not None:
        notes.append(_add_attributions(sources, values, attributions))
    if explained_train:
        notes.append(_add_consistencies(table, sources, values, predictions))
    for source, found in zip(sources, values, strict=True):
        measures += summarise(source, found)
    for source, found in zip(sources[1:], values[1:], strict=True):
        measures += paired_differences(own, values[0], source.source, found)
    for source in sources:
        for kind, rate in flag_rates(source.texts, source.posts, source.groups).items():
            measures.append(measure_of(source.source, f"flag_{kind}", rate))
    lines = (json.dumps(asdict(measure), ensure_ascii=False) + "\n" for measure in measures)
    write_text(folder / "explanations.jsonl", "".join(lines))
    measured = Measured(folder, tuple(measures), tuple(notes))
    write_generations(folder, part, [explanation_table(measured)])
    if (folder / "report.html").is_file():
        # The report of a joint run shows these numbers, too.
        write_report(folder, dict(zip(table.frame["id"], table.texts, strict=True)))
    return measured


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
    # As in the run: no train explanation of a post that is scored.
    return config.split, leaks_of(table, "drop")[0]


def _generated(folder: Path, part: PostTable) -> tuple[Explanations, npt.NDArray[np.int64]]:
    """Return the run's explanations in the order of its file, and the label number decided beside each."""
    words = {part.config.prompt.label_words.get(name, name): number for number, name in enumerate(part.labels)}
    # Of yes-or-no questions only those about a label that was said to hold: a yes without reasons counts.
    said_to_hold = (wording_of(part.config.language).yes,)
    found = [item for item in read_generated(folder, part) if item.label is None or item.answer == said_to_hold]
    texts, rows = [item.explanation for item in found], [item.row for item in found]
    decided = [words.get(item.answer[0], -1) if item.answer and item.label is None else -1 for item in found]
    if not any(texts):
        raise ConfigError(f"{folder}: was not asked to explain. Prompt it again with --explain true.")
    frame = part.frame.iloc[rows]
    posts = frame["text"].astype(str).tolist()
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


def _add_bert_scores(sources: Sequence[Explanations], values: list[dict[str, Floats]], name: str) -> str:
    place = resolve_encoder(name)
    encoder, tokenizer = load_encoder(place, "eager"), load_tokenizer(place)
    layer = ""
    for source, found in zip(sources, values, strict=True):
        # As for ROUGE: a missing explanation is none of the reference's words, not a row less.
        known = np.array([bool(reference) for reference in source.references])
        if not known.any():
            continue
        pairs = [(t, r) for t, r, has in zip(source.texts, source.references, known, strict=True) if has]
        scored = bert_score([text for text, _ in pairs], [reference for _, reference in pairs], encoder, tokenizer)
        found["bertscore_f1"], layer = spread(scored.f1, np.flatnonzero(known).tolist(), len(known)), scored.layer
    return f"BERTScore: {place.name}, {layer}, no idf, no baseline."


def _add_likelihoods(sources: Sequence[Explanations], values: list[dict[str, Floats]], name: str) -> str:
    decoder = load_decoder(name)
    for source, found in zip(sources, values, strict=True):
        scored = likelihood_scores(
            source.texts, source.posts, "source->text", decoder.model, decoder.tokenizer, decoder.name
        )
        found["likelihood_given_post"] = scored.values
    return f"Likelihood: mean log-likelihood of a token of the explanation given the post, by {decoder.name} in fp32."


def _add_attributions(sources: Sequence[Explanations], values: list[dict[str, Floats]], folder: Path) -> str:
    file = folder / "attributions.parquet"
    if not file.is_file():
        raise ConfigError(f"attributions: {folder} holds no attributions.parquet. Run experiments/explain.py on it.")
    frame = pd.read_parquet(file)
    method = "integrated_gradients" if "integrated_gradients" in set(frame["method"]) else str(frame["method"].iloc[0])
    scores = {
        str(row.id): np.asarray(row.scores, dtype=np.float64)
        for row in frame[frame["method"] == method].itertuples(index=False)
    }
    for source, found in zip(sources, values, strict=True):
        cited = cited_words(source.texts, source.posts)
        known = np.array(
            [i in scores and len(scores[i]) == len(mask) for i, mask in zip(source.ids, cited, strict=True)]
        )
        if not known.any():
            raise ConfigError(f"attributions: {folder} explains none of the run's posts.")
        pairs = [(mask, scores[i]) for i, mask, has in zip(source.ids, cited, known, strict=True) if has]
        for name, own in attribution_agreement([mask for mask, _ in pairs], [given for _, given in pairs]).items():
            found[f"classifier_{name}"] = spread(own, np.flatnonzero(known).tolist(), len(known))
    return f"Attributions: {method} of {folder.name}."


def _add_consistencies(
    table: PostTable,
    sources: Sequence[Explanations],
    values: list[dict[str, Floats]],
    decided: npt.NDArray[np.int64],
) -> str:
    """Hold the label that an explanation alone implies against the decided one."""
    labels = list(table.labels)
    spoken = list(table.config.prompt.label_words.values())
    train, held = table.part("train"), table.part("validation")
    known = train.frame["explanation"].astype(bool).to_numpy()
    cut = [without_label_words(text, [*labels, *spoken]) for text in train.frame["explanation"][known].astype(str)]
    has = held.frame["explanation"].astype(bool).to_numpy()
    if not has.any() or len(set(train.targets[known].tolist())) < 2:
        return (
            "Consistency: not measured; it needs reference explanations of two or more labels in train, and some in "
            "validation."
        )
    reader = fit_label_reader(cut, train.targets[known], labels)
    references = held.frame["explanation"][has].astype(str).tolist()
    told = ""
    for source, found in zip(sources, values, strict=True):
        own = consistency(
            reader,
            references,
            held.targets[has],
            source.texts,
            decided,
            labels,
            spoken,
            held.frame["group"][has].to_numpy(),
            source.groups,
        )
        found["consistency"] = own.agrees.astype(np.float64)
        told = (
            f"Consistency: share of explanations that, without label words, imply the decided label to a reader fitted "
            f"on train's reference explanations; the reader's accuracy on validation's is {own.held_out.mean:.3f} "
            f"[{own.held_out.low:.3f}, {own.held_out.high:.3f}] (n {own.held_out.n}), majority {own.majority:.3f}."
        )
    return told
