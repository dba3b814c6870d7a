"""Slices of saved predictions by their columns, and the table of any of them."""

import os
from collections.abc import Sequence

import numpy as np
import pandas as pd

from mhclf.errors import DataError
from mhclf.evaluation import Slice, category_slices, numeric_slices, slice_scores
from mhclf.registry import nearest
from mhclf.results.predictions import join_labels
from mhclf.results.runfolder import RunFiles, read_run
from mhclf.results.tables import Cell, Column, Table, format_interval

DEFAULT_COLUMNS = ("words", "confidence")


def column_slices(columns: pd.DataFrame, name: str) -> tuple[Slice, ...]:
    """Return the slices of a column: tertiles of numbers, the values of words, lists of labels joined by ` + `.

    Raises
    ------
    DataError
        An unknown column; more than 30 different words.
    """
    if name not in columns.columns:
        known = [str(column) for column in columns.columns]
        raise DataError(f"slices: there is no column '{name}'.{nearest(name, known)} Known: {', '.join(known)}.")
    values = columns[name]
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        # A share saved in single precision reads 0.6, not 0.6000000238.
        return numeric_slices(name, np.round(values.to_numpy(dtype=np.float64, na_value=np.nan), 6))
    cells = [join_labels(map(str, cell)) if isinstance(cell, list | tuple | np.ndarray) else cell for cell in values]
    return category_slices(name, np.array(cells, dtype=object))


def default_slices(columns: pd.DataFrame) -> tuple[Slice, ...]:
    """Return the slices by number of words and by the annotators' confidence, as far as the file has them."""
    return tuple(part for name in DEFAULT_COLUMNS if name in columns for part in column_slices(columns, name))


def slice_table(
    folder: str | os.PathLike[str],
    names: Sequence[str],
    metrics: Sequence[str] = ("macro_f1",),
    extra: pd.DataFrame | None = None,
) -> Table:
    """Score the posts of a run by the values of columns.

    Parameters
    ----------
    folder : path-like
        The run folder.
    names : sequence of str
        Columns of `predictions.parquet`, or of `extra`.
    metrics : sequence of str
        Metrics that need no probabilities.
    extra : pandas.DataFrame, optional
        Further columns; its column `id` says of which post. A post that it lacks is in no slice.

    Returns
    -------
    Table
        One row a slice with value and 95 % interval; a slice of fewer than 20 posts is not scored.

    Raises
    ------
    RunError, DataError
        As in `read_run`; a run without predictions; an unknown column; an id twice in `extra`.
    """
    run: RunFiles = read_run(folder)
    found = run.predictions
    if found is None:
        raise DataError(f"{run.folder}: has no predictions to slice.")
    columns = found.columns
    if extra is not None:
        if "id" not in extra or extra["id"].astype(str).duplicated().any():
            raise DataError("slices: the further columns need a column 'id' that names each post once.")
        fresh = extra.assign(id=extra["id"].astype(str)).set_index("id").reindex(list(found.ids))
        columns = columns.assign(**{str(name): fresh[name].to_numpy() for name in fresh.columns})
    parts = [part for name in names for part in column_slices(columns, name)]
    scored = slice_scores(
        run.manifest.task,
        found.gold_classes,
        found.predicted_classes,
        run.manifest.labels,
        parts,
        metrics,
        found.groups,
    )
    rows: list[tuple[Cell, ...]] = [
        (
            item.name,
            item.n,
            *(format_interval(*item.values[name]) if item.values else None for name in metrics),
        )
        for item in scored
    ]
    shown = (Column("part"), Column("n", "right"), *(Column(name, "right") for name in metrics))
    notes = ("A dash: fewer than 20 posts, too few to score.",) if any(item.values is None for item in scored) else ()
    return Table(f"Parts of the {run.split} posts", shown, tuple(rows), notes)
