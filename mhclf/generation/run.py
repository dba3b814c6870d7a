"""One prompting run: from a data set's rows to predictions, explanations and records in a run folder."""

import json
import logging
import math
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from mhclf.config.dataset import DatasetConfig
from mhclf.config.generation import GenerationConfig, LocalConfig
from mhclf.config.structure import to_mapping, write_yaml
from mhclf.config.training import TrainerConfig
from mhclf.data.audit import leaks_of
from mhclf.data.load import load_table
from mhclf.data.manifest import build_manifest, content_hash
from mhclf.data.spans import count_words
from mhclf.data.subsets import limit_rows
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.evaluation import classification_intervals, higher_is_better, scores
from mhclf.evaluation.validation import NO_ANSWER
from mhclf.generation.asking import Asker, Progress
from mhclf.generation.cache import AnswerCache
from mhclf.generation.deciding import Decision, Floats, fit_on_validation
from mhclf.generation.decoders import load_decoder
from mhclf.generation.endpoint import EndpointBackend
from mhclf.generation.examples import choose_examples
from mhclf.generation.local import LocalBackend
from mhclf.generation.parsing import Parsed, parse_published
from mhclf.generation.prompting import Post, Prompter, check_language, with_overrides
from mhclf.generation.questions import Question, questions_of
from mhclf.generation.requests import Backend
from mhclf.generation.strategy import Strategy, read_strategy
from mhclf.generation.wording import wording_of
from mhclf.results.files import write_text
from mhclf.results.records import ResultRecord, read_records, write_records
from mhclf.training.environment import describe_environment, resolve_precision
from mhclf.training.folder import RunFolder
from mhclf.training.outcome import risk_of
from mhclf.training.saved import read_predictions

logger = logging.getLogger(__name__)

UNPARSED = "unparsed"
_NOT_HASHED = ("out", "data_root", "data", "strategy", "local", "endpoint")
"""Where things lie; what data set, strategy and model are is hashed by content."""
_HOW = {"score": "", "parse": " (parsed)", "run": " (classifier's label)"}


@dataclass(frozen=True)
class GenerationOutcome:
    """A finished prompting run: its folder, its records, whether it was finished before."""

    folder: Path
    records: tuple[ResultRecord, ...]
    was_complete: bool


@dataclass(frozen=True)
class Answers:
    """What a model answered about the rows of one split.

    Attributes
    ----------
    part : PostTable
    questions : tuple of Question
    decisions : tuple of tuple of Decision
        One tuple a question, one decision a row.
    """

    part: PostTable
    questions: tuple[Question, ...]
    decisions: tuple[tuple[Decision, ...], ...]

    @property
    def predictions(self) -> npt.NDArray[np.int64]:
        """Class numbers (n,), `NO_ANSWER` where none was read; or 0/1 labels (n, labels), all 0 there."""
        if self.part.config.task != "multilabel":
            found = [NO_ANSWER if item.options is None else item.options[0] for item in self.decisions[0]]
            return np.array(found, dtype=np.int64)
        labels = np.zeros((len(self.part), len(self.part.labels)), dtype=np.int64)
        for question, decisions in zip(self.questions, self.decisions, strict=True):
            for row, item in enumerate(decisions):
                if question.label is not None:
                    labels[row, question.label] = item.options == (0,)
                else:
                    labels[row, list(item.options or ())] = 1
        return labels

    @property
    def unparsed(self) -> npt.NDArray[np.bool_]:
        """Where no answer was read: shape (n,), or (n, labels)."""
        missing = [[item.options is None for item in decisions] for decisions in self.decisions]
        if self.part.config.task != "multilabel":
            return np.array(missing[0], dtype=np.bool_)
        columns = np.array(missing, dtype=np.bool_).T
        return columns if columns.shape[1] == len(self.part.labels) else np.repeat(columns, len(self.part.labels), 1)

    @property
    def probabilities(self) -> Floats | None:
        """Probability of each label (n, labels); None where the answers were parsed, one a post."""
        if any(item.probabilities is None for decisions in self.decisions for item in decisions):
            return None
        found = np.array([[item.probabilities for item in decisions] for decisions in self.decisions])
        if self.questions[0].label is not None:
            return np.asarray(found[:, :, 0].T)
        return np.asarray(found[0])

    @property
    def scored(self) -> npt.NDArray[np.int64]:
        """Predictions for counting, where what was not read is wrong: for several labels, the opposite of gold."""
        predictions = self.predictions
        if self.part.config.task == "multilabel":
            predictions = np.where(self.unparsed, 1 - self.part.targets, predictions)
        return predictions


