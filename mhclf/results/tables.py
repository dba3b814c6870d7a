"""A table as data, written as Markdown, CSV, LaTeX or for the console; same input, same bytes."""

import csv
import html
import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import rich.table
from rich.text import Text

from mhclf.errors import DataError
from mhclf.results.escape import escape_latex, escape_markdown, guard_formula, plain

Cell = str | int | float | None
Direction = Literal["higher", "lower"] | None


class Strong(str):
    """A text cell in bold: the best of its column."""

    __slots__ = ()


UNDEFINED = "\u2013"
UP, DOWN = "\u2191", "\u2193"
_ARROWS = {"higher": UP, "lower": DOWN, None: ""}
_RULES = {"left": ":---", "right": "---:", "center": ":---:"}


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    name : str
        Header.
    align : {"left", "right", "center"}
        Alignment of header and cells.
    direction : {"higher", "lower"} or None
        Which values are better; shown as an arrow behind the name (not in CSV).
    digits : int
        Decimals for float cells (CSV keeps full precision).
    width : float or None
        Share of the line for text that wraps, in `to_longtable` only.
    """

    name: str
    align: Literal["left", "right", "center"] = "left"
    direction: Direction = None
    digits: int = 3
    width: float | None = None

    @property
    def heading(self) -> str:
        """The name with its arrow."""
        return f"{self.name} {_ARROWS[self.direction]}".rstrip()


@dataclass(frozen=True)
class Table:
    """Columns, rows of formatted or numeric cells, and notes below; None and NaN show as a dash.

    Raises
    ------
    DataError
        When there is no column, or a row has another number of cells than there are columns.
    """

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        object.__setattr__(self, "rows", tuple(tuple(row) for row in self.rows))
        object.__setattr__(self, "notes", tuple(self.notes))
        if not self.columns:
            raise DataError(f"Table '{self.title}' has no columns.")
        for number, row in enumerate(self.rows, start=1):
            if len(row) != len(self.columns):
                raise DataError(
                    f"Table '{self.title}', row {number}: {len(row)} cells for {len(self.columns)} columns."
                )

    def formatted(self) -> list[list[str]]:
        """Return the cells as text, numbers rounded to their column's digits, nothing escaped."""
        return [[_format(cell, column) for cell, column in zip(row, self.columns, strict=True)] for row in self.rows]

    def _repr_html_(self) -> str:
        """Return the table for notebooks."""
        return to_html(self)


