"""Rated explanations as records in JSON and as tables: how people agree, and which metric agrees with them."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mhclf.errors import DataError
from mhclf.results.files import write_text
from mhclf.results.tables import (
    Cell,
    Column,
    Table,
    format_interval,
    leaves_out_zero,
    mark_interval,
    to_markdown,
)

Records = Mapping[str, Any]
_KEYS = ("settings", "parts", "references", "raters", "metrics", "length_held")
_FIGURES = ("raters", "metrics", "length_held")
_JUDGE = "judge"
_JUDGE_KEYS = ("settings", "figures")
_FIGURE = ("part", "name", "dimension", "value", "low", "high", "n")
_DIMENSIONS = ("fluency", "completeness", "reliability", "overall")
_HEADLINE = "overall"
_RATER_COLUMNS = {
    "mean": "mean rating",
    "exact_agreement": "equal ratings",
    "icc_c1": "ICC(C,1)",
    "icc_a1": "ICC(A,1)",
    "kappa_quadratic": "kappa, quadratic",
    "kappa_linear": "kappa, linear",
}

_JUDGE_COLUMNS = {
    "unread": "unread",
    "mean": "mean score",
    "spearman": "Spearman",
    "icc_c1": "ICC(C,1)",
    "icc_a1": "ICC(A,1)",
    "bias": "bias",
    "kappa_quadratic": "kappa, quadratic",
}


def write_explanation_records(path: Path, records: Records) -> Path:
    """Write the numbers, without text, as JSON; same input, same bytes."""
    return write_text(path, json.dumps(records, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_explanation_records(path: Path) -> Records:
    """Return what `write_explanation_records` wrote.

    Raises
    ------
    DataError
        If the file is missing, no JSON, or has other keys.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(
            f"{path}: cannot be read ({error.strerror}). Run the command without --from-records."
        ) from error
    except ValueError as error:
        raise DataError(f"{path}: is no JSON. Run the command without --from-records.") from error
    if not isinstance(content, dict) or sorted(set(content) - {_JUDGE}) != sorted(_KEYS):
        raise DataError(f"{path}: must have the keys {', '.join(_KEYS)}. Run the command without --from-records.")
    judge = content.get(_JUDGE)
    if judge is not None and (not isinstance(judge, dict) or sorted(judge) != sorted(_JUDGE_KEYS)):
        raise DataError(f"{path}, {_JUDGE}: must have the keys {', '.join(_JUDGE_KEYS)}.")
    listed = {key: content[key] for key in _FIGURES} | ({} if judge is None else {_JUDGE: judge["figures"]})
    for key, figures in listed.items():
        for number, figure in enumerate(figures):
            if not isinstance(figure, dict) or sorted(figure) != sorted(_FIGURE):
                raise DataError(f"{path}, {key}, entry {number}: must have the keys {', '.join(_FIGURE)}.")
    return content


def rater_table(records: Records) -> Table:
    """Return the mean rating and the agreement of the raters, a row for each part and dimension."""
    figures = {(item["part"], item["dimension"], item["name"]): item for item in records["raters"]}
    columns = (
        Column("explanations by"),
        Column("dimension"),
        Column("n", "right"),
        *(Column(heading, "right") for heading in _RATER_COLUMNS.values()),
    )
    rows: list[tuple[Cell, ...]] = []
    for part, facts in records["parts"].items():
        for dimension in _DIMENSIONS:
            cells = [_interval(figures.get((part, dimension, name)), digits=2) for name in _RATER_COLUMNS]
            rows.append((facts["title"], dimension, facts["rows"], *cells))
    notes = (
        "Ratings from 0 to 3 by three people; 95 % bootstrap intervals over posts (1,000 resamples). Equal ratings: "
        "share of pairs of ratings of one explanation that are equal. Kappa: mean over pairs of raters, without pairs "
        "that both gave one number throughout.",
        "ICC and kappa divide by the spread between explanations: where nearly all got the same rating they are low "
        "however often people agree. Read them beside the share of equal ratings. All rows together have most of their "
        "spread between systems, which people tell apart easily.",
    )
    return Table("How three people agree on explanations", columns, tuple(rows), notes)


def judge_table(records: Records) -> Table:
    """Return how the judge agrees with the raters' mean, a row for each part and dimension."""
    judge = records[_JUDGE]
    figures = {(item["part"], item["dimension"], item["name"]): item for item in judge["figures"]}
    judged = dict.fromkeys(item["dimension"] for item in judge["figures"])
    columns = (
        Column("explanations by"),
        Column("dimension"),
        Column("n", "right"),
        *(Column(heading, "right") for heading in _JUDGE_COLUMNS.values()),
    )
    rows: list[tuple[Cell, ...]] = []
    for part, facts in records["parts"].items():
        for dimension in judged:
            cells = [_interval(figures.get((part, dimension, name)), digits=2) for name in _JUDGE_COLUMNS]
            rows.append((facts["title"], dimension, facts["rows"], *cells))
    settings = judge["settings"]
    notes = (
        f"Rubric {settings['rubric']}; {settings['how']}. Explanations whose score could not be read are counted under "
        "'unread' and left out of the other columns, never taken as 0.",
        "The judge and the mean of the three raters are taken as two raters. Bias: judge minus raters, above 0 where "
        "the judge is kinder. Kappa: both rounded to whole numbers.",
        "The mean of three is steadier than one rater: these figures are not those of one rater with another, above.",
    )
    title = f"How a judge agrees with the mean of three people: {settings['model']}, {settings['mechanism']}"
    return Table(title, columns, tuple(rows), notes)


