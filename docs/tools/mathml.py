r"""Formulas as MathML, written while the site is built: pages need no script and no network.

A Python-Markdown extension that reads `$...$` and `$$...$$` in pages, and `:math:` and `.. math::` in docstrings. It
knows the part of TeX that those use; anything else is an error that names the command.
"""

import re
import xml.etree.ElementTree as Tree
from collections.abc import Callable
from html import escape

from markdown import Markdown
from markdown.extensions import Extension
from markdown.inlinepatterns import InlineProcessor
from markdown.preprocessors import Preprocessor

# TeX name and sign, pair by pair.
_LETTERS = (
    "alpha α beta β gamma γ delta δ epsilon ε theta θ kappa κ lambda λ mu μ pi π rho ρ sigma σ tau τ phi φ chi χ "
    "omega ω ell ℓ Delta Δ Sigma Σ infty ∞"
)
_OPERATORS = (
    "cdot ⋅ cdots ⋯ dots … ldots … le ≤ leq ≤ ge ≥ geq ≥ ne ≠ neq ≠ approx ≈ times × pm ± top ⊤ to → mid | cap ∩ "
    "cup ∪ setminus ∖ subseteq ⊆ odot ⊙ lVert ‖ rVert ‖ lvert | rvert | partial ∂ langle ⟨ "
    "rangle ⟩ propto ∝ in ∈ notin ∉"
)


def _pairs(text: str) -> dict[str, str]:
    words = text.split()
    return dict(zip(words[::2], words[1::2], strict=True))


LETTERS = _pairs(_LETTERS)
OPERATORS = _pairs(_OPERATORS)
LARGE = {"sum": "∑", "prod": "∏", "int": "∫"}
FUNCTIONS = ("exp", "log", "ln", "tanh", "max", "min", "arg", "softmax")
ACCENTS = {"tilde": "~", "hat": "^", "bar": "¯"}
SPACES = {",": "0.17em", ";": "0.28em", " ": "0.25em", "quad": "1em", "qquad": "2em"}
_TOKEN = re.compile(r"\\[A-Za-z]+|\\.|\d+(?:\.\d+)?|\.\d+|\s+|.", re.DOTALL)


class FormulaError(ValueError):
    """A formula that cannot be read."""


def to_mathml(formula: str, block: bool = False) -> str:
    """Return a formula in TeX as a `math` element; the source stays in it as an annotation.

    Raises
    ------
    FormulaError
        On a command that is not known, or braces that do not match.
    """
    tokens = [token for token in _TOKEN.findall(formula.strip()) if not token.isspace()]
    parsed = _Formula(tokens, formula, block).read()
    display = ' display="block"' if block else ""
    body = Tree.tostring(_row(parsed), encoding="unicode")
    note = f'<annotation encoding="application/x-tex">{escape(formula.strip())}</annotation>'
    return f"<math{display}><semantics>{body}{note}</semantics></math>"


def _row(parts: list[Tree.Element]) -> Tree.Element:
    if len(parts) == 1:
        return parts[0]
    row = Tree.Element("mrow")
    row.extend(parts)
    return row


def _leaf(tag: str, text: str, **attributes: str) -> Tree.Element:
    element = Tree.Element(tag, attributes)
    element.text = text
    return element


