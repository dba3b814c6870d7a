"""What a model answered about the rows of one split: as predictions, as records, as lines of JSON."""

import json
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mhclf.data.spans import count_words
from mhclf.data.table import PostTable
from mhclf.evaluation import classification_intervals, higher_is_better, scores
from mhclf.evaluation.classification import UNPARSED
from mhclf.evaluation.validation import NO_ANSWER
from mhclf.generation.deciding import Decision, Floats
from mhclf.generation.parsing import PUBLISHED_OTHERWISE
from mhclf.generation.questions import Question
from mhclf.results.records import ResultRecord
from mhclf.training.outcome import risk_of


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
    def unread_share(self) -> float:
        """Share of answers that name no label, those among them that the published rule gives one all the same."""
        otherwise = [[set(item.parsers) == {PUBLISHED_OTHERWISE} for item in own] for own in self.decisions]
        if self.part.config.task != "multilabel":
            return float((self.unparsed | np.array(otherwise[0], dtype=np.bool_)).mean())
        return float(self.unparsed.mean())

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
    if several:
        frame["unread_labels"] = PostTable(part.config, part.frame, unread.astype(np.int64)).gold_names()
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
    records.append(
        ResultRecord(
            **common, metric=UNPARSED, value=answers.unread_share, ci_low=None, ci_high=None, higher_is_better=False
        )
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
