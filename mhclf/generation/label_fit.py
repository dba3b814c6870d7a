"""A tuned model's label fit: learnt on validation at the end of tuning, kept beside its weights, used by prompting."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mhclf.config.generation import LocalConfig
from mhclf.config.structure import from_mapping, to_mapping
from mhclf.errors import ConfigError
from mhclf.generation.deciding import ScoreFit
from mhclf.generation.questions import Question
from mhclf.results.files import write_text

NAME = "label_fit.json"


@dataclass(frozen=True)
class QuestionFit:
    """What was fitted for one question.

    Attributes
    ----------
    question : str
    answers : tuple of str
    fit : ScoreFit, or None
        None where validation had one answer only.
    """

    question: str
    answers: tuple[str, ...]
    fit: ScoreFit | None


@dataclass(frozen=True)
class LabelFit:
    """Content of the file.

    Attributes
    ----------
    dataset : str
    rows : int
        Validation rows.
    questions : tuple of QuestionFit
    post_tokens : int or None
        At how many tokens the posts were cut; None in files of a version that did not say.
    """

    dataset: str
    rows: int
    questions: tuple[QuestionFit, ...]
    post_tokens: int | None = None

    def for_questions(self, dataset: str, questions: Sequence[Question], post_tokens: int) -> list[ScoreFit | None]:
        """Return the fits of these questions.

        Raises
        ------
        ConfigError
            If they are not those of the fit, or posts are cut at another length.
        """
        if self.post_tokens not in {None, post_tokens}:
            raise ConfigError(
                f"labels: fit: the tuned model's fit is of posts cut at {self.post_tokens} tokens, not {post_tokens}. "
                f"Add --post_tokens {self.post_tokens}."
            )
        ours = [(item.question, item.answers) for item in self.questions]
        if dataset != self.dataset or ours != [(item.text, item.answers) for item in questions]:
            raise ConfigError(
                f"labels: fit: the tuned model's fit is of the questions and answers of {self.dataset}, not of those "
                f"of {dataset}. Use --labels.fit validation, or none."
            )
        return [item.fit for item in self.questions]


def label_fit_file(local: LocalConfig) -> Path:
    """Return where the fit of a tuned model lies: beside its adapter, or its weights."""
    return Path(local.adapter or local.model) / NAME


def write_label_fit(path: Path, fit: LabelFit) -> Path:
    """Write a fit as JSON; it holds no post."""
    return write_text(path, json.dumps(to_mapping(fit), indent=1, ensure_ascii=False) + "\n")


def read_label_fit(path: Path) -> LabelFit:
    """Read a fit.

    Raises
    ------
    ConfigError
        If there is none, or it is damaged.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(
            f"labels: fit: {path} was not found. Give what generate.py tune made with --local.adapter or "
            "--local.model, or use --labels.fit validation."
        ) from error
    except ValueError as error:
        raise ConfigError(f"labels: fit: {path} is no JSON. Tune again, or use --labels.fit validation.") from error
    return from_mapping(LabelFit, content, str(path))