class _Formula:
    """Reads tokens of one formula from left to right."""

    def __init__(self, tokens: list[str], source: str, block: bool) -> None:
        self.tokens = tokens
        self.source = source
        self.block = block
        self.at = 0

    def read(self) -> list[Tree.Element]:
        """Return the parts of the whole formula."""
        return self.until(None)

    def until(self, end: str | None) -> list[Tree.Element]:
        parts: list[Tree.Element] = []
        while True:
            if self.at == len(self.tokens):
                if end is None:
                    return parts
                raise FormulaError(f"'{self.source}': '{end}' is missing.")
            if self.tokens[self.at] == end:
                self.at += 1
                return parts
            parts.append(self.scripted())

    def scripted(self) -> Tree.Element:
        """Read one atom with what stands below and above it."""
        token = self.tokens[self.at]
        base = self.atom()
        below = above = None
        while self.at < len(self.tokens) and self.tokens[self.at] in {"_", "^", "'"}:
            sign = self.tokens[self.at]
            self.at += 1
            if sign == "_":
                below = self.atom()
            else:
                above = _leaf("mo", "′") if sign == "'" else self.atom()
        if below is None and above is None:
            return base
        # Limits stand under and over a large sign that has a line to itself.
        stacked = self.block and (token[1:] in LARGE or token in {r"\max", r"\min"}) and token != r"\int"
        names = ("munder", "mover", "munderover") if stacked else ("msub", "msup", "msubsup")
        element = Tree.Element(names[2 if below is not None and above is not None else 0 if below is not None else 1])
        element.extend(part for part in (base, below, above) if part is not None)
        return element

    def atom(self) -> Tree.Element:
        if self.at == len(self.tokens):
            raise FormulaError(f"'{self.source}': ends where something must follow.")
        token = self.tokens[self.at]
        self.at += 1
        if token == "{":
            return _row(self.until("}"))
        if token == "}":
            raise FormulaError(f"'{self.source}': a '}}' too many.")
        if token.startswith("\\"):
            return self.command(token[1:])
        if token.isalpha():
            return _leaf("mi", token)
        if token[0].isdigit() or (token[0] == "." and len(token) > 1):
            return _leaf("mn", token)
        return _leaf("mo", "−" if token == "-" else token, **({"stretchy": "false"} if token in "()[]|" else {}))

    def command(self, name: str) -> Tree.Element:
        if name in {"frac", "tfrac"}:
            fraction = Tree.Element("mfrac")
            fraction.extend([self.atom(), self.atom()])
            return fraction
        if name == "sqrt":
            root = Tree.Element("msqrt")
            root.append(self.atom())
            return root
        if name in {"mathrm", "text", "operatorname"}:
            return _leaf("mtext" if name == "text" else "mi", self.words(), mathvariant="normal")
        if name in ACCENTS:
            accent = Tree.Element("mover", accent="true")
            accent.extend([self.atom(), _leaf("mo", ACCENTS[name], stretchy="false")])
            return accent
        if name in {"bigl", "bigr", "left", "right", "Bigl", "Bigr"}:
            bracket = self.atom()
            bracket.attrib |= {"stretchy": "true"} if name in {"left", "right"} else {"stretchy": "false"}
            if name[0] in "bB":
                bracket.attrib |= {"minsize": "1.2em" if name[0] == "b" else "1.8em", "stretchy": "true"}
            return bracket
        if name in {"{", "}", "|"}:
            return _leaf("mo", "‖" if name == "|" else name, stretchy="false")
        if name in SPACES:
            return Tree.Element("mspace", width=SPACES[name])
        if name == "textstyle":
            # Holds for what follows: signs as in a line of text.
            self.block = False
            return Tree.Element("mspace", width="0")
        if name in LARGE:
            return _leaf("mo", LARGE[name], **({} if self.block else {"largeop": "false"}))
        if name in FUNCTIONS:
            return _leaf("mi", name, mathvariant="normal")
        if name in OPERATORS:
            return _leaf("mo", OPERATORS[name], **({"stretchy": "false"} if "V" in name or "v" in name else {}))
        if name in LETTERS:
            return _leaf("mi", LETTERS[name])
        raise FormulaError(f"'{self.source}': the command \\{name} is not known to docs/tools/mathml.py.")

    def words(self) -> str:
        """Return the plain text of a group in braces; spaces were dropped with the other tokens."""
        if self.tokens[self.at] != "{":
            raise FormulaError(f"'{self.source}': a group in braces must follow.")
        end = self.tokens.index("}", self.at)
        text = "".join(self.tokens[self.at + 1 : end]).replace("~", " ").replace("\\_", "_")
        self.at = end + 1
        return text


class _Inline(InlineProcessor):
    def handleMatch(self, m: re.Match[str], data: str) -> tuple[str, int, int]:
        assert self.md is not None
        return self.md.htmlStash.store(to_mathml(m.group(1))), m.start(0), m.end(0)


_BLOCKS = re.compile(
    r"^\$\$\n?(?P<page>.+?)\n?\$\$[ ]*$"
    r"|^\.\. math::[ ]*(?P<line>\S[^\n]*)?\n(?P<indented>(?:[ ]*\n)*(?:[ ]{4,}\S[^\n]*(?:\n|\Z))*)",
    re.MULTILINE | re.DOTALL,
)


class _Blocks(Preprocessor):
    """Formulas with a line to themselves. Runs when fenced code is put away already."""

    def run(self, lines: list[str]) -> list[str]:
        return _BLOCKS.sub(self.replace, "\n".join(lines) + "\n").split("\n")

    def replace(self, match: re.Match[str]) -> str:
        formula = match["page"] or " ".join(part for part in (match["line"], match["indented"]) if part)
        assert self.md is not None
        return f"\n\n{self.md.htmlStash.store(to_mathml(formula, block=True))}\n\n"


class MathML(Extension):
    """Formulas for pages and docstrings."""

    def extendMarkdown(self, md: Markdown) -> None:
        """Add what reads formulas: behind fenced code (25), before backticks (190) and escapes (180)."""
        md.preprocessors.register(_Blocks(md), "formula_blocks", 21)
        md.inlinePatterns.register(_Inline(r":math:`([^`]+)`", md), "formula_role", 195)
        md.inlinePatterns.register(_Inline(r"(?<![\\$\w])\$(?!\s)([^$\n]+?)(?<!\s)\$(?![\w$])", md), "formula", 185)


makeExtension: Callable[..., Extension] = MathML
