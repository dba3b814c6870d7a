"""The one call that explains posts by any of the methods."""

import re
from collections.abc import Sequence

# Methods register themselves when their files are imported.
import explain.attention
import explain.coalitions
import explain.extraction
import explain.floors
import explain.gradients
import explain.integrated
import explain.perturbation
import explain.relevance  # noqa: F401
from explain.attention import attention_at
from explain.attribution import METHODS, Attribution
from explain.model import ExplainedModel, Precision, Target
from explain.reading import read_posts
from mhclf.errors import ConfigError
from mhclf.registry import nearest
from mhclf.training.saved import Run

_ATTENTION_AT = re.compile(r"attention_layer(\d+)(?:_head(\d+))?")


def check_method(name: str) -> None:
    """Raise a ConfigError that lists what exists where no attribution method has this name."""
    if not _ATTENTION_AT.fullmatch(name):
        METHODS.get(name)


def attribute(
    run: Run,
    texts: Sequence[str],
    method: str = "integrated_gradients",
    target: str | Sequence[str | None] | None = None,
    against: str | None = None,
    contexts: Sequence[str] | None = None,
    seed: int = 0,
    precision: Precision = "fp32",
    model: ExplainedModel | None = None,
) -> list[Attribution]:
    """Explain why a trained run decides as it does.

    Parameters
    ----------
    run : Run
        From `mhclf.load_run`.
    texts : sequence of str
        Posts, as they are given to the model.
    method : str
        A name in `explain.attribution.METHODS`; or `attention_layer3` and `attention_layer3_head7` for one layer and
        head, counted from 1.
    target : str or sequence of str, optional
        The label to explain, for all posts or for each; its most probable one when empty or None.
    against : str, optional
        Explain the difference to this label's logit: why `target` rather than `against`.
    contexts : sequence of str, optional
        What was said before each post, where the run reads that.
    seed : int
        For methods that draw.
    precision : {'fp32', 'bf16'}
        Of passes without gradients; bf16 is faster where the processor has it, and rounds.
    model : ExplainedModel, optional
        The same run made ready before, with a precision of its own: what it remembers is not read again.

    Returns
    -------
    list of Attribution
        One for each post; renders itself in a notebook.

    Raises
    ------
    ConfigError
        On an unknown method or label, or a string in place of a list.
    MissingDependencyError
        Where a method needs captum (gradients) or shap (Shapley values), and it is not there.
    """
    if isinstance(texts, str):
        raise ConfigError("texts: give a list of posts, such as ['my post'].")
    named = _ATTENTION_AT.fullmatch(method)
    explain = None if named else METHODS.get(method)
    names = [target] * len(texts) if target is None or isinstance(target, str) else list(target)
    if len(names) != len(texts):
        raise ConfigError(f"target: {len(names)} labels for {len(texts)} posts. Give one label, or one for each post.")
    other = None if against is None else _number(run, against, "against")
    numbers = [None if name is None else _number(run, name, "target") for name in names]
    if not texts:
        return []
    model = model or ExplainedModel(run, precision=precision)
    posts = read_posts(run, texts, contexts)
    logits = model.whole(posts)
    probabilities = model.probabilities(logits)
    targets = [
        Target(int(row.argmax()) if number is None else number, other)
        for row, number in zip(logits, numbers, strict=True)
    ]
    if any(item.label == item.against for item in targets):
        raise ConfigError("against: is the label that is explained. Give another, or name the target.")
    if explain is None:
        assert named is not None
        explain = attention_at(model, int(named[1]), int(named[2]) if named[2] else None)
    results = explain(model, posts, targets, seed)
    return [
        Attribution(
            post.text,
            post.words,
            tuple(float(score) for score in result.scores),
            run.labels[item.label] + (f" rather than {against}" if against else ""),
            float(row[item.label]),
            method,
            {"quantity": "logit", "max_length": run.max_length, "precision": model.precision} | result.settings,
            result.completeness_gap,
            result.converged,
            tuple(post.seen.tolist()),
        )
        for post, item, row, result in zip(posts, targets, probabilities, results, strict=True)
    ]


def _number(run: Run, label: str, option: str) -> int:
    if label not in run.labels:
        raise ConfigError(
            f"{option}: '{label}' is none of the labels {', '.join(run.labels)}.{nearest(label, run.labels)}"
        )
    return run.labels.index(label)
