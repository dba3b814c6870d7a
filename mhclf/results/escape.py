"""Text from data made harmless for Markdown, LaTeX, spreadsheets and the terminal."""

import re
import unicodedata

_MARKDOWN = re.compile(r"[\\`*|~$]|(?<![^\W_])_|_(?![^\W_])|(?<=\])[(\[:]")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_BLOCK = re.compile(r"^(#{1,6}\s|[-+=>]|\d+(?=[.)]\s))")
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_",
    "{": r"\{", "}": r"\}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "\u00b1": r"$\pm$", "\u2013": "--",
    "\u2212": "$-$", "\u00d7": r"$\times$", "\u2191": r"$\uparrow$", "\u2193": r"$\downarrow$",
    "\u2192": r"$\rightarrow$", "\u2264": r"$\leq$", "\u2265": r"$\geq$",
    "\u2026": r"\ldots{}", "\u2020": r"\dag{}", "\u2021": r"\ddag{}", "\u00a7": r"\S{}", "\u00b6": r"\P{}",
}  # fmt: skip
_FIGURE = r"-?\d+(\.\d+)?"
_FIGURES = re.compile(rf"{_FIGURE}( \[{_FIGURE}, {_FIGURE}\]| \u00b1 {_FIGURE})?")
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


def plain(text: str) -> str:
    """Return `text` on one line, without control characters, text direction overrides or lone surrogates."""
    spaced = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    harmless = re.sub("[\u202a-\u202e\u2066-\u2069]", "", spaced)
    return re.sub(r" {2,}", " ", harmless).strip().encode("utf-8", "replace").decode("utf-8")


def escape_markdown(text: str) -> str:
    """Return `text` as one line of Markdown that shows as it stands: no markup, no HTML, no table border.

    An underscore inside a word and brackets without a link stay as they are, so that `macro_f1` and
    `[0.61, 0.73]` remain readable in the source.
    """
    marked = _MARKDOWN.sub(lambda match: "\\" + match.group(), plain(text))
    entities = _ENTITY.sub("&amp;", marked).replace("<", "&lt;")
    return _BLOCK.sub(_escape_block, entities)


def _escape_block(match: re.Match[str]) -> str:
    """Return what begins a heading, list, quote or rule as plain characters."""
    start = match.group()
    return start + "\\" if start.isdigit() else "\\" + start


def escape_latex(text: str) -> str:
    """Return `text` as LaTeX that shows as it stands; a bracket or star at its start is no option, `--` no dash."""
    words = re.split("(?<=-)(?=-)", plain(text))
    escaped = "{}".join("".join(_LATEX.get(sign, sign) for sign in part) for part in words)
    return "{}" + escaped if escaped.startswith(("[", "*")) else escaped


def guard_formula(text: str) -> str:
    """Return `text` with an apostrophe before it when a spreadsheet would take it for a formula.

    A number, a number with its interval, and a number with its sd are left alone.
    """
    if not text.startswith(_FORMULA) or _FIGURES.fullmatch(text):
        return text
    return "'" + text