def format_number(value: float | None, digits: int = 3) -> str:
    """Return `value` with `digits` decimals; a dash for None, NaN and infinities, never `-0.000`."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def format_interval(value: float | None, low: float | None, high: float | None, digits: int = 3) -> str:
    """Return `0.712 [0.651, 0.770]`; only the value where an end is undefined, a dash where the value is."""
    ends = [end for end in (low, high) if end is not None and math.isfinite(end)]
    text = format_number(value, digits)
    if text == UNDEFINED or len(ends) < 2:
        return text
    return f"{text} [{format_number(ends[0], digits)}, {format_number(ends[1], digits)}]"


def mark_interval(value: float | None, low: float | None, high: float | None, digits: int = 3) -> Cell:
    """Return what `format_interval` does, in bold where the interval leaves out 0."""
    text = format_interval(value, low, high, digits)
    return Strong(text) if leaves_out_zero(low, high) and text != UNDEFINED else text


def leaves_out_zero(low: float | None, high: float | None) -> bool:
    """Say whether an interval has two ends on the same side of 0."""
    return low is not None and high is not None and (low > 0 or high < 0)


def format_mean_sd(mean: float | None, sd: float | None, digits: int = 3) -> str:
    """Return `0.712 ± 0.012`; only the mean where the sd is undefined, a dash where the mean is."""
    first, second = format_number(mean, digits), format_number(sd, digits)
    return first if UNDEFINED in (first, second) else f"{first} \u00b1 {second}"


def to_markdown(table: Table) -> str:
    """Return the table as GitHub Markdown: title in bold, header with arrows, notes below as a list."""
    lines = [f"**{escape_markdown(table.title)}**", ""] if table.title else []
    lines.append(_pipes([escape_markdown(column.heading) for column in table.columns]))
    lines.append(_pipes([_RULES[column.align] for column in table.columns]))
    lines += [_pipes([_markdown_cell(cell) for cell in row]) for row in table.formatted()]
    if table.notes:
        lines += ["", *(f"- {escape_markdown(note)}" for note in table.notes)]
    return "\n".join(lines) + "\n"


def to_html(table: Table) -> str:
    """Return the table as HTML without any style sheet; everything in it is escaped."""
    heads = [
        f'<th style="text-align:{column.align}">{html.escape(plain(column.heading))}</th>' for column in table.columns
    ]
    caption = f"<caption>{html.escape(plain(table.title))}</caption>" if table.title else ""
    lines = [f"<table>{caption}<thead><tr>{''.join(heads)}</tr></thead><tbody>"]
    for row in table.formatted():
        cells = zip(row, table.columns, strict=True)
        lines.append(f"<tr>{''.join(_html_cell(text, column) for text, column in cells)}</tr>")
    notes = [f"<br><small>{html.escape(plain(note))}</small>" for note in table.notes]
    return "\n".join([*lines, "</tbody></table>", *notes])


def to_csv(table: Table) -> str:
    """Return header and rows as CSV: no title, arrows or notes, full precision, empty where undefined.

    Text that a spreadsheet would run as a formula gets an apostrophe before it.
    """
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow([guard_formula(plain(column.name)) for column in table.columns])
    writer.writerows([_csv_cell(cell) for cell in row] for row in table.rows)
    return stream.getvalue()


def to_latex(table: Table, label: str | None = None, *, fit: bool = False) -> str:
    r"""Return a `table` environment that needs only the package booktabs.

    Parameters
    ----------
    table : Table
        What to write; title becomes the caption, notes stand below in small type.
    label : str or None
        For `\ref`; written as given.
    fit : bool
        Smaller type, and a table that is still wider than the line is shrunk to it; needs the package graphicx too.
    """
    lines = [r"\begin{table}[t]", r"\centering"]
    if table.title:
        lines.append(rf"\caption{{{escape_latex(table.title)}}}")
    if label:
        lines.append(rf"\label{{{label}}}")
    opening = rf"\begin{{tabular}}{{{''.join(column.align[0] for column in table.columns)}}}"
    if fit:
        lines.append(r"\footnotesize")
        opening = r"\resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%" + "\n" + opening
    lines += [opening, r"\toprule"]
    lines.append(_ampersands([escape_latex(column.heading) for column in table.columns]))
    lines.append(r"\midrule")
    lines += [_ampersands([_latex_cell(text) for text in row]) for row in table.formatted()]
    lines += [r"\bottomrule", r"\end{tabular}" + ("}" if fit else "")]
    lines += _latex_notes(table)
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def to_longtable(table: Table, label: str | None = None) -> str:
    r"""Return a table that breaks over pages, with columns of wrapped text.

    It needs the packages booktabs, array and longtable; the columns' widths are shares of the line.
    """
    columns = "".join(
        column.align[0] if column.width is None else rf">{{\raggedright\arraybackslash}}p{{{column.width:g}\linewidth}}"
        for column in table.columns
    )
    lines = [r"{\footnotesize", rf"\begin{{longtable}}{{{columns}}}"]
    if table.title:
        anchor = rf"\label{{{label}}}" if label else ""
        lines.append(rf"\caption{{{escape_latex(table.title)}}}{anchor}\\")
    lines += [r"\toprule", _ampersands([escape_latex(column.heading) for column in table.columns])]
    lines += [r"\midrule", r"\endhead", r"\bottomrule", r"\endfoot"]
    lines += [_ampersands([_latex_cell(text) for text in row]) for row in table.formatted()]
    lines.append(r"\end{longtable}")
    return "\n".join([*lines, *_latex_notes(table), "}"]) + "\n"


def _latex_notes(table: Table) -> list[str]:
    return [rf"\par\smallskip{{\footnotesize {escape_latex(note)}\par}}" for note in table.notes]


def to_rich(table: Table) -> rich.table.Table:
    """Return the table for the console; nothing in it is read as markup or as a terminal command."""
    caption = Text("\n".join(plain(note) for note in table.notes)) if table.notes else None
    target = rich.table.Table(title=Text(plain(table.title)) if table.title else None, caption=caption)
    for column in table.columns:
        target.add_column(Text(plain(column.heading)), justify=column.align, overflow="fold")
    for row in table.formatted():
        target.add_row(*(Text(plain(text), style="bold" if isinstance(text, Strong) else "") for text in row))
    return target


def _format(cell: Cell, column: Column) -> str:
    """Return one cell as text."""
    if cell is None:
        return UNDEFINED
    if isinstance(cell, float):
        return format_number(cell, column.digits)
    return cell if isinstance(cell, Strong) else str(cell)


def _csv_cell(cell: Cell) -> str:
    """Return one cell for CSV."""
    if cell is None or (isinstance(cell, float) and not math.isfinite(cell)):
        return ""
    if isinstance(cell, float):
        return repr(float(cell))
    return guard_formula(plain(cell)) if isinstance(cell, str) else str(cell)


def _markdown_cell(text: str) -> str:
    """Return one cell for Markdown; a leading minus cannot start a list inside a table."""
    escaped = escape_markdown(text)
    escaped = escaped[1:] if escaped.startswith("\\-") else escaped
    return f"**{escaped}**" if isinstance(text, Strong) else escaped


def _html_cell(text: str, column: Column) -> str:
    shown = html.escape(plain(text))
    return f'<td style="text-align:{column.align}">{f"<b>{shown}</b>" if isinstance(text, Strong) else shown}</td>'


def _latex_cell(text: str) -> str:
    """Return one cell for LaTeX; the minus of a number is a minus, not a hyphen."""
    escaped = escape_latex(text)
    if escaped.startswith("-") and escaped[1:2].isdigit():
        escaped = "$-$" + escaped[1:]
    return rf"\textbf{{{escaped}}}" if isinstance(text, Strong) else escaped


def _pipes(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _ampersands(cells: Sequence[str]) -> str:
    return " & ".join(cells) + r" \\"
