"""Several runs on the same test posts on one self-contained page."""

import math
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mhclf.errors import DataError
from mhclf.evaluation import Comparison, holm, paired_permutation
from mhclf.results.derived import slice_metrics
from mhclf.results.files import write_text
from mhclf.results.part_tables import own_values
from mhclf.results.predictions import Predictions
from mhclf.results.records import ResultRecord
from mhclf.results.runfolder import RunFiles, read_run
from mhclf.results.summary import directed, interval_text, metric_name, own_encoder, own_method
from mhclf.results.tables import Cell, Column, Strong, Table, format_interval, format_number

MOST_POSTS = 5000
N_RESAMPLES = 2000
_LEVEL = 0.05


@dataclass(frozen=True)
class ComparedRuns:
    """Runs on the same posts.

    Parameters
    ----------
    runs : tuple of RunFiles
        The first one is what the others are compared with.
    names : tuple of str
        A distinct short name each.
    predictions : tuple of Predictions
        Rows in the order of the first run.
    """

    runs: tuple[RunFiles, ...]
    names: tuple[str, ...]
    predictions: tuple[Predictions, ...]

    @property
    def first(self) -> RunFiles:
        """What the others are compared with."""
        return self.runs[0]


def read_runs(folders: Sequence[str | os.PathLike[str]]) -> ComparedRuns:
    """Read run folders and check that they can be compared.

    Parameters
    ----------
    folders : sequence of path-like
        Two or more.

    Raises
    ------
    RunError
        As in `read_run`.
    DataError
        Fewer than two folders, one given twice, one without predictions, or runs on other data, labels, splits, test
        posts or gold labels than the first; the message names both folders.
    """
    if len(folders) < 2:
        raise DataError(f"a comparison needs two runs or more, {len(folders)} given.")
    places = [Path(folder).resolve() for folder in folders]
    for place, folder in enumerate(folders):
        if places[place] in places[:place]:
            raise DataError(f"{folder} is given twice.")
    runs = tuple(read_run(folder) for folder in folders)
    first = runs[0]
    found: list[Predictions] = []
    for run in runs:
        if run.predictions is None:
            raise DataError(f"{run.folder} has no predictions. Was the run finished?")
        for what, ours, theirs in (
            ("another data set", first.manifest.name, run.manifest.name),
            ("other data", first.manifest.hashes.get("data"), run.manifest.hashes.get("data")),
            ("other labels", first.manifest.labels, run.manifest.labels),
            ("another split", first.split, run.split),
        ):
            if ours != theirs:
                raise DataError(
                    f"{run.folder} was evaluated on {what} than {first.folder} ({_short(theirs)}, not {_short(ours)}). "
                    "Compare runs on the same rows."
                )
        found.append(_aligned(run.predictions, found[0] if found else run.predictions, run, first))
    return ComparedRuns(runs, _names(runs), tuple(found))


def write_comparison(
    folders: Sequence[str | os.PathLike[str]],
    out: str | os.PathLike[str],
    texts: Mapping[str, str] | None = None,
) -> Path:
    """Write the page that compares runs.

    Parameters
    ----------
    folders : sequence of path-like
        Run folders; the others are compared with the first.
    out : path-like
        The HTML file.
    texts : mapping of str to str, optional
        Post id to text. Only with it is any text in the page, hidden until asked for.

    Returns
    -------
    pathlib.Path
        The page; it loads nothing.

    Raises
    ------
    RunError, DataError
        As in `read_runs`.
    """
    compared = read_runs(folders)
    # jinja2 is loaded only where it is needed.
    from mhclf.results.pages import render_page

    first = compared.first
    facts = [
        ("data set", first.manifest.name), (f"{first.split} posts", f"{len(compared.predictions[0].ids):,}"),
        ("compared with", compared.names[0]), ("SHA-256 of the rows", str(first.manifest.hashes.get("data", ""))[:12]),
    ]  # fmt: skip
    page = render_page(
        "compare.html.j2",
        title=first.manifest.title or first.manifest.name,
        facts=[(key, value) for key, value in facts if value],
        runs=_runs_table(compared),
        results=metrics_table(compared),
        differences=differences_table(compared),
        picture=_picture(compared),
        names=compared.names,
        labels=first.manifest.labels,
        **_posts(compared, texts or {}),
    )
    return write_text(Path(out), page)