def run_prompts(
    config: GenerationConfig,
    overwrite: bool = False,
    on_progress: Progress | None = None,
    backend: Backend | None = None,
) -> GenerationOutcome:
    """Ask a model about the rows of a data set; a stopped run goes on, a complete one is returned.

    Parameters
    ----------
    config : GenerationConfig
    overwrite : bool
        Make the folder afresh. Answers in the cache are used all the same: they are answers to the same questions.
    on_progress : callable, optional
    backend : Backend, optional
        In place of the configured one.

    Returns
    -------
    GenerationOutcome
        The folder holds `config.yaml`, `environment.json`, `data_manifest.json`, `predictions.parquet`,
        `results.jsonl` and `generations.jsonl` (what the model said, which may quote posts).

    Raises
    ------
    MhclfError
        Expected failures, each with the message for the user.
    """
    strategy = read_strategy(config.strategy)
    shots, samples = with_overrides(strategy, config)
    table = load_table(config.data, data_root=config.data_root, mask=config.mask)
    _check(config, table.config)
    check_language(strategy, config.strategy, table.config.language)
    # Nothing is trained: what the audit would stop at is only noted, and a set may have a test part alone.
    table, findings = leaks_of(table, "drop")
    if config.limit is not None:
        table = limit_rows(table, config.limit)
    if not (table.frame["split"] == config.split).any():
        raise ConfigError(f"{table.config.name}: has no {config.split} row. Choose another --split.")
    if config.labels.fit == "validation" and not (table.frame["split"] == "validation").any():
        raise ConfigError(f"labels: fit: {table.config.name} has no validation row. Use --labels.fit none.")
    manifest = build_manifest(table, findings, config.protocol)
    backend = backend or _backend(config)
    folder = _folder(config, table.config, strategy, backend, manifest["hashes"]["data"])
    with folder.locked():
        if folder.complete and not overwrite:
            return GenerationOutcome(folder.path, tuple(_read_records(folder)), was_complete=True)
        start = time.perf_counter()
        write_text(folder.path / "config.yaml", write_yaml(to_mapping(config)))
        environment = describe_environment(_precision(config.local), "default")
        folder.write_json("environment.json", environment | {"backend": dict(backend.identity)})
        folder.write_json("status.json", {"state": "running"})
        cache = AnswerCache(Path(config.out) / "answers.sqlite")
        fitted: dict[str, Any] = {}
        try:
            interview = _prepare(config, strategy, shots, samples, table, config.split, backend, cache, on_progress)
            answers = interview.labels()
            if config.labels.fit == "validation":
                held = _prepare(config, strategy, shots, samples, table, "validation", backend, cache, on_progress)
                answers, fitted = _fit(answers, held.labels())
            # Last of all: what is explained is what was decided in the end.
            if config.explain:
                answers = interview.explained(answers)
        finally:
            cache.close()
        folder.write_json("data_manifest.json", manifest | {"posts_cut": interview.cut, "fitted": fitted})
        prediction_frame(answers).to_parquet(folder.path / "predictions.parquet", index=False)
        write_text(folder.path / "generations.jsonl", generation_lines(answers))
        identity = {
            "run": folder.path.name,
            "dataset": table.config.name,
            "method": Path(config.strategy).stem + _HOW[config.labels.by],
            "encoder": str(backend.identity["model"]),
            "seed": config.seed,
            "protocol": config.protocol,
            "data_hash": manifest["hashes"]["data"],
        }
        records = answer_records(answers, identity)
        write_records(folder.path / "results.jsonl", records)
        folder.write_json("status.json", {"state": "complete", "seconds": round(time.perf_counter() - start, 1)})
    return GenerationOutcome(folder.path, tuple(records), was_complete=False)


