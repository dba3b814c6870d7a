"""Confusable pairs of a suite: margin and confusion without and with the contrastive loss, at the same seeds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mhclf.config.run import short_name
from mhclf.config.suite import SuiteConfig
from mhclf.results.suite import SuiteRecords, SuiteRun
from mhclf.results.tables import Cell, Column, Table, format_mean_sd, format_number, to_markdown

TWINS = {"finetune": "supcon", "layer_attentive": "lara_supcon"}
"""Recipes that differ by the contrastive loss alone: without it, with it."""

MOST_PAIRS = 6

PAIRS_EXPLAINED = (
    "For each pair of classes: the margin, which is the distance of the two centroids over the mean distance of a "
    "post to its own centroid in what the head reads, and the confusion, which is the share of the two classes' "
    "test posts that were taken for the other one. Both without and with the contrastive loss, mean over the seeds "
    "that both have; the difference is with less without, ± its sd over seeds. The loss works on a projection of "
    "the same vectors, so a wider margin is near to what it was asked for; only fewer confusions are a gain."
)


@dataclass(frozen=True)
class PairChange:
    """A pair of classes without and with the loss.

    Attributes
    ----------
    dataset, encoder, plain, contrastive, first, second : str
        Where, by which two methods, which two classes.
    seeds : tuple of int
        Those that both methods have.
    margin, confusion : array (seeds, 2)
        Without and with; a margin is NaN where a class has too few posts.
    """

    dataset: str
    encoder: str
    plain: str
    contrastive: str
    first: str
    second: str
    seeds: tuple[int, ...]
    margin: npt.NDArray[np.float64]
    confusion: npt.NDArray[np.float64]


def twins(suite: SuiteConfig) -> list[tuple[str, str]]:
    """Return the pairs of methods (recipes and variants of a suite) that differ by the contrastive loss alone."""
    settings = {name: suite.variants.get(name, {"method": name}) for name in suite.methods}
    return [
        (plain, contrastive)
        for plain, own in settings.items()
        for contrastive, other in settings.items()
        if own["method"] in TWINS and other == own | {"method": TWINS[own["method"]]}
    ]


def pair_changes(suite: SuiteConfig, records: SuiteRecords) -> list[PairChange]:
    """Return every pair of every data set where runs with and without the loss exist at the same seeds."""
    found = []
    for dataset in map(short_name, suite.datasets):
        for encoder in dict.fromkeys(short_name(encoder) for grid in suite.grids for encoder in grid.encoders):
            for plain, contrastive in twins(suite):
                without = _by_seed(records, dataset, encoder, plain)
                with_loss = _by_seed(records, dataset, encoder, contrastive)
                seeds = tuple(sorted(seed for seed in without if seed in with_loss))
                if seeds:
                    runs = [(without[seed], with_loss[seed]) for seed in seeds]
                    found += _changes(dataset, encoder, (plain, contrastive), seeds, runs)
    return found


def pairs_section(suite: SuiteConfig, records: SuiteRecords) -> str:
    """Return the section in Markdown; empty where no data set has both methods of a twin with pairs."""
    changes = pair_changes(suite, records)
    if not changes:
        return ""
    table = to_markdown(pairs_table(changes))
    lines = [f"- {line}" for line in counted(suite, changes)]
    return "\n".join(["## Confusable pairs\n", f"{PAIRS_EXPLAINED}\n", table, *lines]) + "\n"


def pairs_table(changes: Sequence[PairChange]) -> Table:
    """Return, for each data set, at most six pairs, by their mean confusion without the loss."""
    lines: list[tuple[Cell, ...]] = []
    for dataset in dict.fromkeys(change.dataset for change in changes):
        own = [change for change in changes if change.dataset == dataset]
        confused: dict[tuple[str, str], list[float]] = {}
        for change in own:
            confused.setdefault((change.first, change.second), []).append(float(change.confusion[:, 0].mean()))
        most = sorted(confused, key=lambda pair: (-float(np.mean(confused[pair])), pair))[:MOST_PAIRS]
        lines += [
            (
                dataset,
                f"{change.first} / {change.second}",
                f"{change.contrastive} vs {change.plain} ({change.encoder})",
                len(change.seeds),
                *_cells(change.margin, 2),
                *_cells(change.confusion, 3),
            )
            for pair in most
            for change in own
            if (change.first, change.second) == pair
        ]
    columns = (
        Column("data set"),
        Column("pair"),
        Column("methods"),
        Column("seeds", "right"),
        Column("margin without", "right", "higher"),
        Column("with", "right", "higher"),
        Column("difference", "right"),
        Column("confusion without", "right", "lower"),
        Column("with", "right", "lower"),
        Column("difference", "right"),
    )
    return Table("", columns, tuple(lines))


def counted(suite: SuiteConfig, changes: Sequence[PairChange]) -> list[str]:
    """Return what each twin's pairs show, all of them counted, and what that cannot show."""
    lines = []
    for plain, contrastive in twins(suite):
        own = [change for change in changes if (change.plain, change.contrastive) == (plain, contrastive)]
        if not own:
            continue
        margins = [_difference(change.margin) for change in own]
        confusions = [_difference(change.confusion) for change in own]
        known = [value for value in margins if not np.isnan(value)]
        both = sum(a > 0 and b < 0 for a, b in zip(margins, confusions, strict=True))
        lines.append(
            f"{contrastive} vs {plain}, all pairs: the mean margin is wider with the loss in "
            f"{sum(value > 0 for value in known)} of {len(known)}, the mean confusion is lower in "
            f"{sum(value < 0 for value in confusions)} and higher in {sum(value > 0 for value in confusions)} of "
            f"{len(own)}; wider and less confused at once: {both}."
        )
    lines.append(
        "No test is made here: pairs of one data set share classes and posts, and the sd over few seeds is itself "
        "uncertain. A difference smaller than its sd says nothing."
    )
    return lines


def _by_seed(records: SuiteRecords, dataset: str, encoder: str, method: str) -> dict[int, SuiteRun]:
    return {
        run.seed: run
        for run in records.runs
        if (run.dataset, run.encoder, run.method) == (dataset, encoder, method) and run.pairs and not run.error
    }


def _changes(
    dataset: str,
    encoder: str,
    methods: tuple[str, str],
    seeds: tuple[int, ...],
    runs: Sequence[tuple[SuiteRun, SuiteRun]],
) -> list[PairChange]:
    tables = [
        [{(pair["first"], pair["second"]): pair for pair in run.pairs if pair["n"]} for run in twins] for twins in runs
    ]
    shared = [pair for pair in tables[0][0] if all(pair in table for twins in tables for table in twins)]

    def values(pair: tuple[str, str], key: str) -> npt.NDArray[np.float64]:
        return np.array([[table[pair][key] for table in twins] for twins in tables], dtype=np.float64)

    return [
        PairChange(dataset, encoder, *methods, *pair, seeds, values(pair, "margin"), values(pair, "confusion"))
        for pair in sorted(shared)
    ]


def _difference(values: npt.NDArray[np.float64]) -> float:
    return float((values[:, 1] - values[:, 0]).mean())


def _cells(values: npt.NDArray[np.float64], digits: int) -> tuple[str, str, str]:
    differences = values[:, 1] - values[:, 0]
    spread = float(differences.std(ddof=1)) if len(differences) > 1 else None
    without, with_loss = (format_number(float(mean), digits) for mean in values.mean(axis=0))
    return without, with_loss, format_mean_sd(float(differences.mean()), spread, digits)
