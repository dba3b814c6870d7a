"""Tables: exact text in every format, and nothing from data that acts."""

import csv
import io
import math
import re

import pytest
import rich.console
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.results.escape import escape_latex, escape_markdown, guard_formula, plain
from mhclf.results.tables import (
    Column,
    Table,
    format_interval,
    format_mean_sd,
    format_number,
    to_csv,
    to_latex,
    to_markdown,
    to_rich,
)

TABLE = Table(
    "Scores & such",
    (Column("method"), Column("macro_f1", "right", "higher"), Column("ECE", "center", "lower", 2)),
    (("a|b", 0.71249, 0.056), ("=1+1", -0.5, None), ("[x]", "0.712 [0.651, 0.770]", math.nan)),
    ("Bootstrap over posts; n = 60.",),
)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((0.7124, 0.6512, 0.7698), "0.712 [0.651, 0.770]"),
        ((0.7124, 0.6512, 0.7698, 1), "0.7 [0.7, 0.8]"),
        ((0.7124, None, 0.7698), "0.712"),
        ((0.7124, 0.6, math.nan), "0.712"),
        ((None, 0.6, 0.7), "–"),
        ((math.nan, None, None), "–"),
        ((-0.0001, -0.2, 0.1), "0.000 [-0.200, 0.100]"),
    ],
)
def test_format_interval(arguments: tuple[float, float, float], expected: str) -> None:
    assert format_interval(*arguments) == expected


def test_format_mean_sd() -> None:
    assert format_mean_sd(0.7124, 0.0119) == "0.712 ± 0.012"
    assert format_mean_sd(0.7124, None) == "0.712"
    assert format_mean_sd(None, 0.1) == "–"
    assert format_mean_sd(71.24, 1.19, digits=1) == "71.2 ± 1.2"
    assert format_number(math.inf) == "–"


def test_markdown() -> None:
    assert to_markdown(TABLE) == (
        "**Scores & such**\n\n"
        "| method | macro_f1 ↑ | ECE ↓ |\n"
        "| :--- | ---: | :---: |\n"
        "| a\\|b | 0.712 | 0.06 |\n"
        "| \\=1+1 | -0.500 | – |\n"
        "| [x] | 0.712 [0.651, 0.770] | – |\n\n"
        "- Bootstrap over posts; n = 60.\n"
    )


def test_csv_guards_text_but_not_numbers() -> None:
    assert to_csv(TABLE) == (
        "method,macro_f1,ECE\n"
        "a|b,0.71249,0.056\n"
        "'=1+1,-0.5,\n"
        '[x],"0.712 [0.651, 0.770]",\n'
    )  # fmt: skip


def test_latex() -> None:
    assert to_latex(TABLE, label="tab:scores") == "\n".join([
        r"\begin{table}[t]",
        r"\centering",
        r"\caption{Scores \& such}",
        r"\label{tab:scores}",
        r"\begin{tabular}{lrc}",
        r"\toprule",
        r"method & macro\_f1 $\uparrow$ & ECE $\downarrow$ \\",
        r"\midrule",
        r"a\textbar{}b & 0.712 & 0.06 \\",
        r"=1+1 & $-$0.500 & -- \\",
        r"{}[x] & 0.712 [0.651, 0.770] & -- \\",
        r"\bottomrule",
        r"\end{tabular}",
        r"\par\smallskip{\footnotesize Bootstrap over posts; n = 60.\par}",
        r"\end{table}",
        "",
    ])  # fmt: skip


def test_the_console_shows_markup_as_text() -> None:
    console = rich.console.Console(file=io.StringIO(), width=80, record=True)
    console.print(to_rich(Table("[bold]t[/bold]", (Column("x"),), (("[red]a\x1b[31m[/red]",),), ("[i]n",))))
    shown = console.export_text()
    assert "[bold]t[/bold]" in shown
    assert "[red]a [31m[/red]" in shown
    assert "\x1b" not in shown
    assert "[i]n" in shown


def test_the_same_table_gives_the_same_bytes() -> None:
    again = Table(TABLE.title, TABLE.columns, TABLE.rows, TABLE.notes)
    for write in (to_markdown, to_csv, to_latex):
        assert write(again) == write(TABLE)


