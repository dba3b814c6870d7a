"""The one call that explains posts by any of the methods."""

from collections.abc import Sequence

# Methods register themselves when their files are imported.
import explain.gradients
import explain.perturbation  # noqa: F401
from explain.attribution import METHODS, Attribution
from mhclf.errors import ConfigError
from mhclf.registry import nearest
from mhclf.training.saved import Run


def attribute(
    run: Run, texts: Sequence[str], method: str = "integrated_gradients", target: str | None = None
) -> list[Attribution]:
    """Explain why a trained run decides as it does.

    Parameters
    ----------
    run : Run
        From `mhclf.load_run`.
    texts : sequence of str
        Posts, as they are given to the model.
    method : str
        `integrated_gradients` or `occlusion`.
    target : str, optional
        The label to explain; for each post its most probable one when empty.

    Returns
    -------
    list of Attribution
        One for each post; renders itself in a notebook.

    Raises
    ------
    ConfigError
        On an unknown method or label, or a string in place of a list.
    """
    if isinstance(texts, str):
        raise ConfigError("texts: give a list of posts, such as ['my post'].")
    if target is not None and target not in run.labels:
        raise ConfigError(
            f"target: '{target}' is none of the labels {', '.join(run.labels)}.{nearest(target, run.labels)}"
        )
    explain_one = METHODS.get(method)
    probabilities = run.predict_proba(list(texts))
    numbers = [run.labels.index(target) if target else int(row.argmax()) for row in probabilities]
    return [explain_one(run, text, number) for text, number in zip(texts, numbers, strict=True)]
