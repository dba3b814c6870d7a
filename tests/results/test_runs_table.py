"""Runs beside each other, and tables, runs as HTML for notebooks: everything escaped."""

import html.parser
from pathlib import Path

import pytest

from mhclf.config.run import RunConfig
from mhclf.errors import ConfigError, RunError
from mhclf.results import Column, Table, runs_table, to_html
from mhclf.results.escape import plain
from mhclf.results.records import read_records
from mhclf.results.tables import Strong
from mhclf.training.saved import Run


class Tags(html.parser.HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.names, self.texts = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)

    def handle_data(self, data):
        self.texts.append(data)


def test_a_table_as_html_by_hand():
    table = Table(
        "A & B", (Column("x<y"), Column("f", "right", "higher")), (("a", 0.12345), (Strong("b"), None)), ("n",)
    )
    assert (
        to_html(table)
        == table._repr_html_()
        == (
            '<table><caption>A &amp; B</caption><thead><tr><th style="text-align:left">x&lt;y</th>'
            '<th style="text-align:right">f ↑</th></tr></thead><tbody>\n'
            '<tr><td style="text-align:left">a</td><td style="text-align:right">0.123</td></tr>\n'
            '<tr><td style="text-align:left"><b>b</b></td><td style="text-align:right">–</td></tr>\n'
            "</tbody></table>\n<br><small>n</small>"
        )
    )


def test_nothing_in_a_table_becomes_markup(hostile):
    for text in hostile:
        tags = Tags(to_html(Table(text, (Column(text),), ((text,),), (text,))))
        assert set(tags.names) == {"table", "caption", "thead", "tr", "th", "tbody", "td", "br", "small"}
        assert tags.texts.count(plain(text)) == 4


def test_runs_beside_each_other(make_run, tmp_path):
    one, two = make_run(tmp_path / "one"), make_run(tmp_path / "two")
    table = runs_table([one, two])
    records = read_records(Path(one) / "results.jsonl")
    own = {r.metric: r for r in records if (r.slice, r.split, r.method) == ("all", "test", "layer_attentive_supcon")}
    assert [column.name for column in table.columns[:6]] == ["data", "method", "encoder", "seed", "part", "n"]
    assert len(table.rows) == 2
    place = [column.name for column in table.columns].index("macro_f1")
    assert table.columns[place].direction == "higher"
    assert str(table.rows[0][place]).startswith(f"{own['macro_f1'].value:.3f}")
    assert runs_table(one).rows == table.rows[:1]
    assert [column.name for column in runs_table(one, ["accuracy"]).columns[6:]] == ["accuracy"]
    with pytest.raises(ConfigError, match=r"metrics: no run has 'acuracy'. Did you mean 'accuracy'\? Known: "):
        runs_table(one, ["acuracy"])
    (tmp_path / "empty").mkdir()
    with pytest.raises(RunError, match="There is no run to show"):
        runs_table(tmp_path / "empty")
    with pytest.raises(RunError, match="is no folder"):
        runs_table(tmp_path / "nowhere")


def test_a_folder_of_runs_is_searched(make_run, tmp_path):
    make_run(tmp_path / "demo" / "one")
    make_run(tmp_path / "demo" / "two")
    assert len(runs_table(tmp_path).rows) == 2


def test_a_run_in_a_notebook(make_run, tmp_path):
    folder = Path(make_run(tmp_path / "<i>run"))
    shown = Run(folder, RunConfig(data="demo"), ("<b>x</b>", "y"), "multiclass")._repr_html_()
    assert "labels: &lt;b&gt;x&lt;/b&gt;, y" in shown and "<table>" in shown and "&lt;i&gt;run" in shown
    empty = Run(tmp_path / "none", RunConfig(), ("a", "b"), "multiclass")._repr_html_()
    assert "<table>" not in empty and "labels: a, b" in empty
