"""The report: self-contained, escaped, with the run's numbers; texts only when given."""

import html.parser
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import mhclf.results
from mhclf.errors import DataError, RunError
from mhclf.results.pages import render_page
from mhclf.results.predictions import class_table
from mhclf.results.records import read_records, write_records
from mhclf.results.report import write_report
from mhclf.results.runfolder import read_run
from mhclf.results.summary import flatten, headline_sentences, results_table

Builder = Callable[..., Path]
PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c636001000000050001a5f645400000000049454e44ae426082"
)


class Page(html.parser.HTMLParser):
    """Collect tags, attributes and the text outside of style and script."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.text = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] not in ("style", "script"):
            self.text += data


def build(make_run: Builder, folder: Path, *labels: str, **options: object) -> Path:
    """Write a run with one small picture, so that none is drawn."""
    make_run(folder, *([labels] if labels else []), **options)
    (folder / "figures").mkdir()
    (folder / "figures" / "confusion_matrix.png").write_bytes(PIXEL)
    return folder


def test_the_page_loads_nothing_and_acts_only_by_its_own_script(
    tmp_path: Path, make_run: Builder, hostile: tuple[str, ...]
) -> None:
    folder = build(make_run, tmp_path / "run", *hostile, title="</title><script>alert(1)</script>")
    texts = {f"post-{k:04d}": f"<img src=x onerror=alert({k})></script> text & {k}" for k in range(60)}
    source = write_report(folder, texts).read_text(encoding="utf-8")
    page = Page(source)
    assert page.tags.count("script") == 1
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    links = [value for name, value in page.attributes if name in ("src", "href", "action", "srcset")]
    assert links
    assert all(value.startswith(("data:image/png;base64,", "#")) for value in links)
    assert "http://" not in re.sub(r"=HYPERLINK\(.*?\)", "", source)
    assert "https://" not in source
    assert "default-src &#39;none&#39;" in source or "default-src 'none'" in source
    assert "<img src=x onerror=alert(7)></script> text & 7" in page.text
    for label in hostile:
        assert label in page.text


def test_every_id_that_is_pointed_at_exists_once(tmp_path: Path, make_run: Builder) -> None:
    folder = build(make_run, tmp_path / "run")
    page = Page(write_report(folder, {"post-0001": "text"}).read_text(encoding="utf-8"))
    known = [value for name, value in page.attributes if name == "id"]
    assert len(known) == len(set(known))
    for name, value in page.attributes:
        if name in ("aria-controls", "aria-labelledby"):
            assert value in known
        if name == "href":
            assert value.removeprefix("#") in known
    script = (Path(mhclf.results.__file__).parent / "templates" / "posts.js").read_text(encoding="utf-8")
    for wanted in re.findall(r"""(?:find|getElementById)\("([\w-]+)"\)""", script):
        assert wanted in known


def test_header_headline_and_baselines(tmp_path: Path, make_run: Builder) -> None:
    run = read_run(make_run(tmp_path / "run"))
    assert headline_sentences(run) == (
        "Macro-F1 on the 60 test posts is 0.712 (higher is better).",
        "The 95 % interval runs from 0.651 to 0.770.",
        "The baseline majority class reaches 0.123 [0.100, 0.150].",
        "The baseline TF-IDF + logistic regression reaches 0.651 [0.590, 0.710].",
    )
    table = results_table(run)
    assert [column.name for column in table.columns] == [
        "metric", "this run [95 % interval]", "majority class", "TF-IDF + logistic regression", "n",
    ]  # fmt: skip
    assert [row[0] for row in table.rows] == [
        "Accuracy ↑", "Macro-F1 ↑", "AUROC ↑", "Expected calibration error ↓",
    ]  # fmt: skip
    assert table.rows[1] == (
        "Macro-F1 ↑", "0.712 [0.651, 0.770]", "0.123 [0.100, 0.150]", "0.651 [0.590, 0.710]", 60,
    )  # fmt: skip
    assert table.rows[2][1] == "–"


def test_the_page_shows_numbers_layers_data_and_settings(tmp_path: Path, make_run: Builder) -> None:
    source = write_report(build(make_run, tmp_path / "run", uniform=False)).read_text(encoding="utf-8")
    text = re.sub(r"\s+", " ", Page(source).text)
    for part in (
        "0.712 Macro-F1, 95 % interval 0.651 to 0.770", "Scores by class", "0.500 to 0.800",
        "The mean layer weights differ from an even mixture: their divergence from it is 0.13 nats",
        "The gate is 0.031", "layer 6 contributes most (88.0 %)", "3 test posts resemble a training post.",
        "licenceCC BY 4.0", "versions.torch2.13.0", "optim.lr3e-05", "Other records of this run (1)",
    ):  # fmt: skip
        assert part in text
    assert str(Path.home()) not in source
    assert "secret-data" not in source


def test_texts_are_in_the_page_only_when_given(tmp_path: Path, make_run: Builder) -> None:
    folder = build(make_run, tmp_path / "run")
    assert 'id="show-texts"' not in write_report(folder).read_text(encoding="utf-8")
    source = write_report(folder, {"post-0003": "SECRET WORDS", "unknown": "NOT LISTED"}).read_text(encoding="utf-8")
    assert source.count("SECRET WORDS") == 1
    assert "NOT LISTED" not in source
    assert re.search(
        r'<tr id="text-\d+" class="text" hidden><td colspan="7"><div class="post" dir="auto">SECRET', source
    )
    assert 'id="mask-texts"' in source


def test_wrong_posts_come_first_surest_on_top(tmp_path: Path, make_run: Builder) -> None:
    folder = build(make_run, tmp_path / "run")
    source = write_report(folder).read_text(encoding="utf-8")
    rows = re.findall(r'data-outcome="(\w+)">\s*<tr>.*?<td class="right">([\d.]+)</td>', source)
    wrong = sum(1 for outcome, _ in rows if outcome == "wrong")
    assert len(rows) == 60
    assert 0 < wrong < 60
    assert [outcome for outcome, _ in rows] == ["wrong"] * wrong + ["right"] * (60 - wrong)
    sure = [float(value) for outcome, value in rows if outcome == "wrong"]
    assert sure == sorted(sure, reverse=True)
    assert f"{wrong} of 60 posts are predicted wrongly." in source


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_class_table_has_the_numbers_of_the_predictions(tmp_path: Path, make_run: Builder, task: str) -> None:
    found = read_run(make_run(tmp_path / "run", ("a", "b", "never"), task)).predictions
    assert found is not None
    table = class_table(found)
    for k, row in enumerate(table.rows):
        hits = int((found.gold[:, k] & found.prediction[:, k]).sum())
        gold, given = int(found.gold[:, k].sum()), int(found.prediction[:, k].sum())
        assert row == (found.labels[k], hits / given, hits / gold, 2 * hits / (gold + given), gold, given)
    assert len(found.ids) == 60


def test_several_labels_and_the_linear_baseline_have_pages(tmp_path: Path, make_run: Builder) -> None:
    several = build(make_run, tmp_path / "several", task="multilabel")
    source = write_report(several).read_text(encoding="utf-8")
    assert "p is the mean probability of the labels in question." in source
    assert " + " in source
    linear = build(make_run, tmp_path / "linear", method="tfidf_lr", minimal=True)
    source = write_report(linear).read_text(encoding="utf-8")
    assert 'id="layers"' not in source
    assert "The baseline TF-IDF" not in source


def test_a_shut_test_set_shows_validation_and_says_so(tmp_path: Path, make_run: Builder) -> None:
    folder = make_run(tmp_path / "run")
    path = folder / "results.jsonl"
    write_records(path, [item for item in read_records(path) if item.split == "validation"])
    frame = pd.read_parquet(folder / "predictions.parquet")
    frame[frame["split"] == "validation"].to_parquet(folder / "predictions.parquet")
    run = read_run(folder)
    assert run.split == "validation"
    assert run.predictions is not None
    assert len(run.predictions.ids) == 30
    assert headline_sentences(run) == (
        "Macro-F1 on the 30 validation posts is 0.740 (higher is better).",
        "No interval was computed.",
        "The test set is shut: the model was chosen on these posts, so the number is optimistic.",
    )


def test_a_run_that_explains_has_a_section(tmp_path: Path, make_run: Builder) -> None:
    folder = make_run(tmp_path / "run")
    assert 'id="explanations"' not in write_report(folder).read_text(encoding="utf-8")
    (folder / "generations.jsonl").write_text('{"id": "a"}\n{"id": "b"}\n', encoding="utf-8")
    page = write_report(folder).read_text(encoding="utf-8")
    assert "The run wrote 2 explanations. They are not measured yet: generate.py eval does that." in page
    assert 'href="#explanations"' in page and "generations.html" not in page
    (folder / "generations.html").write_text("", encoding="utf-8")
    measure = {"source": "<i>generated</i>", "metric": "rougeL", "value": 0.25, "low": 0.125, "high": 0.5, "n": 2}
    other = measure | {"source": "first sentence", "value": None, "low": None, "high": None, "n": 0}
    (folder / "explanations.jsonl").write_text(f"{json.dumps(measure)}\n{json.dumps(other)}\n", encoding="utf-8")
    page = write_report(folder).read_text(encoding="utf-8")
    assert 'The run wrote 2 explanations. They stand, row by row, in <a href="generations.html">' in page
    assert "&lt;i&gt;generated&lt;/i&gt;" in page and "0.250 [0.125, 0.500]" in page and "0-2" in page
    (folder / "explanations.jsonl").write_text(f"{json.dumps(measure)}\n{{}}\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"explanations\.jsonl, line 2: is damaged\. Measure again"):
        write_report(folder)


def test_figures_are_drawn_when_there_are_none(tmp_path: Path, make_run: Builder) -> None:
    folder = make_run(tmp_path / "run", method="tfidf_lr", minimal=True, rows=20)
    source = write_report(folder).read_text(encoding="utf-8")
    assert source.count('src="data:image/png;base64,') == 4


def test_the_same_folder_gives_the_same_bytes(tmp_path: Path, make_run: Builder) -> None:
    folder = build(make_run, tmp_path / "run")
    assert write_report(folder).read_bytes() == write_report(folder).read_bytes()


@pytest.mark.parametrize(
    ("name", "content", "error", "message"),
    [
        ("data_manifest.json", None, RunError, "has no data_manifest.json"),
        ("data_manifest.json", "{", DataError, "cannot be parsed"),
        ("data_manifest.json", '{"name": "x", "task": "multiclass"}', DataError, "'labels' missing or empty"),
        ("config.yaml", "- a", DataError, "expected a mapping at the top"),
        ("layers.json", "{}", DataError, "the key 'layer_names' is missing"),
        ("training_log.csv", "a,b\n1,2\n", DataError, "the columns 'kind', 'epoch', 'step' are missing"),
        ("predictions.parquet", "no parquet", DataError, "cannot be read"),
    ],
)
def test_broken_folders_are_said_clearly(
    tmp_path: Path, make_run: Builder, name: str, content: str | None, error: type[Exception], message: str
) -> None:
    folder = make_run(tmp_path / "run")
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_text(content, encoding="utf-8")
    with pytest.raises(error) as caught:
        read_run(folder)
    assert message in str(caught.value)
    assert name in str(caught.value)


def test_labels_that_the_data_set_does_not_have_are_an_error(tmp_path: Path, make_run: Builder) -> None:
    folder = make_run(tmp_path / "run", ("a", "b"))
    path = folder / "data_manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"labels": ["a"]}), encoding="utf-8")
    with pytest.raises(DataError, match="has the gold label 'b'; known are 'a'"):
        read_run(folder)
    path.write_text(json.dumps(manifest | {"labels": ["a", "c"]}), encoding="utf-8")
    with pytest.raises(DataError, match="the columns 'probability/c' are missing"):
        read_run(folder)


def test_flatten_drops_folders() -> None:
    content = {
        "a": {"b": [1, 2], "c": None},
        "root": "/home/jane/x.yaml",
        "w": "C:\\Users\\jane\\m",
        "lr": 3e-5,
        "t": True,
    }
    assert flatten(content) == [
        ("a.b", "1, 2"), ("a.c", "not set"), ("root", "…/x.yaml"), ("w", "…/m"), ("lr", "3e-05"), ("t", "yes"),
    ]  # fmt: skip


def test_another_room_can_extend_the_base_page(tmp_path: Path) -> None:
    (tmp_path / "own.html.j2").write_text(
        '{% extends "base.html.j2" %}{% block title %}{{ name }}{% endblock %}', encoding="utf-8"
    )
    page = render_page("own.html.j2", folders=(tmp_path,), name="<x>")
    assert "<title>&lt;x&gt;</title>" in page


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("of `a<b`, by `c`.", "of <code>a&lt;b</code>, by <code>c</code>."),
        ("`x`", "<code>x</code>"),
        ("one ` alone & no other", "one ` alone &amp; no other"),
    ],
)
def test_words_between_backticks_are_code(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "own.html.j2").write_text("<p>{{ text|code_marks }}</p>", encoding="utf-8")
    assert render_page("own.html.j2", folders=(tmp_path,), text=text) == f"<p>{expected}</p>"


def test_the_package_is_lazy_and_complete() -> None:
    code = "import sys, mhclf.results; print([m for m in ('matplotlib', 'jinja2', 'torch') if m in sys.modules])"
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
    assert [name for name in mhclf.results.__all__ if not hasattr(mhclf.results, name)] == []
    assert set(mhclf.results.__all__) <= set(dir(mhclf.results))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = mhclf.results.nothing