def _check(config: GenerationConfig, dataset: DatasetConfig) -> None:
    if config.protocol == "mentallama-2024" and not dataset.published_labels:
        raise ConfigError(
            f"protocol: {dataset.name} has no 'published_labels', the rule by which the published code reads answers. "
            "Use an imhi_ data set, or --protocol sound."
        )
    if config.labels.fit == "validation" and config.split == "validation":
        raise ConfigError(
            "labels: fit: the rows of --split validation cannot be fitted on and scored. Use --split test."
        )


def _precision(config: LocalConfig) -> str:
    return resolve_precision(TrainerConfig(precision=config.precision))


def _backend(config: GenerationConfig) -> Backend:
    if config.backend == "endpoint":
        return EndpointBackend(config.endpoint)
    dtype = torch.bfloat16 if _precision(config.local) == "bf16" else torch.float32
    decoder = load_decoder(config.local.model, dtype, config.local.adapter)
    if torch.cuda.is_available():
        decoder.model.to("cuda")  # type: ignore[arg-type]
    return LocalBackend(decoder, config.local.batch_size)


def _folder(
    config: GenerationConfig, dataset: DatasetConfig, strategy: Strategy, backend: Backend, data_hash: str
) -> RunFolder:
    """Return the folder of a run: its name ends in a hash of all that decides its numbers, and of no path."""
    settings = {key: value for key, value in to_mapping(config).items() if key not in _NOT_HASHED}
    if config.labels.by == "run":
        saved = read_predictions(Path(config.labels.run))
        told = content_hash([saved.ids.tolist(), saved.prediction.tolist(), saved.probability.round(6).tolist()])
        settings["labels"] |= {"run": told}
    words = [dataset.task, dataset.language, dataset.label_names, to_mapping(dataset.prompt)]
    if config.protocol == "mentallama-2024":
        words.append(dataset.published_labels)
    content = [settings, to_mapping(strategy), words, dict(backend.identity), data_hash]
    names = (Path(config.strategy).stem, str(backend.identity["model"]))
    safe = [re.sub(r"[^\w.+-]", "_", name).lstrip(".") or "_" for name in names]
    name = f"{safe[0]}-{safe[1]}-seed{config.seed}-{content_hash(content)[:8]}"
    return RunFolder(Path(config.out) / dataset.name / name)


@dataclass(frozen=True)
class _Interview:
    """The rows of one split, and for each question what asks it."""

    config: GenerationConfig
    part: PostTable
    posts: tuple[Post, ...]
    questions: tuple[Question, ...]
    askers: tuple[Asker, ...]
    cut: int

    def labels(self) -> Answers:
        """Return the answers without explanation."""
        if self.config.labels.by == "run":
            folder = Path(self.config.labels.run)
            found = [tuple(decisions_of_run(folder, self.part, question)) for question in self.questions]
        else:
            found = [tuple(asker.label(self.posts)) for asker in self.askers]
        return Answers(self.part, self.questions, tuple(found))

    def explained(self, answers: Answers) -> Answers:
        """Return the same answers with their explanations."""
        both = zip(self.askers, answers.decisions, strict=True)
        return replace(answers, decisions=tuple(tuple(asker.explain(self.posts, own)) for asker, own in both))


