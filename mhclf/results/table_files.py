"""Several tables as one page, one LaTeX file and one CSV."""

from collections.abc import Sequence
from pathlib import Path

from mhclf.results.escape import guard_formula, plain
from mhclf.results.files import write_text
from mhclf.results.tables import Table, to_csv, to_latex, to_markdown


def write_table_files(
    stem: Path, title: str, paragraphs: Sequence[str], tables: Sequence[Table], command: str
) -> list[Path]:
    """Write `STEM.md`, `STEM.tex` and `STEM.csv`; returns them, the Markdown page first.

    Parameters
    ----------
    stem : Path
        Path of the files without their endings.
    title : str
    paragraphs : sequence of str
        Markdown between the title and the tables.
    tables : sequence of Table
    command : str
        What makes them, for the last line; with `--from-records` it must make them from committed records alone.
    """
    page = [
        f"# {title}",
        *paragraphs,
        *(to_markdown(table).rstrip("\n") for table in tables),
        f"Made by `{command}`; again from the committed records alone with `{command} --from-records`.",
    ]
    latex = [r"% \usepackage{booktabs,graphicx}", *(to_latex(table, fit=True) for table in tables)]
    # A name with a full stop keeps it: Path.with_suffix would take what follows for an ending.
    return [
        write_text(stem.parent / f"{stem.name}.md", "\n\n".join(page) + "\n"),
        write_text(stem.parent / f"{stem.name}.tex", "\n".join(latex)),
        write_text(
            stem.parent / f"{stem.name}.csv",
            "\n".join(f"{guard_formula(plain(table.title))}\n{to_csv(table)}" for table in tables),
        ),
    ]
