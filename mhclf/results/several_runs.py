"""Finished runs beside each other, as a table that draws itself in a notebook."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mhclf.errors import ConfigError, RunError
from mhclf.registry import nearest
from mhclf.results.runfolder import RunFiles, read_run
from mhclf.results.summary import headline, interval_text, main_records, own_encoder, own_method
from mhclf.results.tables import Cell, Column, Direction, Table

_USUAL = ("macro_f1", "micro_f1", "accuracy", "auroc", "qwk", "ece")


def runs_table(
    folders: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], metrics: Sequence[str] | None = None
) -> Table:
    """Return the numbers of runs, a row each.

    Parameters
    ----------
    folders : path-like, or several
        Run folders, or folders in which finished runs are looked for, such as `runs` or `runs/demo`.
    metrics : sequence of str, optional
        Names as in `results.jsonl`; by default the headline metric of the runs and the usual ones that they have.

    Returns
    -------
    Table
        Data set, method, encoder, seed, part of the data, n, and each metric with its 95 % interval. `to_markdown`,
        `to_latex` and `to_csv` write it; in a notebook it draws itself.

    Raises
    ------
    ConfigError
        If no run has a metric of that name.
    RunError, DataError
        If there is no finished run, or its files are damaged.
    """
    given = [folders] if isinstance(folders, str | os.PathLike) else list(folders)
    runs = [read_run(path) for folder in given for path in _run_folders(Path(folder))]
    if not runs:
        raise RunError("There is no run to show. Give run folders, or a folder with runs in it.")
    known = list(dict.fromkeys(record.metric for run in runs for record in main_records(run)))
    for metric in metrics or ():
        if metric not in known:
            raise ConfigError(f"metrics: no run has '{metric}'.{nearest(metric, known)} Known: {', '.join(known)}.")
    first = [record.metric for run in runs if (record := headline(run))]
    shown = tuple(metrics or dict.fromkeys([*first, *(metric for metric in _USUAL if metric in known)]))
    columns = [Column(name) for name in ("data", "method", "encoder")]
    columns += [Column("seed", "right"), Column("part"), Column("n", "right")]
    columns += [Column(metric, "right", _direction(metric, runs)) for metric in shown]
    rows = tuple(_row(run, shown) for run in runs)
    return Table("", tuple(columns), rows, ("95 % bootstrap interval over posts (groups) of one run",))


def _run_folders(folder: Path) -> list[Path]:
    if (folder / "config.yaml").is_file() or not folder.is_dir():
        return [folder]
    return sorted(file.parent for file in folder.glob("**/results.jsonl") if (file.parent / "config.yaml").is_file())


def _row(run: RunFiles, metrics: Sequence[str]) -> tuple[Cell, ...]:
    by_metric = {record.metric: record for record in main_records(run) if record.slice == "all"}
    record = headline(run)
    what: tuple[Cell, ...] = (run.manifest.name, own_method(run), own_encoder(run))
    numbers = [interval_text(by_metric[metric]) if metric in by_metric else None for metric in metrics]
    return (*what, record.seed if record else None, run.split, record.n if record else None, *numbers)


def _direction(metric: str, runs: Sequence[RunFiles]) -> Direction:
    found = next((r for run in runs for r in main_records(run) if r.metric == metric), None)
    return None if found is None else "higher" if found.higher_is_better else "lower"
