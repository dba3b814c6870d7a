"""The page of the WellDunn replay: defect by defect, beside the sound protocol, made from the records alone."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from explain.welldunn import COVERAGE_DEFECTS, COVERAGES, OVERLAP_DEFECTS, RANK_DEFECTS
from explain.welldunn_records import ReplayRecord
from mhclf.errors import DataError
from mhclf.results.tables import Column, Table, format_interval, format_number, to_markdown

SENTENCES = {
    "sound": "the sound protocol",
    "random_cut": "random cut: sentences of one source post on both sides",
    "leaked_split": "leaked split: most evaluated rows are also trained on",
    "gold_count": "as many labels as the gold has",
    "one_head": "head 0 instead of the mean of heads",
    "padding": "cut or padded to 64 tokens, padding counts",
    "kept_specials": "only [CLS] and [SEP] are taken out (of this tokenizer, all that there is but padding)",
    "string_keys": "scores kept by string, the last one stays",
    "word_pieces": "tokens compared as strings, word pieces not joined",
    "fixed_top": "the 4 highest instead of as many as the expert marked",
    "first_layer": "layer index 0 instead of the last layer",
    "value_table": "rank of the table of singular values",
    "gold_column": "sorted by the last gold label instead of the reservation",
    "lost_row": "one row less is kept",
    "all": "all of these together",
    "all, with the leaked split": "all together, model and rows of the leaked split",
}
CHECKED = (
    "The published notebook for seed 200 prints how many posts of each class it evaluates at each coverage: 144, 110, "
    "233, 130 at 1; 144, 110, 233, 6 at 0.8; 138, 104, 220, 0 at 0.75. The replayed rows give the same numbers at all "
    "six coverages, so that split, lost row and sort column are those of the released code."
)
"""Held to by a test on the real file."""
_COVERAGE_COLUMNS = tuple(f"{coverage:g}" for coverage in COVERAGES)


def replay_markdown(records: Sequence[ReplayRecord], command: str, planned: Sequence[str] = ()) -> str:
    """Return the page.

    Parameters
    ----------
    records : sequence of ReplayRecord
        Of one encoder; data sets may be missing.
    command : str
        What makes the page again.
    planned : sequence of str
        Data sets that belong to the page; those without a record are named at its end.

    Raises
    ------
    DataError
        If there is no record, or the records are of several encoders.
    """
    encoders = sorted({item.encoder for item in records})
    if len(encoders) != 1:
        raise DataError(
            f"replay: the records are of {len(encoders)} encoders; the page shows exactly one. Run the replay once "
            "without --from-records, and every encoder in a file of its own."
        )
    parts = [
        "# WellDunn, replayed defect by defect",
        "The released code of WellDunn (BlackboxNLP 2024, arXiv:2406.12058) evaluates in ways that change its numbers. "
        "Here each of them is turned on alone, and all together, for one model on the same posts, beside the sound "
        "protocol. The numbers say what each defect does to this model; they are no measurement of the published "
        "models, which were larger and trained otherwise.",
        f"Encoder: {encoders[0]}. Settings are those of the recipes; nothing was tuned. Each cell is the mean over the "
        "split seeds that are named below its data set; in brackets the mean ends of the seeds' own 95 % bootstrap "
        "intervals over groups of posts. The test posts of the seeds overlap, so that their mean is not as much "
        "evidence as that many sets would be. A change is the paired difference on the same posts.",
    ]
    for dataset in sorted({item.dataset for item in records}, reverse=True):
        own = [item for item in records if item.dataset == dataset]
        seeds = sorted({item.split_seed for item in own})
        parts += [f"## {dataset}", f"Split seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}."]
        if dataset == "wellxplain":
            parts.append(CHECKED)
        for family, build in _TABLES.items():
            chosen = [item for item in own if item.family == family]
            if chosen:
                parts += build(_Cells(chosen))
    missing = [name for name in planned if name not in {item.dataset for item in records}]
    if missing:
        parts.append(f"Planned and not replayed yet: {', '.join(missing)}.")
    parts.append(f"Made by `{command}`; again from the committed records with `--from-records`.")
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


class _Cells:
    """Records of one family, averaged over split seeds."""

    def __init__(self, records: Iterable[ReplayRecord]) -> None:
        self.by: dict[tuple[str, str], list[ReplayRecord]] = {}
        for item in records:
            self.by.setdefault((item.setting, item.measure), []).append(item)
        present = {setting for setting, _ in self.by}
        self.settings = [name for name in SENTENCES if name in present]
        self.measures = {measure for _, measure in self.by}

    def mean(self, setting: str, measure: str, what: str = "value") -> float | None:
        """Return the mean over seeds of one field; None where no seed has it."""
        values = [getattr(item, what) for item in self.by.get((setting, measure), [])]
        known = [value for value in values if value is not None]
        return float(np.mean(known)) if known else None

    def cell(self, setting: str, measure: str, digits: int = 3) -> str:
        """Return value and interval."""
        value, low, high = (self.mean(setting, measure, what) for what in ("value", "ci_low", "ci_high"))
        return format_interval(value, low, high, digits)

    def change(self, setting: str, measure: str) -> str:
        """Return paired difference and interval."""
        value, low, high = (self.mean(setting, measure, what) for what in ("change", "change_low", "change_high"))
        return format_interval(value, low, high)

    def posts(self, setting: str, measure: str) -> str:
        """Return the number of posts: one, or the range over seeds."""
        counts = sorted({item.n for item in self.by.get((setting, measure), [])})
        return str(counts[0]) if len(counts) == 1 else f"{counts[0]} to {counts[-1]}" if counts else ""


def _split_table(cells: _Cells) -> list[str]:
    metrics = [
        name for name in ("accuracy", "micro_f1", "macro_f1", "mcc", "subset_accuracy") if name in cells.measures
    ]
    columns = (
        Column("setting"),
        *(Column(name, "right") for name in metrics),
        Column("change of macro_f1", "right"),
        Column("evaluated rows trained on", "right"),
        Column("their source post trained on", "right"),
        Column("n", "right"),
    )
    rows = tuple(
        (
            SENTENCES[name],
            *(cells.cell(name, metric) for metric in metrics),
            cells.change(name, "macro_f1"),
            _percent(cells.mean(name, "trained_on")),
            _percent(cells.mean(name, "source_trained_on")),
            cells.posts(name, "macro_f1"),
        )
        for name in cells.settings
    )
    grouped = "random_cut" in cells.settings
    note = (
        "The sound cut keeps the sentences of a source post together, so that its test posts are others; the change of "
        "the leaked split is against the random cut, on the same posts."
        if grouped
        else "All rows are of the same test posts and the same random 80/20 cut; the change is against the sound "
        "protocol."
    )
    changed = "leaked_split"
    gain = cells.mean(changed, "macro_f1", "change")
    text = []
    if gain is not None:
        text.append(
            f"The leaked split, in which {_percent(cells.mean(changed, 'trained_on'))} of the evaluated rows are also "
            f"trained on, changes macro-F1 by {format_number(gain)}."
        )
    for name, words in (("gold_count", "The gold's number of labels alone"), ("all", "Both together")):
        value = cells.mean(name, "macro_f1", "change")
        if value is not None:
            text.append(f"{words}: {format_number(value)}.")
    return [to_markdown(Table("Decisions", columns, rows, (note,))), *([" ".join(text)] if text else [])]


def _class_table(cells: _Cells) -> list[str]:
    labels = list(dict.fromkeys(measure.split("/", 1)[1] for _, measure in cells.by))
    names = {"recall": "recall", "trained_on": "trained on", "train_rows": "train rows"}
    short = {"sound": "sound", "random_cut": "random cut", "leaked_split": "leaked split"}
    columns = (
        Column("class"),
        *(Column(f"{names[kind]}, {short[name]}", "right") for name in cells.settings for kind in names),
    )
    rows = tuple(
        (
            label,
            *(
                cell
                for name in cells.settings
                for cell in (
                    cells.cell(name, f"recall/{label}"),
                    _percent(cells.mean(name, f"trained_on/{label}")),
                    format_number(cells.mean(name, f"train_rows/{label}"), 0),
                )
            ),
        )
        for label in labels
    )
    note = (
        "Trained on: share of the class's evaluated rows that are also train rows. The leaked split takes the first "
        "rows of the file out of train instead of the sampled ones. Where a file is in the order of its classes, these "
        "rows are of one class: that class is left with few train rows, while the other classes are evaluated on what "
        "was learnt. The two work against each other in every average."
    )
    return [to_markdown(Table("Decisions by class", columns, rows, (note,)))]


def _overlap_table(cells: _Cells) -> list[str]:
    columns = (
        Column("setting"),
        Column("overlap (more than half found)", "right"),
        Column("change", "right"),
        Column("with random scores", "right"),
        Column("share found", "right"),
        Column("change", "right"),
        Column("with random scores", "right"),
        Column("n", "right"),
    )
    rows = tuple(
        (
            SENTENCES[name],
            *(
                cell
                for measure in ("overlap", "share")
                for cell in (
                    cells.cell(name, measure),
                    cells.change(name, measure),
                    format_number(cells.mean(name, f"{measure}_random")),
                )
            ),
            cells.posts(name, "overlap"),
        )
        for name in _ordered(cells, OVERLAP_DEFECTS)
    )
    note = (
        "Attention of the last layer, summed over queries. n counts posts with an expert's word; words cut off by the "
        "limit of tokens count as not found."
    )
    sound, published = cells.mean("sound", "overlap"), cells.mean("all", "overlap")
    text = (
        f"On the same model and posts the published overlap is {format_number(published)}, the sound one "
        f"{format_number(sound)}; random scores reach {format_number(cells.mean('all', 'overlap_random'))} and "
        f"{format_number(cells.mean('sound', 'overlap_random'))}."
    )
    return [to_markdown(Table("Attention overlap", columns, rows, (note,))), text]


def _rank_table(cells: _Cells) -> list[str]:
    columns = (Column("setting"), Column("rank", "right"), Column("n", "right"))
    rows = tuple(
        (
            SENTENCES[name],
            cells.cell(name, "rank", 1),
            cells.posts(name, "rank"),
        )
        for name in _ordered(cells, RANK_DEFECTS)
    )
    note = (
        "Last head. The sound row is the mean numerical rank of the posts' own attention (relative tolerance 0.001), "
        "which cannot exceed the tokens of a post. The rank of the table of singular values is one number for all "
        "posts: it says in how many directions their spectra differ, has no interval over posts, and depends on their "
        "number. "
        "The last row is taken over the train rows, as published."
    )
    return [to_markdown(Table("Attention rank", columns, rows, (note,)))]


def _coverage_table(cells: _Cells) -> list[str]:
    parts = []
    for metric in ("accuracy", "macro_f1"):
        columns = (Column("setting"), *(Column(name, "right") for name in _COVERAGE_COLUMNS))
        rows = tuple(
            (SENTENCES[name], *(cells.cell(name, f"{metric}@{coverage}") for coverage in _COVERAGE_COLUMNS))
            for name in _ordered(cells, COVERAGE_DEFECTS)
        )
        parts.append(to_markdown(Table(f"Coverage curve of the gambler's loss: {metric}", columns, rows)))
    gains: Mapping[str, tuple[float | None, float | None]] = {
        name: (cells.mean(name, "accuracy@1"), cells.mean(name, "accuracy@0.75")) for name in ("sound", "gold_column")
    }
    text = " ".join(
        f"{words} accuracy goes from {format_number(gains[name][0])} at full coverage to "
        f"{format_number(gains[name][1])} at 0.75."
        for name, words in (("sound", "By the reservation,"), ("gold_column", "By the last gold label,"))
        if name in cells.settings
    )
    note = (
        "Sorting by the last gold label leaves out the last class first and never looks at the reservation: it is no "
        "abstention. Macro-F1 is over all classes; a class without a row counts as 0."
    )
    return [*parts, f"{text} {note}".strip()]


_TABLES = {
    "split": _split_table,
    "classes": _class_table,
    "overlap": _overlap_table,
    "rank": _rank_table,
    "coverage": _coverage_table,
}


def _ordered(cells: _Cells, defects: Sequence[str]) -> list[str]:
    order = ["sound", *defects, "all", "all, with the leaked split"]
    return [name for name in order if name in cells.settings]


def _percent(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
