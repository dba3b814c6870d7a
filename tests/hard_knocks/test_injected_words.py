"""Hostile words as post, label, id, group, title and column: pages, tables and cards show them and do nothing."""

import csv
import json
import re
import shutil
from functools import partial
from html.parser import HTMLParser

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import LINEAR, SENTENCES

from explain.run import explain_run
from mhclf.config.run import RunConfig
from mhclf.config.structure import write_yaml
from mhclf.results.compare import write_comparison
from mhclf.results.tables import Column, Strong, Table, to_csv, to_latex, to_longtable, to_markdown
from mhclf.training.run import run
from mhclf.training.saved import load_run
from mhclf.training.scoring import ScoringConfig, score_file

LABELS = ("<script>alert(1)</script>", '=HYPERLINK("http://x.invalid","y")', "\\input{/etc/passwd} | 50 % & `x` [a](b)")
HOSTILE = "</p></script><script>alert(2)</script><img src=x onerror=alert(3)> javascript:alert(4) {{ 7*7 }} ${1}"


class Seen(HTMLParser):
    """Collects tags and attributes; what stands inside script and style is text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.attributes, self.shown = [], [], []
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *pair) for pair in attrs]

    def handle_data(self, data):
        self.shown.append(data)


@pytest.fixture(scope="module")
def hostile_run(tmp_path_factory):
    """Return the folder of a run whose every word is hostile, explained and reported."""
    folder = tmp_path_factory.mktemp("hostile")
    rows = []
    for number, texts in enumerate(SENTENCES.values()):
        for place, text in enumerate(texts):
            rows += [
                {
                    "=id": f"=cmd|'/c calc'!A{number}{place}{copy}../../x<b>",
                    "te<b>xt": f"{text} {HOSTILE} {copy}",
                    "lab|el": LABELS[number],
                    "group": f"../../{number}-{place}<i>",
                    "why": [" ".join(text.split()[:2]), "<script>alert(2)"],
                }
                for copy in range(2)
            ]
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    content = {
        "name": "<script>alert(5)<|=set",
        "task": "multiclass",
        "labels": list(LABELS),
        "source": {"files": "rows.jsonl"},
        "columns": {"id": "=id", "text": "te<b>xt", "label": "lab|el", "group": "group"},
        "title": f"{HOSTILE}\n---\nlicense: mit\n",
        "citation": HOSTILE,
        "ethics": HOSTILE,
        "rationale": {"column": "why", "kind": "phrases"},
        "splits": {"kind": "ratio", "test": 0.25},
    }
    # "</script>" holds a slash, which no name of a set may; a title may hold anything.
    (folder / "hostile.yaml").write_text(write_yaml(content))
    config = RunConfig(data=str(folder / "hostile.yaml"), out=str(folder / "runs"), **LINEAR)
    made = run(config).folder
    explain_run(made, ("occlusion",), 4, faithful=False)
    twin = tmp_path_factory.mktemp("twin") / made.name
    shutil.copytree(made, twin)
    write_comparison([made, twin], made / "comparison.html", None)
    return folder, made


def test_the_folder_lies_where_it_should(hostile_run):
    folder, made = hostile_run
    assert made.parent.name == "_script_alert_5____set" and made.parent.parent == folder / "runs"
    outside = [path for path in folder.rglob("*") if path.is_file() and made not in path.parents]
    assert sorted(path.name for path in outside) == ["hostile.yaml", "rows.jsonl"]
    assert all(re.fullmatch(r"[\w.+-]+", path.name) for path in made.rglob("*"))


@pytest.mark.parametrize("name", ["report.html", "explanations.html", "comparison.html"])
def test_pages(hostile_run, name):
    page = Seen((hostile_run[1] / name).read_text(encoding="utf-8"))
    plain = {"script": 1, "img": 0, "iframe": 0, "object": 0, "b": 0}
    assert page.tags.count("script") <= plain["script"]
    for tag, key, value in page.attributes:
        assert not key.startswith("on"), (tag, key)
        assert not (value or "").lower().startswith("javascript:")
        if key == "src":
            assert value.startswith("data:image/")
    shown = "".join(page.shown)
    # Two runs that agree have no post to show.
    assert (LABELS[0] if name != "comparison.html" else "<script>alert(5)<|=set") in shown
    assert "49" not in re.findall(r"\{\{ 7\*7 \}\}|\b49\b(?= \$)", shown)


def test_the_card(hostile_run):
    card = (hostile_run[1] / "MODEL_CARD.md").read_text(encoding="utf-8")
    assert card.count("\n---\n") == 1
    body = card.split("\n---\n", 1)[1]
    assert "<script" not in re.sub(r"`[^`\n]*`", "", body) and "<img" not in re.sub(r"`[^`\n]*`", "", body)
    assert "license: mit" not in card.split("\n---\n", 1)[0].splitlines()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_scores(hostile_run, tmp_path, kind):
    folder, made = hostile_run
    output = tmp_path / f"scores.{kind}"
    keep = ("lab|el", "group", "=more")
    rows = [json.loads(line) | {"=more": "@SUM(1)"} for line in (folder / "rows.jsonl").read_text().splitlines()]
    given = tmp_path / "given.jsonl"
    given.write_text("".join(json.dumps(row) + "\n" for row in rows))
    score_file(load_run(made), ScoringConfig(given, output, text_column="te<b>xt", id_column="=id", keep=keep))
    if kind != "csv":
        read = pd.read_parquet if kind == "parquet" else partial(pd.read_json, lines=True)
        frame = read(output)
        assert list(frame["id"]) == [row["=id"] for row in rows]
        assert list(frame["lab|el"]) == [row["lab|el"] for row in rows] and set(frame["=more"]) == {"@SUM(1)"}
        assert set(frame["prediction"]) <= set(LABELS)
        return
    with output.open(newline="", encoding="utf-8") as stream:
        header, *lines = csv.reader(stream)
    names = [f"probability/{label}" for label in LABELS]
    assert header == ["id", "lab|el", "group", "'=more", "prediction", *names, "abstention"]
    assert [line[0] for line in lines] == ["'" + row["=id"] for row in rows]
    assert {line[1] for line in lines} == {LABELS[0], "'" + LABELS[1], LABELS[2]}
    assert not [cell for line in [header, *lines] for cell in line if cell.startswith(("=", "+", "-", "@"))]
    assert all(0 <= float(cell) <= 1 for line in lines for cell in line[5:])


# Table writers

WORDS = st.lists(
    st.sampled_from(
        ["\\input{x}", "\\write18{rm}", "%", "&", "$", "#", "_", "{", "}", "~", "^", "|", "<script>", "=1+1", "+1",
         "-1",
         "@a", "\t", "\r", "\n", "`", "*", "[a](javascript:b)", "![", "\\", "\\\\", "<!--", "]]>", "\u2028", "\x00",
         "\ud800", "\u202e", "＝1", "0.5", '"', "'", ",", ";", "---", "# x", "1. x", "&lt;", "||", "\\|"]
    )
    | st.text(max_size=6),
    max_size=6,
).map("".join)  # fmt: skip
CELLS = WORDS | WORDS.map(Strong) | st.floats() | st.integers() | st.none()


def check_table(title, names, cells, note):
    columns = tuple(Column(name) for name in names)
    table = Table(title, columns, (tuple(cells), tuple(reversed(cells))), (note,))
    rows = list(csv.reader(to_csv(table).splitlines(keepends=True)))
    assert len(rows) == 3 and all(len(row) == len(names) for row in rows)
    for given_cell, found in zip(cells, rows[1], strict=True):
        if isinstance(given_cell, float) and given_cell == given_cell and abs(given_cell) != float("inf"):
            assert float(found) == given_cell
        if isinstance(given_cell, int):
            assert int(found) == given_cell
        if isinstance(given_cell, str):
            assert not found.startswith(("=", "@", "\t", "\r", "\n", "＝")), found
            assert not found.startswith(("+", "-")) or re.fullmatch(r"[-+]?[\d.,\[\] ±-]+", found), found
    for row in to_markdown(table).splitlines():
        assert "<" not in row
        if row.startswith("|"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == len(names) + 1
    for latex in (to_latex(table, "tab:x"), to_longtable(table, "tab:x")):
        bare = re.sub(r"\\(textbackslash|textasciitilde|textasciicircum|textless|textgreater|textbar)\{\}", "", latex)
        assert "\\input" not in bare and "\\write" not in bare
        heading, rest = bare.split("\\toprule")[1].split("\\midrule")
        rows = (
            rest.split("\\endfoot")[1].split("\\end{longtable}")[0]
            if "\\endfoot" in rest
            else (rest.split("\\bottomrule")[0])
        )
        lines = [line for line in (heading + rows).splitlines() if line.strip()]
        assert len(lines) == 3
        for line in lines:
            assert line.endswith(r"\\")
            assert len(re.findall(r"(?<!\\)&", line)) == len(names) - 1
            assert not re.search(r"(?<!\\)[%#]", line)
            opened = re.sub(r"\\[{}]", "", line)
            assert opened.count("{") == opened.count("}")


QUICK = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
TABLES = (WORDS, st.lists(WORDS, min_size=2, max_size=2), st.lists(CELLS, min_size=2, max_size=2), WORDS)


@QUICK
@given(*TABLES)
def test_tables(title, names, cells, note):
    check_table(title, names, cells, note)


@pytest.mark.slow
@settings(QUICK, max_examples=1000)
@given(*TABLES)
def test_a_thousand_tables(title, names, cells, note):
    check_table(title, names, cells, note)
