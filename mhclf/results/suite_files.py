"""All files of a suite's tables, from its committed records alone; same records, same bytes, in whatever order."""

from collections.abc import Iterable
from pathlib import Path

from mhclf.config.published import PublishedNumber
from mhclf.config.suite import SuiteConfig
from mhclf.results.files import write_text
from mhclf.results.pages import data_uri, picture_size, render_page
from mhclf.results.style import save
from mhclf.results.suite import SuiteRecords
from mhclf.results.suite_content import SuiteContent, suite_content
from mhclf.results.suite_figures import forest_figure, rank_figure, ranked
from mhclf.results.suite_latex import content_latex
from mhclf.results.suite_long import long_table
from mhclf.results.suite_pairs import PAIRS_EXPLAINED, counted, pair_changes, pairs_table
from mhclf.results.suite_published import apart_table
from mhclf.results.suite_scores import layers_table
from mhclf.results.suite_table import content_markdown, explanation, footer, scores_table, state_lines
from mhclf.results.tables import to_csv


def write_suite_tables(
    folder: Path, suite: SuiteConfig, records: SuiteRecords, published: Iterable[PublishedNumber], command: str
) -> list[Path]:
    """Write `NAME.md`, `.tex`, `.csv`, `.html` and, where something ran, `.png` and `.ranks.png`.

    Times of runs stand in none of them (they are in the records): a suite that was stopped and went on gives the same
    bytes as one that ran through.

    Parameters
    ----------
    folder : Path
        Made where it is missing.
    suite : SuiteConfig
    records : SuiteRecords
    published : iterable of PublishedNumber
        Those about data sets of the suite are shown, beside ours where they are comparable.
    command : str
        What makes the tables, for the footer.

    Returns
    -------
    list of Path
        What was written, the Markdown page first.
    """
    content = suite_content(suite, records, published, command)
    pictures = _write_pictures(folder, content)
    shown = {path.name: says for path, says in pictures.items()}
    return [
        write_text(folder / f"{suite.name}.md", content_markdown(content, shown)),
        write_text(folder / f"{suite.name}.tex", content_latex(content)),
        write_text(folder / f"{suite.name}.csv", to_csv(long_table(content.scores, suite.baselines))),
        write_text(folder / f"{suite.name}.html", _page(content, pictures)),
        *pictures,
    ]


def _write_pictures(folder: Path, content: SuiteContent) -> dict[Path, str]:
    """Draw what there is to draw; return file -> what it shows. A picture of an earlier state is taken away."""
    forest, ranks = (folder / f"{content.suite.name}{ending}" for ending in (".png", ".ranks.png"))
    pictures = {}
    if any(line.seeds for part in content.scores for line in part.lines):
        baseline = content.suite.baselines[0] if content.suite.baselines else ""
        says = "Mean and interval of the headline metric of every method, a panel for each data set."
        pictures[save(forest_figure(content.scores, baseline), forest)] = says
    if found := ranked(content.scores, content.suite.ranks_without):
        pictures[save(rank_figure(*found), ranks)] = "Mean ranks of the methods with the critical difference."
    for path in (forest, ranks):
        if path not in pictures:
            path.unlink(missing_ok=True)
    return pictures


def _page(content: SuiteContent, pictures: dict[Path, str]) -> str:
    shown = []
    for path, says in pictures.items():
        width, height = picture_size(path)
        shown.append({"source": data_uri(path), "width": width, "height": height, "says": says})
    parts = [
        {
            "table": scores_table(part, content.suite.baselines),
            "apart": apart_table(part.rows.dataset, part.apart) if part.apart else None,
        }
        for part in content.scores
    ]
    layers = layers_table(content.suite, content.records)
    changes = pair_changes(content.suite, content.records)
    facts = [
        ("data sets", len(content.scores)),
        ("runs", sum(len(line.seeds) for part in content.scores for line in part.lines)),
        ("seeds", ", ".join(map(str, content.seeds)) or "none"),
        ("protocol", ", ".join(content.protocols) or "none"),
    ]
    return render_page(
        "suite.html.j2",
        title=content.title,
        facts=facts,
        notes=content.suite.notes,
        state=state_lines(content),
        pictures=shown,
        parts=parts,
        layers=layers if layers.rows else None,
        pairs=pairs_table(changes) if changes else None,
        pair_lines=[PAIRS_EXPLAINED, *counted(content.suite, changes)] if changes else [],
        explanation=explanation(content),
        footer=footer(content),
    )
