"""A judge of explanations held against people: the scores of rated explanations, and how they agree."""

from collections.abc import Mapping

import numpy as np

from mhclf.evaluation.agreement import Estimate, bias, icc, spearman, weighted_kappa
from mhclf.evaluation.averages import Average, average
from mhclf.generation.judge_prompts import Judged
from mhclf.generation.judging import Judge
from mhclf.generation.metric_agreement import Figure, Floats, RatedRows, figure_of, metric_figures

UNREAD = "unread"
AGREEMENT = (UNREAD, "mean", "spearman", "icc_c1", "icc_a1", "bias", "kappa_quadratic")


def judge_scores(rows: RatedRows, judge: Judge) -> dict[str, Floats]:
    """Return a judge's scores of rated explanations: dimension -> array (n,), NaN where no score could be read.

    Parameters
    ----------
    rows : RatedRows
    judge : Judge
        Its criteria are some of the dimensions of the ratings. Explanations are shown as they were rated, with the
        decision that they begin with.
    """
    backend, most = judge.backend, judge.settings.post_tokens
    items = [
        Judged(backend.shorten(post, most), text) for post, text in zip(rows.posts, rows.explanations, strict=True)
    ]
    found = judge.judge(items)
    return {
        name: np.array([np.nan if one[name].value is None else one[name].value for one in found], dtype=np.float64)
        for name in judge.rubric.names
    }


def judge_figures(rows: RatedRows, scores: Mapping[str, Floats], least: int = 10) -> list[Figure]:
    """Return how a judge agrees with the mean of the raters, for each slice and dimension.

    Parameters
    ----------
    rows : RatedRows
    scores : mapping
        From `judge_scores`.
    least : int
        With fewer scores in a slice only the share of unread ones is given.

    Returns
    -------
    list of Figure
        Names are those of `AGREEMENT`: share of explanations without a score; mean score; Spearman's correlation;
        ICC(C,1) and ICC(A,1) of judge and raters' mean as two raters; judge minus raters' mean; quadratic kappa of
        both, rounded to whole numbers. Explanations without a score are left out of all but the first.
    """
    figures = []
    for part, chosen in rows.slices().items():
        for dimension, values in scores.items():
            own, groups = values[chosen], rows.groups[chosen]
            unread = average(np.isnan(own), groups)
            figures.append(figure_of(part, UNREAD, dimension, _estimate(unread)))
            known = ~np.isnan(own)
            if known.sum() < least:
                continue
            people = rows.ratings[dimension][chosen].mean(axis=1)[known]
            own, groups = own[known], groups[known]
            both = np.column_stack([own, people])
            found = {
                "mean": _estimate(average(own, groups)),
                "spearman": spearman(own, people, groups),
                "icc_c1": icc(both, "consistency", groups),
                "icc_a1": icc(both, "agreement", groups),
                "bias": bias(own, people, groups),
                # Halves go up for both, so that neither is favoured.
                "kappa_quadratic": weighted_kappa(np.floor(both + 0.5), "quadratic", groups),
            }
            figures += [figure_of(part, name, dimension, estimate) for name, estimate in found.items()]
    return figures


def judge_as_metric(
    rows: RatedRows, scores: Mapping[str, Floats], name: str, held: Floats | None = None, least: int = 10
) -> list[Figure]:
    """Return the correlations of a judge in the form of `metric_figures`: its score of a dimension with that dimension.

    Parameters
    ----------
    rows, scores
        As in `judge_figures`.
    name : str
        Of the judge, among metrics.
    held : array (n,), optional
        A value that is held (partial correlation), such as the length.
    least : int
        As in `metric_figures`.
    """
    figures: list[Figure] = []
    for dimension, values in scores.items():
        metrics = {name: values} | ({} if held is None else {"held": held})
        figures += metric_figures(rows, metrics, None if held is None else "held", least, (dimension,))
    return figures


def _estimate(mean: Average) -> Estimate:
    return Estimate(mean.mean, mean.low, mean.high, mean.n)