def test_a_row_of_the_wrong_length_is_an_error() -> None:
    with pytest.raises(DataError, match="Table 't', row 2: 1 cells for 2 columns"):
        Table("t", (Column("a"), Column("b")), ((1, 2), (1,)))
    with pytest.raises(DataError, match="has no columns"):
        Table("t", (), ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("50 % & $x_1$ #~^{}\\<>|", r"50 \% \& \$x\_1\$ \#\textasciitilde{}\textasciicircum{}\{\}"
         r"\textbackslash{}\textless{}\textgreater{}\textbar{}"),
        ("[0.1", "{}[0.1"),
        ("* a", "{}* a"),
        ("a\nb\tc", "a b c"),
        ("0.7 ± 0.1 – ×", r"0.7 $\pm$ 0.1 -- $\times$"),
        (r"\input{/etc/passwd}", r"\textbackslash{}input\{/etc/passwd\}"),
        ("a --suite b \u2013 c", r"a -{}-suite b -- c"),
    ],
)  # fmt: skip
def test_escape_latex(text: str, expected: str) -> None:
    assert escape_latex(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("macro_f1 [0.6, 0.7]", "macro_f1 [0.6, 0.7]"),
        ("*a* _b_ `c` ~~d~~ $e$", "\\*a\\* \\_b\\_ \\`c\\` \\~\\~d\\~\\~ \\$e\\$"),
        ("[x](javascript:y) ![z](u)", "[x]\\(javascript:y) ![z]\\(u)"),
        ("<script>&lt;&amp;", "&lt;script>&amp;lt;&amp;amp;"),
        ("a | b\nc", "a \\| b c"),
        ("# title", "\\# title"),
        ("- item", "\\- item"),
        ("12. item", "12\\. item"),
        ("---", "\\---"),
    ],
)
def test_escape_markdown(text: str, expected: str) -> None:
    assert escape_markdown(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("=1+1", "'=1+1"), ("+49 30", "'+49 30"),
        ("-2+3", "'-2+3"), ("@SUM(A1)", "'@SUM(A1)"), ("\tx", "'\tx"),
        ("＝1", "'＝1"), ("-0.5", "-0.5"),
        ("-0.5 [-0.7, 0.1]", "-0.5 [-0.7, 0.1]"), ("-0.5 ± 0.1", "-0.5 ± 0.1"),
        ("-1-2", "'-1-2"), ("a=1", "a=1"), ("", ""),
    ],
)  # fmt: skip
def test_guard_formula(text: str, expected: str) -> None:
    assert guard_formula(text) == expected


def test_plain_drops_what_would_disturb() -> None:
    assert plain("a\x00\x1b[31m\r\nb\u202ec\ud800") == "a [31m bc?"


@settings(max_examples=80, deadline=None)
@given(st.text(max_size=40))
def test_any_text_keeps_the_shape_of_a_table(text: str) -> None:
    table = Table("t", (Column("a"), Column("b")), ((text, 1.0),))
    line = to_markdown(table).splitlines()[4]
    assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) == 3
    assert "<" not in line
    assert to_latex(table).count("\n") == 11
    rows = list(csv.reader(io.StringIO(to_csv(table), newline="")))
    assert len(rows) == 2
    assert rows[1][1] == "1.0"
    assert not rows[1][0].startswith(("=", "+", "@", "\t"))


def test_strong_cells_are_bold_in_every_writer():
    from mhclf.results.tables import Strong, to_rich

    table = Table("", (Column("method"), Column("score")), (("a_b", Strong("0.5 *")), ("c", Strong("-1.0"))))
    assert "| a_b | **0.5 \\*** |" in to_markdown(table)
    assert "| c | **-1.0** |" in to_markdown(table)
    assert "a\\_b & \\textbf{0.5 *}" in to_latex(table)
    assert "\\textbf{$-$1.0}" in to_latex(table)
    assert to_csv(table) == "method,score\na_b,0.5 *\nc,-1.0\n"
    assert to_rich(table).columns[1]._cells[0].style == "bold"