def metrics_table(compared: ComparedRuns) -> Table:
    """Return every metric of the whole split, one column a run, the best value of each row in bold."""
    values = [own_values(run) for run in compared.runs]
    metrics = list(dict.fromkeys(name for one in values for name in one if "/" not in name))
    rows = []
    for metric in metrics:
        found = [one.get(metric) for one in values]
        best = _best([record for record in found if record])
        known = next(record for record in found if record)
        cells: list[Cell] = [_marked(record, best) if record else None for record in found]
        rows.append((directed(known), *cells))
    columns = (Column("metric"), *(Column(name, "right") for name in compared.names))
    notes = (
        "Bold: the best value of the row, not significance. In brackets 95 % bootstrap intervals over posts (groups).",
    )
    return Table(f"{compared.first.split.capitalize()} results", columns, tuple(rows), notes)


def differences_table(compared: ComparedRuns) -> Table:
    """Return each run's paired difference from the first, with interval, p-value and Holm's correction."""
    labels = compared.first.manifest.labels
    base = compared.predictions[0]
    metrics = slice_metrics(compared.first.manifest)
    entries: list[tuple[str, str, Comparison]] = []
    for name, found in zip(compared.names[1:], compared.predictions[1:], strict=True):
        for metric in metrics:
            arrays = (metric, base.gold_classes, found.predicted_classes, base.predicted_classes, base.groups)
            entries.append((name, metric, paired_permutation(*arrays, N_RESAMPLES, labels=labels)))
    corrected = holm([item.p_value for _, _, item in entries])
    rows: list[tuple[Cell, ...]] = []
    for (name, metric, item), p_value in zip(entries, corrected, strict=True):
        star = "*" if p_value < _LEVEL else ""
        rows.append((
            name, metric_name(metric), format_interval(item.difference, item.ci_low, item.ci_high),
            format_number(item.p_value), f"{format_number(float(p_value))}{star}",
        ))  # fmt: skip
    columns = (Column("run"), Column("metric"), Column("difference [95 % interval]", "right"),
               Column("p", "right"), Column("p (Holm)", "right"))  # fmt: skip
    groups = entries[0][2].n_groups
    notes = (
        f"Run less {compared.names[0]}, on the same {len(base.ids):,} posts in {groups:,} groups. Interval: paired "
        f"bootstrap over groups; p: paired permutation of whole groups ({N_RESAMPLES:,} resamples each). "
        f"Holm-corrected over the {len(entries)} tests of this table; * below {_LEVEL:g}.",
        "The tests speak of these trained models. The spread over seeds is not in them: compare several seeds by a "
        "suite.",
    )
    return Table(f"Difference from {compared.names[0]}", columns, tuple(rows), notes)


def _runs_table(compared: ComparedRuns) -> Table:
    rows = tuple(
        (name, own_method(run), own_encoder(run), str(run.config.get("seed", "")), run.folder.name)
        for name, run in zip(compared.names, compared.runs, strict=True)
    )
    columns = (Column("run"), Column("method"), Column("encoder"), Column("seed", "right"), Column("folder"))
    return Table("Runs", columns, rows)


def _picture(compared: ComparedRuns) -> dict[str, Any]:
    """Return the bars of F1 by class as a data URI with its size."""
    # matplotlib is loaded only where it is needed.
    from mhclf.results.class_figure import class_comparison
    from mhclf.results.pages import data_uri, picture_size
    from mhclf.results.style import save

    labels = compared.first.manifest.labels
    values = [own_values(run) for run in compared.runs]

    def series(one: Mapping[str, ResultRecord], part: str) -> list[float]:
        found = [getattr(one[f"f1/{label}"], part) if f"f1/{label}" in one else None for label in labels]
        return [math.nan if number is None else float(number) for number in found]

    figure = class_comparison(
        labels,
        compared.predictions[0].gold.sum(axis=0).tolist(),
        {name: series(one, "value") for name, one in zip(compared.names, values, strict=True)},
        {
            name: list(zip(series(one, "ci_low"), series(one, "ci_high"), strict=True))
            for name, one in zip(compared.names, values, strict=True)
        },
    )
    with tempfile.TemporaryDirectory() as folder:
        path = save(figure, Path(folder) / "classes.png")
        width, height = picture_size(path)
        return {"source": data_uri(path), "width": width, "height": height}


