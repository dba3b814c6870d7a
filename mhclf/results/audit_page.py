"""The audit as files: records in JSON, tables in Markdown, one self-contained page."""

import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from mhclf.results.audit_figures import class_figure, length_figure, shared_figure
from mhclf.results.audit_table import damage_table, shared_table, size_table
from mhclf.results.files import write_text
from mhclf.results.pages import data_uri, render_page
from mhclf.results.style import save
from mhclf.results.tables import Column, Table, to_markdown

Record = Mapping[str, Any]


def write_audit_records(path: Path, records: Sequence[Record], shared: Sequence[Record]) -> Path:
    """Write the numbers, without post text, as JSON; same input, same bytes."""
    content = {"sets": list(records), "shared": list(shared)}
    return write_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def read_audit_records(path: Path) -> tuple[list[Record], list[Record]]:
    """Return what `write_audit_records` wrote."""
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    return content["sets"], content["shared"]


def audit_tables(records: Sequence[Record], shared: Sequence[Record]) -> list[Table]:
    """Return the tables of the audit, a single set's as a list; the last one only where sets share posts."""
    tables = [size_table(records), damage_table(records)]
    if len(records) == 1:
        tables = [_as_list(table, str(records[0]["name"])) for table in tables]
    return [*tables, shared_table(shared)] if shared else tables


def _as_list(table: Table, name: str) -> Table:
    """Return a table of one row turned on its side."""
    rows = tuple((column.name, cell) for column, cell in zip(table.columns[1:], table.rows[0][1:], strict=True))
    return Table(table.title, (Column("measure"), Column(name, "right")), rows, table.notes)


def findings_table(findings: Sequence[Record]) -> Table:
    """Return the findings of one set, the gravest first."""
    order = ("stop", "warning", "note")
    ranked = sorted(findings, key=lambda item: order.index(item["severity"]))
    rows = tuple((item["severity"], item["check"].replace("_", " "), item["message"]) for item in ranked)
    return Table("Findings", (Column("severity"), Column("check"), Column("what")), rows)


def audit_markdown(records: Sequence[Record], shared: Sequence[Record], command: str) -> str:
    """Return the tables as one Markdown page."""
    parts = [
        "# Audit of the data sets",
        f"Made by `{command}` from real files; no post text. Rows of the sets as the YAMLs in datasets_cfg read them.",
        *(to_markdown(table) for table in audit_tables(records, shared)),
    ]
    return "\n\n".join(part.strip() for part in parts) + "\n"


def write_audit_page(
    folder: Path, records: Sequence[Record], shared: Sequence[Record], findings: Sequence[Record] = ()
) -> Path:
    """Draw the figures and write `audit.html` into a folder."""
    pictures: list[tuple[str, Figure]] = []
    if len(records) == 1:
        pictures.append(("Classes", class_figure(records[0])))
    pictures.append(("Length of the posts", length_figure(records)))
    if any(item["equal"] for item in shared):
        pictures.append(("Posts that sets share", shared_figure(shared, [record["name"] for record in records])))
    shown = []
    for name, figure in pictures:
        path = save(figure, folder / "figures" / f"{name.lower().replace(' ', '_')}.png")
        plt.close(figure)
        width, height = struct.unpack(">II", path.read_bytes()[16:24])
        size = {"width": round(width / 1.5), "height": round(height / 1.5)}
        shown.append({"name": name, "source": data_uri(path), "full": width > 1250, **size})
    one = len(records) == 1
    page = render_page(
        "audit.html.j2",
        title=f"Audit: {records[0]['name']}" if one else "Audit of the data sets",
        subtitle=records[0]["title"] if one else f"{len(records)} sets",
        findings=findings_table(findings) if findings else None,
        tables=audit_tables(records, shared),
        figures=shown,
    )
    return write_text(folder / "audit.html", page)
