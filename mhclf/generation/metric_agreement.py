"""How people agree on explanations, and how automatic metrics agree with people: numbers without text."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mhclf.errors import DataError
from mhclf.evaluation.agreement import Estimate, exact_agreement, icc, spearman, weighted_kappa
from mhclf.evaluation.averages import average
from mhclf.generation.human_ratings import DIMENSIONS, RatedExplanations
from mhclf.generation.measuring import metrics_of_texts, metrics_to_references, spread

Floats = npt.NDArray[np.float64]
ALL = "all"
_RATERS: Mapping[str, Callable[..., Estimate]] = {
    "exact_agreement": lambda ratings, groups: exact_agreement(ratings, groups),
    "icc_c1": lambda ratings, groups: icc(ratings, "consistency", groups),
    "icc_a1": lambda ratings, groups: icc(ratings, "agreement", groups),
    "kappa_quadratic": lambda ratings, groups: weighted_kappa(ratings, "quadratic", groups),
    "kappa_linear": lambda ratings, groups: weighted_kappa(ratings, "linear", groups),
}
AGREEMENT = ("mean", *_RATERS)


@dataclass(frozen=True)
class Figure:
    """One number about a part of the explanations, without text.

    Attributes
    ----------
    part : str
        A system, or `all`.
    name : str
        An entry of `AGREEMENT`, or a metric that is correlated with the ratings.
    dimension : str
        Of the ratings.
    value, low, high : float or None
        With the ends of the 95 % interval over posts; None where undefined.
    n : int
        Explanations behind it.
    """

    part: str
    name: str
    dimension: str
    value: float | None
    low: float | None
    high: float | None
    n: int


@dataclass(frozen=True)
class RatedRows:
    """The rated explanations of several systems as rows.

    Attributes
    ----------
    parts : array (n,) of str
        System of each row.
    groups : array (n,) of str
        Key of its post: rows of one post are drawn together.
    posts, explanations : tuple of str (n,)
    ratings : dict of array (n, raters)
    """

    parts: npt.NDArray[np.str_]
    groups: npt.NDArray[np.str_]
    posts: tuple[str, ...]
    explanations: tuple[str, ...]
    ratings: dict[str, npt.NDArray[np.int64]]

    def slices(self) -> dict[str, npt.NDArray[np.bool_]]:
        """Return the rows of each system, and last of `all` where there are several."""
        names = list(dict.fromkeys(self.parts.tolist()))
        found = {name: np.asarray(self.parts == name) for name in names}
        return found | {ALL: np.ones(len(self.parts), dtype=np.bool_)} if len(names) > 1 else found


def join(files: Sequence[RatedExplanations]) -> RatedRows:
    """Put the explanations of several systems one after another.

    Raises
    ------
    DataError
        If nothing is given, or the files have different numbers of raters.
    """
    counts = {item.name: item.ratings[DIMENSIONS[0]].shape[1] for item in files}
    if len(set(counts.values())) != 1:
        shown = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise DataError(f"rated explanations need files with one number of raters, got: {shown or 'no file'}")
    return RatedRows(
        np.array([item.name for item in files for _ in item.posts]),
        np.array([key for item in files for key in item.post_keys]),
        tuple(post for item in files for post in item.posts),
        tuple(text for item in files for text in item.explanations),
        {name: np.concatenate([item.ratings[name] for item in files]) for name in DIMENSIONS},
    )


def first_rows(files: Sequence[RatedExplanations], limit: int) -> tuple[RatedExplanations, ...]:
    """Return the first `limit` explanations of each system."""
    return tuple(
        replace(
            item,
            posts=item.posts[:limit],
            explanations=item.explanations[:limit],
            ratings={name: values[:limit] for name, values in item.ratings.items()},
        )
        for item in files
    )


def text_metrics(rows: RatedRows) -> dict[str, Floats]:
    """Return the metrics that need the explanation and its post alone; see `metrics_of_texts`."""
    return metrics_of_texts(rows.explanations, rows.posts)


@dataclass(frozen=True)
class ReferenceSet:
    """References of some rows.

    Attributes
    ----------
    name : str
        Stands behind the names of metrics.
    rows : tuple of int
        The rows that have one.
    explanations, references : tuple of str
        The explanation of each of these rows, and its reference.
    """

    name: str
    rows: tuple[int, ...]
    explanations: tuple[str, ...]
    references: tuple[str, ...]


def reference_set(name: str, rows: RatedRows, references: Mapping[str, str], parts: Sequence[str] = ()) -> ReferenceSet:
    """Return the references by key of the post, of the rows that have one; of the systems `parts` alone if given."""
    chosen = [
        row
        for row, (part, key) in enumerate(zip(rows.parts, rows.groups, strict=True))
        if str(key) in references and (not parts or str(part) in parts)
    ]
    return ReferenceSet(
        name,
        tuple(chosen),
        tuple(rows.explanations[row] for row in chosen),
        tuple(references[str(rows.groups[row])] for row in chosen),
    )


def reference_metrics(references: ReferenceSet, n: int) -> dict[str, Floats]:
    """Return ROUGE, chrF and BLEU: name with that of the set -> array (n,), NaN for rows without a reference."""
    if not references.rows:
        return {}
    found = metrics_to_references(references.explanations, references.references)
    return {f"{name}_{references.name}": spread(values, references.rows, n) for name, values in found.items()}


def rater_figures(rows: RatedRows) -> list[Figure]:
    """Return mean rating and agreement of the raters, for each slice and dimension."""
    figures = []
    for part, chosen in rows.slices().items():
        groups = rows.groups[chosen]
        for dimension in DIMENSIONS:
            ratings = rows.ratings[dimension][chosen]
            mean = average(ratings.mean(axis=1), groups)
            figures.append(figure_of(part, "mean", dimension, Estimate(mean.mean, mean.low, mean.high, mean.n)))
            figures += [figure_of(part, name, dimension, of(ratings, groups)) for name, of in _RATERS.items()]
    return figures


def metric_figures(
    rows: RatedRows,
    metrics: Mapping[str, Floats],
    held: str | None = None,
    least: int = 10,
    dimensions: Sequence[str] = DIMENSIONS,
) -> list[Figure]:
    """Return Spearman's correlation of each metric with the raters' mean, for each slice and dimension.

    Parameters
    ----------
    metrics : mapping
        Name -> array (n,); rows with NaN are left out.
    held : str, optional
        Name of a metric that is held (partial correlation), such as the length; it has no figure itself.
    least : int
        A metric with fewer rows in a slice has no figure there. Nor has one where fewer rows depart from the most
        frequent mean rating: there, one or two explanations would make the correlation.
    dimensions : sequence of str
        Of the ratings.
    """
    figures = []
    for part, chosen in rows.slices().items():
        given = metrics[held][chosen] if held else None
        for name, values in metrics.items():
            known = np.isfinite(values[chosen])
            if name == held or known.sum() < least:
                continue
            for dimension in dimensions:
                mean = rows.ratings[dimension][chosen].mean(axis=1)
                if known.sum() - np.unique(mean[known], return_counts=True)[1].max() < least:
                    continue
                found = spearman(values[chosen], mean, rows.groups[chosen], given=given)
                figures.append(figure_of(part, name, dimension, found))
    return figures


def figure_of(part: str, name: str, dimension: str, estimate: Estimate) -> Figure:
    """Return an estimate as a figure, None where it is undefined."""
    numbers = (None if np.isnan(number) else float(number) for number in (estimate.value, estimate.low, estimate.high))
    value, low, high = numbers
    return Figure(part, name, dimension, value, low, high, estimate.n)