def _posts(compared: ComparedRuns, texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the posts on which the runs disagree, those that the first run has wrong on top."""
    first = compared.predictions[0]
    answers = np.stack([found.prediction for found in compared.predictions])
    differ = np.flatnonzero((answers != answers[0]).any(axis=(0, 2)))
    order = differ[np.argsort(first.correct[differ], kind="stable")]
    gold = first.names(first.gold)
    said = [found.names(found.prediction) for found in compared.predictions]
    right = [found.correct for found in compared.predictions]
    known = {str(key): text for key, text in texts.items()}
    posts = [
        {
            "id": first.ids[k],
            "gold": gold[k],
            "answers": [(names[k], bool(ok[k])) for names, ok in zip(said, right, strict=True)],
            "outcome": "right" if first.correct[k] else "wrong",
            "gold_places": _places(first.gold[k]),
            "prediction_places": _places(np.asarray(answers[:, k].any(axis=0))),
            "text": known.get(first.ids[k]),
        }
        for k in order[:MOST_POSTS]
    ]
    return {
        "posts": posts,
        "differ_count": f"{len(differ):,}",
        "post_count": f"{len(first.ids):,}",
        "cut": f"Only the first {MOST_POSTS:,} are listed." if len(differ) > MOST_POSTS else "",
        "has_texts": any(post["text"] is not None for post in posts),
    }


def _places(chosen: NDArray[np.bool_]) -> str:
    """Return the numbers of the chosen labels, for the filter in the page."""
    return " ".join(map(str, np.flatnonzero(chosen)))


def _aligned(found: Predictions, base: Predictions, run: RunFiles, first: RunFiles) -> Predictions:
    """Return the predictions in the order of the first run's posts."""
    rows = found.places_of(base.ids)
    if rows is None:
        known = set(found.ids)
        missing = sum(identifier not in known for identifier in base.ids)
        raise DataError(
            f"{run.folder} holds {len(found.ids)} posts and {first.folder} {len(base.ids)}; {missing} of the "
            "latter are missing. Compare runs on the same rows."
        )
    ordered = replace(
        found, ids=base.ids, gold=found.gold[rows], prediction=found.prediction[rows],
        probability=found.probability[rows], abstention=found.abstention[rows], groups=found.groups[rows],
        columns=found.columns.iloc[rows].reset_index(drop=True),
    )  # fmt: skip
    if (ordered.gold != base.gold).any():
        raise DataError(f"{run.folder} has other gold labels than {first.folder}. Compare runs on the same rows.")
    return ordered


def _names(runs: Sequence[RunFiles]) -> tuple[str, ...]:
    """Return the shortest of method, method with encoder, and these with the seed that tells all runs apart."""
    parts = [(own_method(run), own_encoder(run), f"seed {run.config.get('seed', '')}") for run in runs]
    for chosen in ((0,), (0, 1), (0, 2), (0, 1, 2)):
        names = [" ".join(one[k] for k in chosen if one[k]) for one in parts]
        if len(set(names)) == len(names):
            return tuple(names)
    return tuple(f"{name} ({number})" for number, name in enumerate(names, start=1))


def _best(records: Sequence[ResultRecord]) -> float | None:
    """Return the best value of one metric, None where fewer than two runs have one."""
    values = [record.value for record in records if record.value is not None]
    if len(values) < 2:
        return None
    return (max if records[0].higher_is_better else min)(values)


def _marked(record: ResultRecord, best: float | None) -> str:
    text = interval_text(record)
    return Strong(text) if best is not None and record.value == best else text


def _short(value: object) -> str:
    """Return a hash, a name or labels in few signs, for a message."""
    text = ", ".join(value) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 40 else f"{text[:12]}..."