def _prepare(
    config: GenerationConfig,
    strategy: Strategy,
    shots: int,
    samples: int,
    table: PostTable,
    split: str,
    backend: Backend,
    cache: AnswerCache,
    on_progress: Progress | None,
) -> _Interview:
    """Return the posts of one split, cut to their longest length, and what asks about them."""
    part, wording = table.part(split), wording_of(table.config.language)
    shortened = [backend.shorten(text, config.post_tokens) for text in part.texts]
    contexts = part.contexts or [""] * len(part)
    cut = sum(short != text for short, text in zip(shortened, part.texts, strict=True))
    if cut:
        logger.info("%d of %d posts are longer than %d tokens and were cut", cut, len(part), config.post_tokens)
    questions = questions_of(table.config, config.labels, wording)
    in_question = questions[0].reads_context
    posts = [
        Post(
            text if strategy.reads_post else "",
            backend.shorten(before, config.post_tokens) if strategy.reads_post or in_question else "",
        )
        for text, before in zip(shortened, contexts, strict=True)
    ]
    # Examples are the same for all rows that are held out: a fit on validation holds for the prompts of test.
    train, held_out = table.part("train"), table.select((table.frame["split"] != "train").to_numpy())
    askers = []
    for question in questions:
        chosen = choose_examples(train, held_out, question, wording, shots, config.seed, strategy.explained_examples)
        shown = [
            replace(
                example,
                text=backend.shorten(example.text, config.post_tokens // 2),
                context=backend.shorten(example.context, config.post_tokens // 2),
            )
            for example in chosen
        ]
        prompter = Prompter(strategy, question, table.config.language, config.context, tuple(shown))
        parser = _parser(config, table.config)
        askers.append(Asker(backend, cache, prompter, config, samples, parser, on_progress))
    return _Interview(config, part, tuple(posts), tuple(questions), tuple(askers), cut)


def decisions_of_run(folder: Path, part: PostTable, question: Question) -> list[Decision]:
    """Return what a trained classifier predicted for these rows as answers to a question.

    Raises
    ------
    ConfigError
        If the run has other labels, or no prediction for a row.
    """
    saved = read_predictions(folder)
    if saved.labels != part.labels or saved.task != part.config.task:
        raise ConfigError(f"labels: run: {folder} predicts other labels than {part.config.name} has.")
    places = {str(identifier): place for place, identifier in enumerate(saved.ids)}
    missing = [identifier for identifier in part.frame["id"].astype(str) if identifier not in places]
    if missing:
        raise ConfigError(
            f"labels: run: {folder} has no prediction for {len(missing)} of {len(part)} rows, the first with id "
            f"'{missing[0]}'. Give a run on {part.config.name}."
        )
    decisions = []
    for identifier in part.frame["id"].astype(str):
        probabilities, prediction = saved.probability[places[identifier]], saved.prediction[places[identifier]]
        if question.label is not None:
            chance = float(probabilities[question.label])
            option = 0 if prediction[question.label] else 1
            decisions.append(Decision((option,), (chance, 1 - chance), ("classifier",)))
        else:
            decisions.append(Decision((int(prediction),), tuple(probabilities.tolist()), ("classifier",)))
    return decisions


def _parser(config: GenerationConfig, dataset: DatasetConfig) -> Callable[[str], Parsed] | None:
    if config.protocol != "mentallama-2024":
        return None
    # The published rule speaks of the files' own values.
    name_of = {raw: label.name for label in dataset.label_pairs for raw in label.raw_values}
    rule = [(part, name_of.get(label, label)) for part, label in dataset.published_labels]
    return lambda text: parse_published(text, rule, dataset.label_names)


def _fit(answers: Answers, validation: Answers) -> tuple[Answers, dict[str, Any]]:
    """Replace the probabilities by those of a logistic regression fitted on validation."""
    decided, fitted = [], {}
    for question, own, held in zip(answers.questions, answers.decisions, validation.decisions, strict=True):
        gold = validation.part.targets
        if question.label is not None:
            gold = 1 - gold[:, question.label]
            if len(set(gold.tolist())) == 1:
                logger.warning(
                    "labels: fit: validation has the label '%s' in all rows or in none; its answers are left as they "
                    "are.",
                    validation.part.labels[question.label],
                )
                decided.append(own)
                continue
        for number in sorted(set(range(len(question.words))) - set(gold.tolist())):
            logger.warning(
                "labels: fit: no validation row has the label '%s'; it is never answered.", question.words[number]
            )
        probabilities, coefficients = fit_on_validation(_scores(held), gold, _scores(own))
        fitted[question.text] = coefficients
        decided.append(
            tuple(
                replace(item, options=(int(chances.argmax()),), probabilities=tuple(chances.tolist()))
                for item, chances in zip(own, probabilities, strict=True)
            )
        )
    return replace(answers, decisions=tuple(decided)), fitted


def _scores(decisions: Sequence[Decision]) -> Floats:
    return np.array([item.scores for item in decisions], dtype=np.float64)


def prediction_frame(answers: Answers) -> pd.DataFrame:
    """Return the content of `predictions.parquet`: no text; an answer that was not read is a missing prediction.

    Parsed answers have 1 for what they name and 0 elsewhere in the place of probabilities.
    """
    part = answers.part
    decisions, unread = answers.predictions, answers.unparsed
    several = part.config.task == "multilabel"
    readable = decisions if several else np.where(unread, 0, decisions)
    names = PostTable(part.config, part.frame, readable).gold_names()
    frame = part.frame[["id", "group", "split"]].copy()
    frame["gold"] = part.gold_names()
    frame["prediction"] = (
        names if several else [None if miss else name for name, miss in zip(names, unread, strict=True)]
    )
    probabilities = answers.probabilities
    if probabilities is None:
        one_hot = decisions if several else np.eye(len(part.labels))[readable]
        probabilities = np.where(unread if several else unread[:, None], 0.0, one_hot)
    for column, label in enumerate(part.labels):
        frame[f"probability/{label}"] = probabilities[:, column].astype(np.float32)
    confidence = np.maximum(probabilities, 1 - probabilities).min(1) if several else probabilities.max(1)
    # What was not read is held back first.
    confidence = np.where(unread.reshape(len(part), -1).any(axis=1), 0.0, confidence)
    frame["abstention"] = (1 - confidence).astype(np.float32)
    frame["words"] = np.array([count_words(text) for text in part.texts], dtype=np.int32)
    frame[UNPARSED] = np.asarray(unread.reshape(len(part), -1).any(axis=1))
    return frame


def answer_records(answers: Answers, identity: dict[str, Any]) -> list[ResultRecord]:
    """Return one record a metric, with bootstrap intervals over groups, and the share of unread answers."""
    part, task, labels = answers.part, answers.part.config.task, list(answers.part.labels)
    groups, risk = part.frame["group"].to_numpy(), risk_of(part.config)
    arguments = (task, part.targets, answers.scored, answers.probabilities, labels)
    values = scores(*arguments, risk=risk, no_answer=True)
    intervals = classification_intervals(*arguments, groups, risk=risk, no_answer=True)
    common = identity | {"split": str(part.frame["split"].iloc[0]), "slice": "all", "n": len(part)}
    records = [
        ResultRecord(
            **common,
            metric=metric,
            value=_number(value),
            ci_low=_number(intervals[metric][0]),
            ci_high=_number(intervals[metric][1]),
            higher_is_better=higher_is_better(metric),
        )
        for metric, value in values.items()
    ]
    share = float(answers.unparsed.mean())
    records.append(
        ResultRecord(**common, metric=UNPARSED, value=share, ci_low=None, ci_high=None, higher_is_better=False)
    )
    return records


def _number(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def generation_lines(answers: Answers) -> str:
    """Return what the model said as lines of JSON: id, question, decision, rule that read it, steps, explanation."""
    lines = []
    for question, decisions in zip(answers.questions, answers.decisions, strict=True):
        about = None if question.label is None else answers.part.labels[question.label]
        for identifier, item in zip(answers.part.frame["id"].astype(str), decisions, strict=True):
            content = {
                "id": identifier,
                "label": about,
                "answer": None if item.options is None else [question.words[option] for option in item.options],
                "probabilities": item.probabilities,
                "parsers": item.parsers,
                "said": item.said,
                "explanation": item.explanation,
            }
            lines.append(json.dumps(content, ensure_ascii=False) + "\n")
    return "".join(lines)


def _read_records(folder: RunFolder) -> list[ResultRecord]:
    return list(read_records(folder.path / "results.jsonl"))
