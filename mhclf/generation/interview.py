"""Asking about the rows of one split: posts cut to length, a question and its asker each, fits on validation."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mhclf.config.dataset import DatasetConfig
from mhclf.config.generation import GenerationConfig
from mhclf.data.table import PostTable
from mhclf.errors import ConfigError
from mhclf.generation.answers import Answers
from mhclf.generation.asking import Asker, Progress
from mhclf.generation.cache import AnswerCache
from mhclf.generation.deciding import Decision, Floats, ScoreFit, fit_scores
from mhclf.generation.examples import choose_examples
from mhclf.generation.parsing import Parsed, parse_published
from mhclf.generation.prompting import Post, Prompter
from mhclf.generation.questions import Question, questions_of
from mhclf.generation.requests import Backend
from mhclf.generation.strategy import Strategy
from mhclf.generation.wording import wording_of
from mhclf.training.saved import read_predictions

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Interview:
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


def prepare_interview(
    config: GenerationConfig,
    strategy: Strategy,
    shots: int,
    samples: int,
    table: PostTable,
    split: str,
    backend: Backend,
    cache: AnswerCache,
    on_progress: Progress | None,
) -> Interview:
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
            options,
        )
        for text, before, options in zip(shortened, contexts, part.options or [()] * len(part), strict=True)
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
        parser = published_parser(table.config) if config.protocol == "mentallama-2024" else None
        askers.append(Asker(backend, cache, prompter, config, samples, parser, on_progress))
    return Interview(config, part, tuple(posts), tuple(questions), tuple(askers), cut)


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
        place = places[identifier]
        probabilities, prediction, unread = saved.probability[place], saved.prediction[place], saved.unread[place]
        if unread if question.label is None else unread[question.label]:
            # What a prompted model left open stays so.
            decisions.append(Decision(None, None, ("classifier",)))
        elif question.label is not None:
            chance = float(probabilities[question.label])
            option = 0 if prediction[question.label] else 1
            decisions.append(Decision((option,), (chance, 1 - chance), ("classifier",)))
        else:
            decisions.append(Decision((int(prediction),), tuple(probabilities.tolist()), ("classifier",)))
    return decisions


def published_parser(dataset: DatasetConfig) -> Callable[[str], Parsed]:
    """Return how the published code of MentaLLaMA reads an answer about a data set that has its rule."""
    # The published rule speaks of the files' own values.
    name_of = {raw: label.name for label in dataset.label_pairs for raw in label.raw_values}
    published = dataset.published_answers or dataset.published_labels
    rule = [(part, name_of.get(label, label)) for part, label in published]
    return lambda text: parse_published(text, rule, dataset.label_names)


def fit_answers(validation: Answers) -> list[ScoreFit | None]:
    """Return for each question a logistic regression fitted on validation; None where a label has nothing to fit."""
    fits: list[ScoreFit | None] = []
    for question, held in zip(validation.questions, validation.decisions, strict=True):
        gold = validation.part.targets
        if question.label is not None:
            gold = 1 - gold[:, question.label]
            if len(set(gold.tolist())) == 1:
                logger.warning(
                    "labels: fit: validation has the label '%s' in all rows or in none; its answers are left as they "
                    "are.",
                    validation.part.labels[question.label],
                )
                fits.append(None)
                continue
        for number in sorted(set(range(len(question.words))) - set(gold.tolist())):
            logger.warning(
                "labels: fit: no validation row has the label '%s'; it is never answered.", question.words[number]
            )
        fits.append(fit_scores(_scores(held), gold))
    return fits


def apply_fits(answers: Answers, fits: Sequence[ScoreFit | None]) -> tuple[Answers, dict[str, Any]]:
    """Replace probabilities and decisions by those of the fits, and return the coefficients by question."""
    decided, fitted = [], {}
    for question, own, fit in zip(answers.questions, answers.decisions, fits, strict=True):
        if fit is None:
            decided.append(own)
            continue
        fitted[question.text] = {
            "intercept": list(fit.intercept),
            "weights": [weight for row in fit.weights for weight in row],
        }
        decided.append(
            tuple(
                replace(item, options=(int(chances.argmax()),), probabilities=tuple(chances.tolist()))
                for item, chances in zip(own, fit.probabilities(_scores(own)), strict=True)
            )
        )
    return replace(answers, decisions=tuple(decided)), fitted


def _scores(decisions: Sequence[Decision]) -> Floats:
    return np.array([item.scores for item in decisions], dtype=np.float64)
