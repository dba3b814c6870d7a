"""Result records, tables, figures, the HTML report and the model card of a run folder.

What needs matplotlib or jinja2 is loaded on first use.
"""

import importlib
from typing import TYPE_CHECKING

from mhclf.results.records import ResultRecord, append_records, read_records, write_records
from mhclf.results.tables import (
    Column,
    Table,
    format_interval,
    format_mean_sd,
    to_csv,
    to_html,
    to_latex,
    to_markdown,
    to_rich,
)

if TYPE_CHECKING:
    from mhclf.results.card import write_model_card
    from mhclf.results.compare import write_comparison
    from mhclf.results.figures import draw_run_figures
    from mhclf.results.pages import render_page
    from mhclf.results.report import write_report
    from mhclf.results.runfolder import RunFiles, read_run
    from mhclf.results.several_runs import runs_table

__all__ = [
    "Column",
    "ResultRecord",
    "RunFiles",
    "Table",
    "append_records",
    "draw_run_figures",
    "format_interval",
    "format_mean_sd",
    "read_records",
    "read_run",
    "render_page",
    "runs_table",
    "to_csv",
    "to_html",
    "to_latex",
    "to_markdown",
    "to_rich",
    "write_comparison",
    "write_model_card",
    "write_records",
    "write_report",
]
_HOMES = {
    "RunFiles": "mhclf.results.runfolder",
    "draw_run_figures": "mhclf.results.figures",
    "read_run": "mhclf.results.runfolder",
    "render_page": "mhclf.results.pages",
    "runs_table": "mhclf.results.several_runs",
    "write_comparison": "mhclf.results.compare",
    "write_model_card": "mhclf.results.card",
    "write_report": "mhclf.results.report",
}


def __getattr__(name: str) -> object:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'mhclf.results' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
