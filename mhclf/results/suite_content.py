"""What every form of a suite's table is made of, gathered once from its committed records."""

from collections.abc import Iterable
from dataclasses import dataclass

from mhclf.config.published import PublishedNumber
from mhclf.config.run import short_name
from mhclf.config.suite import SuiteConfig
from mhclf.results.suite import SuiteRecords, TestRows
from mhclf.results.suite_lines import SuiteLine, failed_runs, suite_lines
from mhclf.results.suite_published import Apart, OurTest, divide


@dataclass(frozen=True)
class DatasetScores:
    """All that is known of one data set of a suite.

    Attributes
    ----------
    rows : TestRows
    lines : tuple of SuiteLine
    beside : tuple of PublishedNumber
        Published numbers that are comparable.
    apart : tuple of Apart
        Those that are not.
    """

    rows: TestRows
    lines: tuple[SuiteLine, ...]
    beside: tuple[PublishedNumber, ...] = ()
    apart: tuple[Apart, ...] = ()


@dataclass(frozen=True)
class SuiteContent:
    """A suite with everything that its tables show.

    Attributes
    ----------
    suite : SuiteConfig
    records : SuiteRecords
    scores : tuple of DatasetScores
        Of the data sets that have test rows, in the suite's order.
    absent : tuple of str
        Data sets without any, with the reason.
    command : str
        Makes the tables.
    """

    suite: SuiteConfig
    records: SuiteRecords
    scores: tuple[DatasetScores, ...]
    absent: tuple[str, ...]
    command: str

    @property
    def title(self) -> str:
        """Title, or name where the suite has none."""
        return self.suite.title or self.suite.name

    @property
    def protocols(self) -> tuple[str, ...]:
        """Protocols of all runs, sorted."""
        return tuple(sorted({run.protocol for run in self.records.runs}))

    @property
    def seeds(self) -> tuple[int, ...]:
        """Seeds that ran, ascending."""
        return tuple(sorted({seed for part in self.scores for line in part.lines for seed in line.seeds}))

    @property
    def commits(self) -> tuple[str, ...]:
        """First twelve digits of the commits of all runs, sorted; with a plus where files were changed."""
        known = {(run.commit[:12], run.commit.endswith("+")) for run in self.records.runs if run.commit}
        return tuple(f"{digits}+" if changed else digits for digits, changed in sorted(known))

    @property
    def runs(self) -> tuple[int, int]:
        """How many runs there are, and how many are planned; each counts once, whatever else it is tested on."""
        planned = {
            # The linear baseline has no encoder and runs once.
            (short_name(dataset) + part.label, method, "" if method == "tfidf_lr" else encoder, seed)
            for grid in self.suite.grids
            for dataset in grid.datasets
            for part in grid.parts
            for method in grid.methods
            for encoder in grid.encoders
            for seed in grid.seeds
        }
        return len({run.run for run in self.records.runs if not run.error}), len(planned)

    @property
    def failures(self) -> tuple[str, ...]:
        """A line for each failed run."""
        return tuple(
            f"{run.dataset}, {run.method} ({run.encoder}), seed {run.seed}: {run.error}"
            for run in failed_runs(self.records)
        )


def suite_content(
    suite: SuiteConfig, records: SuiteRecords, published: Iterable[PublishedNumber], command: str
) -> SuiteContent:
    """Gather a suite's content; the order of the records does not matter."""
    numbers = tuple(published)
    found = {rows.dataset: rows for rows in records.rows}
    scores = []
    absent = []
    for dataset in suite.datasets:
        rows = found.get(short_name(dataset))
        if rows is None:
            kinds = {run.error for run in failed_runs(records) if run.dataset == short_name(dataset)}
            absent.append(dataset + (f" (failed: {', '.join(sorted(kinds))})" if kinds else ""))
            continue
        beside, apart = divide(numbers, OurTest(rows.dataset, len(rows.ids), rows.headline_metrics))
        scores.append(DatasetScores(rows, suite_lines(suite, records, rows, dataset), beside, apart))
    return SuiteContent(suite, records, tuple(scores), tuple(absent), command)
