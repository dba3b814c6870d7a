"""A suite's fidelity: every cell is a run folder that is trained, explained once, and summed up in one page."""

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from explain.model import Precision
from explain.run import RunFidelity, best_method, explain_run, read_run_fidelity, reason_sentence
from explain.summary import FidelityRecord, answers
from explain.tables import fidelity_table, split_table
from mhclf.config.run import RunConfig
from mhclf.config.structure import from_mapping
from mhclf.config.suite import SuiteConfig
from mhclf.errors import RunError
from mhclf.results.files import write_text
from mhclf.results.tables import to_latex, to_markdown
from mhclf.training.run import run

logger = logging.getLogger(__name__)


def explain_suite(
    cells: Sequence[RunConfig],
    records: Path,
    methods: Sequence[str],
    limit: int,
    data_root: str | None,
    precision: Precision = "fp32",
) -> None:
    """Train and explain every cell that is not yet, and write the text-free records after each.

    Parameters
    ----------
    cells : sequence of RunConfig
    records : Path
        The committed file; cells of earlier runs that are not in the suite leave it.
    methods, limit, data_root, precision
        As in `explain_run`.
    """
    found: list[RunFidelity] = []
    for number, config in enumerate(cells, start=1):
        outcome = run(config)
        if (outcome.folder / "fidelity.jsonl").is_file():
            fidelity = read_run_fidelity(outcome.folder)
        else:
            fidelity = explain_run(outcome.folder, methods, limit, data_root=data_root, precision=precision)
        found.append(fidelity)
        logger.info("[%d/%d] %s explained", number, len(cells), outcome.folder)
        write_text(records, "".join(_line(item) for item in found))


def _line(item: RunFidelity) -> str:
    content = {"counts": item.counts, "records": [asdict(record) for record in item.records]}
    return json.dumps(content, ensure_ascii=False, sort_keys=True) + "\n"


def read_suite_fidelity(path: Path) -> list[tuple[list[FidelityRecord], dict[str, Any]]]:
    """Read the committed records: one run's records and counts a line.

    Raises
    ------
    RunError
        If the file is missing or damaged.
    """
    try:
        lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
        return [
            ([from_mapping(FidelityRecord, record, str(path)) for record in line["records"]], line["counts"])
            for line in lines
        ]
    except (OSError, ValueError, KeyError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}). Run the suite first.") from error


def suite_page(suite: SuiteConfig, records: Path, command: str) -> str:
    """Return the Markdown page of a suite's fidelity, from its committed records alone."""
    parts = [f"# {suite.title or suite.name}\n", *(f"{note}\n" for note in suite.notes)]
    for own, counts in read_suite_fidelity(records):
        parts.append(to_markdown(fidelity_table(own, counts)))
        sentences = [*answers(own), reason_sentence(counts, best_method(own))]
        parts.append("".join(f"- {sentence}\n" for sentence in sentences))
        parts.append(to_markdown(split_table(own)))
    parts.append(f"Made by `{command}`; again from the committed records alone with `{command} --from-records`.\n")
    return "\n".join(parts)


def suite_latex(records: Path) -> str:
    """Return the fidelity tables of a suite as LaTeX (booktabs), from its committed records alone."""
    tables = [
        to_latex(fidelity_table(own, counts), f"tab:fidelity-{own[0].dataset}")
        for own, counts in read_suite_fidelity(records)
    ]
    return "\n".join(tables)