def metric_table(records: Records, part: str) -> Table:
    """Return the correlation of each metric with the mean rating in one part, bold where its interval leaves out 0."""
    figures = [item for item in records["metrics"] if item["part"] == part]
    held = {item["name"]: item for item in _overall(records["length_held"], part)}
    found = {(item["name"], item["dimension"]): item for item in figures}
    columns = (
        Column("metric"),
        Column("n", "right"),
        *(Column(name, "right") for name in _DIMENSIONS),
        Column(f"{_HEADLINE}, length held", "right"),
    )
    rows: list[tuple[Cell, ...]] = []
    for name in dict.fromkeys(item["name"] for item in figures):
        cells = [_marked(found.get((name, dimension))) for dimension in _DIMENSIONS]
        size = max(item["n"] for item in figures if item["name"] == name)
        rows.append((name, size, *cells, _marked(held.get(name))))
    facts = records["parts"][part]
    title = f"Spearman correlation with the mean rating: {facts['title']} ({facts['rows']} explanations)"
    notes = [
        _finding("With the overall rating", _overall(records["metrics"], part)),
        _finding("With the length held", list(held.values())),
    ]
    if facts["systems"] > 1:
        notes.append(
            f"Over {facts['systems']} files at once a metric scores by telling the files apart; that is no evidence "
            "that it ranks the explanations of one system. The parts on their own say whether it does."
        )
    return Table(title, columns, tuple(rows), tuple(notes))


def _overall(figures: Sequence[Records], part: str) -> list[Records]:
    return [item for item in figures if item["part"] == part and item["dimension"] == _HEADLINE]


def _finding(what: str, figures: Sequence[Records]) -> str:
    sure = [item for item in figures if leaves_out_zero(item["low"], item["high"])]
    sure.sort(key=lambda item: -abs(item["value"]))
    shown = ", ".join(f"{item['name']} {item['value']:+.2f}" for item in sure)
    of = f"of {len(figures)} metrics"
    return f"{what}, the interval of {len(sure)} {of} leaves out 0{': ' if sure else ''}{shown}."


def metric_notes(records: Records) -> list[str]:
    """Return what the metrics are, which models and references stand behind them, and what the tables cannot say."""
    settings = records["settings"]
    references = "; ".join(f"`{name}`: {text}" for name, text in records["references"].items())
    likelihood = (
        f"likelihood_*: mean log-likelihood a token by {settings['likelihood']} in "
        f"{settings['likelihood_precision']}, of the text given the post (post_to_text), given the reference "
        "(to_text), and of the reference given the text (from_text); "
        f"{settings['likelihood_cut']} conditions were cut to what it reads."
        if settings["likelihood"]
        else "Likelihoods were not asked for (--likelihood MODEL)."
    )
    judge = records[_JUDGE]["settings"] if _JUDGE in records else None
    return [
        "Explanations as they were rated, with the answer they begin with. words: length; distinct_1, distinct_2: "
        "share of different words and pairs; grounded_share: share of content words that the post has; quotes: number "
        "of quoted spans; invented_quote_share: share of them that the post does not have (only texts with quotes).",
        f"bertscore_*: {settings['encoder']}, {settings['layer']}, no idf, no baseline; to the post and to references.",
        likelihood,
        *([f"{judge['name']}: {judge['how']}, by the rubric {judge['rubric']}."] if judge else []),
        f"References, behind the name of a metric: {references}. All are written by machines (silver): likeness to "
        "them is likeness to another model's text.",
        "Length held: partial rank correlation given the number of words.",
        "In bold: the 95 % interval over posts leaves out 0. No correction for the number of metrics: about one in "
        "twenty would do so by chance. Ratings near their ceiling leave little to rank. A dash: fewer than ten rows, "
        "or fewer than ten that depart from the most frequent rating.",
    ]


def explanation_tables(records: Records) -> list[Table]:
    """Return all tables: raters, judge if any, metrics in all parts; all systems together first."""
    parts = sorted(records["parts"], key=lambda part: records["parts"][part]["systems"] == 1)
    judged = [judge_table(records)] if _JUDGE in records else []
    return [rater_table(records), *judged, *(metric_table(records, part) for part in parts)]


def explanation_markdown(records: Records, command: str) -> str:
    """Return the tables as one Markdown page."""
    pieces = [
        "# Metrics of explanations against people",
        f"Made by `{command}` from the rated explanations of IMHI (`human_evaluation/DR_annotation`); no text.",
        "\n".join(f"- {note}" for note in metric_notes(records)),
        *(to_markdown(table) for table in explanation_tables(records)),
    ]
    return "\n\n".join(piece.strip() for piece in pieces) + "\n"


def _interval(figure: Records | None, digits: int) -> str | None:
    return None if figure is None else format_interval(figure["value"], figure["low"], figure["high"], digits)


def _marked(figure: Records | None) -> Cell:
    return None if figure is None else mark_interval(figure["value"], figure["low"], figure["high"], digits=2)
