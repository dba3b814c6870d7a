"""Labels of one data set read as labels of another: which decisions count as right when a model is transferred."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mhclf.errors import ConfigError
from mhclf.registry import nearest

NO_LABEL = "(none)"
"""Source of a target label that says that none of the labels of a multi-label model holds."""

OTHER = -1
"""Decision for a source label that no target label maps to."""


@dataclass(frozen=True)
class LabelMap:
    """Classes that both data sets can tell apart.

    Attributes
    ----------
    task : str
        What the target's posts are scored as: `multiclass`, `ordinal` or `multilabel`.
    source_task : str
    source_labels, target_labels : tuple of str
    classes : tuple of str
        A target label, or the source label where several target labels fall together.
    sources, targets : tuple of tuple of int
        For each class the source labels (`len(source_labels)` is `NO_LABEL`) and target labels that it stands for.
    """

    task: str
    source_task: str
    source_labels: tuple[str, ...]
    target_labels: tuple[str, ...]
    classes: tuple[str, ...]
    sources: tuple[tuple[int, ...], ...]
    targets: tuple[tuple[int, ...], ...]

    @property
    def left_out(self) -> tuple[str, ...]:
        """Target labels without a source label."""
        inside = {index for group in self.targets for index in group}
        return tuple(name for index, name in enumerate(self.target_labels) if index not in inside)

    @property
    def uncovered(self) -> tuple[int, ...]:
        """Source labels that no target label maps to."""
        inside = {index for group in self.sources for index in group}
        return tuple(index for index in range(len(self.source_labels)) if index not in inside)

    @property
    def uncovered_names(self) -> tuple[str, ...]:
        """Names of `uncovered`, none of them that of a class."""
        names = [self.source_labels[index] for index in self.uncovered]
        return tuple(f"{name} (of the run)" if name in self.classes else name for name in names)


def build_label_map(
    source_task: str,
    source_labels: Sequence[str],
    target_task: str,
    target_labels: Sequence[str],
    given: Mapping[str, Any] | None = None,
) -> LabelMap:
    """Check a label map and group labels into classes.

    Parameters
    ----------
    given : mapping, optional
        Target label -> source label, list of source labels (any of them), or None (its posts are left out). Without
        it, labels of equal names belong together. Target labels that name the same sources fall together.

    Raises
    ------
    ConfigError
        On an unknown label, sources that overlap without being equal, or fewer than two classes (one, where posts
        have several labels).
    """
    places = {name: index for index, name in enumerate(source_labels)}
    if source_task == "multilabel":
        places.setdefault(NO_LABEL, len(source_labels))
    if given is None:
        given = {name: name if name in places else None for name in target_labels}
    groups: dict[frozenset[int], list[int]] = {}
    for target, value in given.items():
        if target not in target_labels:
            raise ConfigError(
                f"label map: '{target}' is no label of the target.{nearest(str(target), target_labels)} "
                f"It has {', '.join(target_labels)}."
            )
        names = [] if value is None else [value] if isinstance(value, str) else list(value)
        for name in names:
            if name not in places:
                raise ConfigError(
                    f"label map: {target}: '{name}' is no label of the run.{nearest(str(name), places)} "
                    f"It has {', '.join(places)}."
                )
        if names:
            groups.setdefault(frozenset(places[name] for name in names), []).append(list(target_labels).index(target))
    taken: set[int] = set()
    for group in groups:
        if taken & group:
            twice = list(places)[min(taken & group)]
            raise ConfigError(
                f"label map: '{twice}' belongs to target labels that do not name the same source labels. Give them "
                "equal lists, or lists without a common label."
            )
        taken |= group
    least = 1 if target_task == "multilabel" else 2
    if len(groups) < least:
        raise ConfigError(
            f"label map: joins {len(groups)} classes of the target ({', '.join(target_labels)}) to the run's "
            f"({', '.join(places)}), {least} or more are needed. Give --label-map FILE.yaml with lines "
            "'target label: source label'."
        )
    order = sorted(groups, key=lambda group: groups[group][0])
    # Levels keep their meaning only where nothing falls together, is left out or has no place.
    whole = len(groups) == len(target_labels) and len(taken) == len(source_labels)
    task = "multiclass" if target_task == "ordinal" and not (whole and source_task == "ordinal") else target_task
    return LabelMap(
        task,
        source_task,
        tuple(source_labels),
        tuple(target_labels),
        tuple(_class_name(groups[group], group, list(target_labels), list(places)) for group in order),
        tuple(tuple(sorted(group)) for group in order),
        tuple(tuple(groups[group]) for group in order),
    )


def _class_name(targets: list[int], sources: frozenset[int], target_labels: list[str], names: list[str]) -> str:
    if len(targets) == 1:
        return target_labels[targets[0]]
    return names[min(sources)] if len(sources) == 1 else " or ".join(target_labels[index] for index in targets)


def map_gold(labels: LabelMap, gold: npt.NDArray[np.int64]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """Return the gold in classes, and which rows can be scored.

    Parameters
    ----------
    gold : array
        Target class numbers (n,), or 0/1 labels (n, target labels).

    Returns
    -------
    gold : array (kept rows,) or (kept rows, classes)
    kept : array of bool (n,)
        Rows with a label that has a source; with several labels a post, also those without any label.
    """
    if gold.ndim == 2:
        mapped = np.stack([gold[:, list(group)].any(axis=1) for group in labels.targets], axis=1).astype(np.int64)
        kept: npt.NDArray[np.bool_] = np.asarray(mapped.any(axis=1) | ~gold.any(axis=1), dtype=np.bool_)
        return mapped[kept], kept
    table = np.full(len(labels.target_labels), OTHER, dtype=np.int64)
    for number, group in enumerate(labels.targets):
        table[list(group)] = number
    numbers = table[gold]
    known = np.asarray(numbers != OTHER, dtype=np.bool_)
    return numbers[known], known


def map_probabilities(
    labels: LabelMap, probability: npt.NDArray[np.float64], renormalise: bool = False
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Return probabilities of the classes, and decisions.

    Parameters
    ----------
    probability : array (n, source labels)
    renormalise : bool
        Leave the source labels without a target out and let the rest sum to 1. By default such a label can be
        decided for (`OTHER`), which is wrong.

    Returns
    -------
    probability : array (n, classes)
        Sums over the source labels of a class; where the model tells several labels apart independently, the largest
        of them, and `1 - max p` for `NO_LABEL`.
    decisions : array
        Class numbers or `OTHER` (n,); 0/1 classes (n, classes) for `multilabel`.
    """
    several = labels.source_task == "multilabel"
    if several:
        probability = np.column_stack([probability, 1 - probability.max(axis=1)])
    joined = np.max if several else np.sum
    mapped = np.stack([joined(probability[:, list(group)], axis=1) for group in labels.sources], axis=1)
    mapped = np.clip(mapped, 0.0, 1.0)
    if labels.task == "multilabel" and several:
        return mapped, (mapped >= 0.5).astype(np.int64)
    if renormalise:
        mapped = mapped / np.maximum(mapped.sum(axis=1, keepdims=True), 1e-12)
        best = mapped.argmax(axis=1)
    else:
        best = np.column_stack([mapped, probability[:, list(labels.uncovered)]]).argmax(axis=1)
    if labels.task == "multilabel":
        return mapped, (np.arange(len(labels.classes)) == best[:, None]).astype(np.int64)
    return mapped, np.where(best < len(labels.classes), best, OTHER).astype(np.int64)
