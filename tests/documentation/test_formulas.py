"""Formulas become MathML: structure, errors, and every formula of a docstring."""

import importlib.util
import re
import xml.etree.ElementTree as Tree

import pytest
from code_blocks import PAGES, REPOSITORY

markdown = pytest.importorskip("markdown")


@pytest.fixture(scope="module")
def mathml():
    spec = importlib.util.spec_from_file_location("mathml", REPOSITORY / "docs" / "tools" / "mathml.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def shape(element):
    """Return an element as nested lists: its name, then its text or its children."""
    return [element.tag, element.text] if element.text else [element.tag, *map(shape, element)]


def parsed(mathml, formula, block=False):
    return shape(Tree.fromstring(mathml.to_mathml(formula, block))[0][0])


def test_structure(mathml):
    assert parsed(mathml, "a_l") == ["msub", ["mi", "a"], ["mi", "l"]]
    assert parsed(mathml, r"\frac{1}{|A|}") == [
        "mfrac",
        ["mn", "1"],
        ["mrow", ["mo", "|"], ["mi", "A"], ["mo", "|"]],
    ]
    limits = [["mo", "∑"], ["mrow", ["mi", "i"], ["mo", "∈"], ["mi", "A"]], ["mi", "n"]]
    assert parsed(mathml, r"\sum_{i \in A}^n") == ["msubsup", *limits]
    assert parsed(mathml, r"\sum_{i \in A}^n", block=True) == ["munderover", *limits]
    assert parsed(mathml, r"\mathrm{LayerNorm}(x) - 0.5") == [
        "mrow",
        ["mi", "LayerNorm"],
        ["mo", "("],
        ["mi", "x"],
        ["mo", ")"],
        ["mo", "−"],
        ["mn", "0.5"],
    ]


@pytest.mark.parametrize(
    ("formula", "message"),
    [
        (r"\unheard{x}", r"the command \\unheard is not known"),
        ("{a", "'}' is missing"),
        ("a}", "a '}' too many"),
        ("a_", "ends where something must follow"),
        (r"\mathrm x", "a group in braces must follow"),
    ],
)
def test_what_cannot_be_read_is_an_error(mathml, formula, message):
    with pytest.raises(mathml.FormulaError, match=message):
        mathml.to_mathml(formula)


def test_pages_and_docstrings_share_one_reader(mathml):
    page = markdown.Markdown(extensions=["pymdownx.superfences", mathml.MathML()])
    text = (
        "Weights $a_l$ and :math:`b_l`, costs of 5 $ and 6 $, code `$c$`.\n\n$$\nx < 1\n$$\n\n"
        ".. math::\n    y =\n    2\n\nAfter.\n\n.. math:: z\n\n```text\n$d$\n```\n"
    )
    html = page.convert(text)
    assert html.count("<math>") == 2
    assert html.count('<math display="block">') == 3
    assert "5 $ and 6 $" in html
    assert "<code>$c$</code>" in html
    assert "<mo>&lt;</mo>" in html
    assert "<p>After.</p>" in html
    assert "$d$" in html


def test_every_formula_of_the_library_is_read(mathml):
    found = 0
    for package in ("mhclf", "explain"):
        for path in (REPOSITORY / package).rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            for formula in re.findall(r":math:`([^`]+)`", text):
                mathml.to_mathml(" ".join(formula.split()))
                found += 1
    assert found > 30
    assert any("$$" in page.read_text(encoding="utf-8") for page in PAGES)
