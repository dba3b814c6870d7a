"""Every HTML page of the library: one base template, everything escaped, nothing loaded from outside."""

import base64
import re
import struct
from collections.abc import Sequence
from pathlib import Path

import jinja2
from markupsafe import Markup, escape

from mhclf.results.tables import Strong

TEMPLATES = Path(__file__).resolve().parent / "templates"


def render_page(template: str, *, folders: Sequence[Path] = (), **values: object) -> str:
    """Return a page as HTML.

    Parameters
    ----------
    template : str
        File name, such as `report.html.j2`; it extends `base.html.j2` and may import `macros.html.j2`.
    folders : sequence of pathlib.Path
        Searched before our own templates, so that other rooms can keep theirs beside their code.
    **values : object
        What the template uses. Text is escaped; an undefined name is an error.

    Returns
    -------
    str
        A self-contained page whose content policy forbids every outside resource.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([*map(str, folders), str(TEMPLATES)]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code_marks"] = _code_marks
    environment.tests["strong"] = lambda cell: isinstance(cell, Strong)
    return environment.get_template(template).render(**values)


def _code_marks(text: str) -> Markup:
    """Return escaped text in which what stands between backticks is shown as code."""
    parts = [escape(part) for part in re.split("`([^`]+)`", text)]
    # Every second part stood between backticks.
    parts[1::2] = [Markup("<code>{}</code>").format(part) for part in parts[1::2]]
    return Markup("").join(parts)


def data_uri(picture: Path) -> str:
    """Return a PNG file as a data URI."""
    return "data:image/png;base64," + base64.b64encode(Path(picture).read_bytes()).decode("ascii")


def picture_size(picture: Path) -> tuple[int, int]:
    """Return width and height at which a PNG file is shown: at two thirds of its size it stays sharp."""
    # Width and height stand in bytes 16 to 24 of a PNG.
    width, height = struct.unpack(">II", Path(picture).read_bytes()[16:24])
    return round(width / 1.5), round(height / 1.5)
