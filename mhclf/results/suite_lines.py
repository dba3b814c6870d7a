"""The lines of a suite's tables as numbers: scores over seeds, what is missing and why, comparisons with baselines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mhclf.config.run import short_name
from mhclf.config.suite import SuiteConfig
from mhclf.evaluation import Comparison, higher_is_better, holm, paired_correctness
from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, TestRows

LEVEL = 0.05
"""Below it a corrected p-value is marked."""


@dataclass(frozen=True)
class SuiteLine:
    """One method with one encoder on one data set.

    Attributes
    ----------
    method, encoder : str
        As the records have them.
    seeds : tuple of int
        Those that ran, ascending.
    missing : tuple of (int, str)
        Planned seeds that are not there, each with the reason: `not run`, or `failed: KIND`.
    scores : mapping
        Metric -> summary over the seeds.
    comparisons : mapping
        Baseline -> comparison on the seeds that both have, and its Holm-corrected p-value.
    """

    method: str
    encoder: str
    seeds: tuple[int, ...]
    missing: tuple[tuple[int, str], ...]
    scores: Mapping[str, SuiteSummary]
    comparisons: Mapping[str, tuple[Comparison, float]]

    @property
    def seeds_told(self) -> str:
        """Return `3`, or `2 of 3` where planned seeds are missing."""
        total = len(self.seeds) + len(self.missing)
        return f"{len(self.seeds)} of {total}" if self.missing else str(total)

    @property
    def why_missing(self) -> str:
        """Why there is no number: every different reason once, empty where nothing is missing."""
        return "; ".join(dict.fromkeys(reason for _, reason in self.missing))

    def is_marked(self, baseline: str) -> bool:
        """Whether it differs from a baseline after correction."""
        return baseline in self.comparisons and self.comparisons[baseline][1] < LEVEL


def suite_lines(suite: SuiteConfig, records: SuiteRecords, rows: TestRows, dataset: str) -> tuple[SuiteLine, ...]:
    """Return the lines of one data set's table in the suite's order.

    Parameters
    ----------
    suite : SuiteConfig
    records : SuiteRecords
    rows : TestRows
        Of the data set.
    dataset : str
        Its name in the suite.
    """
    planned = suite.lines(dataset)
    compared = {baseline: _comparisons(baseline, planned, records, rows) for baseline in suite.baselines}
    lines = []
    for encoder, method in planned:
        runs = runs_of(records, rows.dataset, method, encoder)
        if _stands_elsewhere(runs, encoder, method, planned):
            continue
        seeds = tuple(run.seed for run in runs)
        lines.append(
            SuiteLine(
                method=method,
                encoder=runs[0].encoder if runs else short_name(encoder),
                seeds=seeds,
                missing=_missing(suite, records, dataset, encoder, method, seeds),
                scores={
                    item.metric: item
                    for item in records.summaries
                    if item.dataset == rows.dataset and item.method == method and _fits(item.encoder, encoder)
                },
                comparisons={
                    baseline: found[encoder, method]
                    for baseline, found in compared.items()
                    if (encoder, method) in found
                },
            )
        )
    return tuple(lines)


def best_mean(lines: Sequence[SuiteLine], metric: str) -> float | None:
    """Return the best mean of a metric among the lines with most seeds; None where no line has one."""
    most = max((len(line.seeds) for line in lines if metric in line.scores), default=0)
    means = [line.scores[metric].mean for line in lines if metric in line.scores and len(line.seeds) == most]
    known = [mean for mean in means if mean is not None]
    return (max if higher_is_better(metric) else min)(known, default=None)


def runs_of(records: SuiteRecords, dataset: str, method: str, encoder: str) -> list[SuiteRun]:
    """Return the runs that have ended well, by seed."""
    found = [
        run
        for run in records.runs
        if run.dataset == dataset and run.method == method and not run.error and _fits(run.encoder, encoder)
    ]
    return sorted(found, key=lambda run: run.seed)


def failed_runs(records: SuiteRecords) -> list[SuiteRun]:
    """Return the runs that failed, in an order of their own."""
    failed = [run for run in records.runs if run.error]
    return sorted(failed, key=lambda run: (run.dataset, run.encoder, run.method, run.seed))


def _missing(
    suite: SuiteConfig, records: SuiteRecords, dataset: str, encoder: str, method: str, seeds: Sequence[int]
) -> tuple[tuple[int, str], ...]:
    """Return planned seeds without a run, with the reason."""
    # A suite of one grid knows which lines that grid plans.
    alone = [(grid, SuiteConfig(suite.name, (grid,), baselines=()).lines(dataset)) for grid in suite.grids]
    planned = {seed for grid, lines in alone if (encoder, method) in lines for seed in grid.seeds}
    errors = {
        run.seed: run.error
        for run in failed_runs(records)
        if run.dataset == short_name(dataset) and run.method == method and _fits(run.encoder, encoder)
    }
    return tuple(
        (seed, f"failed: {errors[seed]}" if seed in errors else "not run") for seed in sorted(planned - set(seeds))
    )


def _comparisons(
    baseline: str, planned: Sequence[tuple[str, str]], records: SuiteRecords, rows: TestRows
) -> dict[tuple[str, str], tuple[Comparison, float]]:
    """Return each line's comparison with the baseline on the seeds that both have, Holm-corrected."""
    found: dict[tuple[str, str], Comparison] = {}
    for encoder, method in planned:
        theirs = {run.seed: run for run in runs_of(records, rows.dataset, baseline, encoder)}
        runs = [run for run in runs_of(records, rows.dataset, method, encoder) if run.seed in theirs]
        # A test that no line shows is none of the family that Holm's correction is about.
        if method == baseline or not runs or _stands_elsewhere(runs, encoder, method, planned):
            continue
        found[encoder, method] = paired_correctness(
            np.array([_correct(run) for run in runs]),
            np.array([_correct(theirs[run.seed]) for run in runs]),
            np.array(rows.groups),
            n_resamples=2000,
            test="permutation",
        )
    corrected: Sequence[float] = list(holm([item.p_value for item in found.values()])) if found else []
    return {key: (item, float(p)) for (key, item), p in zip(found.items(), corrected, strict=True)}


def _stands_elsewhere(runs: Sequence[SuiteRun], encoder: str, method: str, planned: Sequence[tuple[str, str]]) -> bool:
    """Whether a line is that of the linear baseline again: it has no encoder and stands in the table once."""
    return bool(runs) and runs[0].encoder == "tfidf" and encoder != next(e for e, m in planned if m == method)


def _correct(run: SuiteRun) -> npt.NDArray[np.float64]:
    """Return correctness per row: 0 or 1, or the share of right labels."""
    return np.asarray(np.array([[int(sign) for sign in line] for line in run.correct]).mean(axis=0))


def _fits(recorded: str, encoder: str) -> bool:
    """Whether a record belongs to a suite's encoder; the linear baseline has none and stands beside each."""
    return recorded in {short_name(encoder), "tfidf"}
