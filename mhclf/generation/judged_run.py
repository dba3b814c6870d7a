"""Judging the explanations of a finished run: texts of the judge in one file, numbers without text in two."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mhclf.config.judge import JudgeConfig, JudgeRunConfig
from mhclf.config.structure import to_mapping
from mhclf.data.manifest import content_hash
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.evaluation.averages import average
from mhclf.generation.backends import load_backend
from mhclf.generation.cache import AnswerCache
from mhclf.generation.generated_rows import GeneratedRow, decision_words, gold_words, read_generated
from mhclf.generation.judge_prompts import Judged, judge_wording
from mhclf.generation.judging import Judge, Judgement, Progress
from mhclf.generation.measured_run import read_table_of
from mhclf.generation.measuring import first_sentence
from mhclf.generation.requests import Backend
from mhclf.generation.rubric import Rubric, read_rubric
from mhclf.results.files import write_bytes, write_text
from mhclf.results.judgements import RECORDS, JudgedRun, JudgeRecord, keep_judgements
from mhclf.training.folder import RunFolder

FOLDER = "judges"


@dataclass(frozen=True)
class _Case:
    """An explanation that is judged, and whose it is."""

    source: str
    row: GeneratedRow
    judged: Judged


def judge_run(config: JudgeRunConfig, on_progress: Progress | None = None, backend: Backend | None = None) -> JudgedRun:
    """Let a model judge the explanations of a prompting or a joint run; a stopped job goes on.

    Into the run folder go `judges/NAME.jsonl` (what the judge said, which may quote posts), `judges/NAME.parquet` (the
    scores, no text) and the judge's lines in `judgements.jsonl` (no text); lines of other judges stay.

    Parameters
    ----------
    config : JudgeRunConfig
    on_progress : callable, optional
    backend : Backend, optional
        In place of the configured one.

    Raises
    ------
    RunError, ConfigError
        If the folder holds no run that was asked to explain, or its data are not those of the run.
    """
    folder = Path(config.run)
    split, table = read_table_of(folder, config.data_root)
    part = table.part(split)
    language = table.config.language
    judge_wording(language)
    rubric = read_rubric(config.judge.rubric, language)
    rows = read_generated(folder, part)
    # Of yes-or-no questions only a yes has something to explain.
    rows = [row for row in rows if row.label is None or row.explanation][: config.limit]
    if not any(row.explanation for row in rows):
        raise ConfigError(f"{folder}: was not asked to explain. Prompt it again with --explain true.")
    backend = backend or load_backend(config.backend, config.local, config.endpoint)
    cases = [case for source in config.sources for case in _cases(source, rows, part, backend, config)]
    told = {"sources": list(config.sources), "limit": config.limit, "language": language}
    name = judge_name(config, rubric, backend, told)
    with RunFolder(folder).locked():
        cache = AnswerCache(folder / FOLDER / "answers.sqlite")
        try:
            judge = Judge(backend, cache, rubric, config.judge, language, config.seed, on_progress)
            found = judge.judge([case.judged for case in cases])
        finally:
            cache.close()
        groups = part.frame["group"].astype(str).to_numpy()
        records = _records(cases, found, groups, config, rubric, name, str(backend.identity["model"]))
        write_text(folder / FOLDER / f"{name}.jsonl", _lines(cases, found))
        write_bytes(folder / FOLDER / f"{name}.parquet", _scores(cases, found).to_parquet(index=False))
        keep_judgements(folder / RECORDS, name, records)
    return JudgedRun(folder, name, tuple(records), sum(not row.explanation for row in rows))


def judge_name(config: JudgeConfig, rubric: Rubric, backend: Backend, more: dict[str, Any]) -> str:
    """Return the name of a judge: it ends in a hash of all that decides its scores, and of no path."""
    settings = {key: value for key, value in to_mapping(config.judge).items() if key != "rubric"}
    content = [settings, to_mapping(rubric), dict(backend.identity), config.seed, more]
    model = re.sub(r"[^\w.+-]", "_", str(backend.identity["model"])).lstrip(".") or "_"
    return f"{config.judge.mechanism}-{config.judge.by}-{model}-{content_hash(content)[:8]}"


def _cases(
    source: str, rows: Sequence[GeneratedRow], part: PostTable, backend: Backend, config: JudgeRunConfig
) -> list[_Case]:
    texts, contexts = part.texts_with_options, part.contexts or [""] * len(part)
    references = part.frame["explanation"].astype(str).tolist()
    most = config.judge.post_tokens
    found = []
    for row in rows:
        post = texts[row.row]
        explanation = {
            "generated": row.explanation,
            "reference": references[row.row],
            "first_sentence": first_sentence(post),
        }[source]
        if not explanation or not row.explanation:
            continue
        # A reference explains what is right, not what the model decided.
        answer = gold_words(row, part) if source == "reference" else decision_words(row, part)
        context = backend.shorten(contexts[row.row], most)
        found.append(_Case(source, row, Judged(backend.shorten(post, most), explanation, answer, context)))
    if not found:
        raise ConfigError(f"sources: {part.config.name} has no {source} explanation for these rows. Leave it out.")
    return found


def _records(
    cases: Sequence[_Case],
    found: Sequence[dict[str, Judgement]],
    groups: np.ndarray[Any, Any],
    config: JudgeRunConfig,
    rubric: Rubric,
    name: str,
    model: str,
) -> list[JudgeRecord]:
    records = []
    shown = Path(config.judge.rubric).stem
    for source in config.sources:
        places = [place for place, case in enumerate(cases) if case.source == source]
        own_groups = groups[[cases[place].row.row for place in places]]
        for criterion in rubric.names:
            given = [found[place][criterion] for place in places]
            for metric, values in judgement_values(given, config.judge.mechanism).items():
                mean = average(values, own_groups)
                value, low, high = (None if np.isnan(one) else float(one) for one in (mean.mean, mean.low, mean.high))
                records.append(
                    JudgeRecord(
                        name,
                        model,
                        config.judge.mechanism,
                        config.judge.by,
                        shown,
                        source,
                        criterion,
                        metric,
                        value,
                        low,
                        high,
                        mean.n,
                        rubric.lowest,
                        rubric.highest,
                    )
                )
    return records


def judgement_values(given: Sequence[Judgement], mechanism: str) -> dict[str, np.ndarray[Any, Any]]:
    """Return the metrics of judgements, each an array (n,): NaN for those that have none."""
    values = np.array([np.nan if one.value is None else one.value for one in given], dtype=np.float64)
    found = {"score": values, "unread": np.isnan(values).astype(np.float64)}
    if mechanism in {"dual", "majority_vote"}:
        found["unread_answers"] = np.array([one.unread for one in given])
    if mechanism == "dual":
        pairs = [[np.nan if item.value is None else item.value for item in one.readings] for one in given]
        change = np.array([second - first for first, second in pairs])
        # Probabilities differ a little each time: there, another number must be the likeliest.
        said = np.array([one.said[0][1] != one.said[1][1] for one in given])
        scored = np.array([one.probabilities is not None for one in given])
        found["corrected"] = np.where(np.isnan(change), np.nan, np.where(scored, said, change != 0))
        found["change"] = change
    return found


def _lines(cases: Sequence[_Case], found: Sequence[dict[str, Judgement]]) -> str:
    lines = []
    for case, given in zip(cases, found, strict=True):
        for criterion, one in given.items():
            content = {
                "id": case.row.id,
                "label": case.row.label,
                "source": case.source,
                "criterion": criterion,
                "score": one.value,
                "readings": [asdict(item) for item in one.readings],
                "said": one.said,
                "probabilities": one.probabilities,
            }
            lines.append(json.dumps(content, ensure_ascii=False) + "\n")
    return "".join(lines)


def _scores(cases: Sequence[_Case], found: Sequence[dict[str, Judgement]]) -> pd.DataFrame:
    rows = [
        {
            "id": case.row.id,
            "label": case.row.label,
            "source": case.source,
            "criterion": criterion,
            "score": one.value,
            "answers": [item.value for item in one.readings],
            "parsers": [item.parser for item in one.readings],
        }
        for case, given in zip(cases, found, strict=True)
        for criterion, one in given.items()
    ]
    return pd.DataFrame(rows).astype({"score": "float64", "label": "string"})
