"""The page of generations: what it says, that nothing of it is markup, and its filters in a real browser."""

import json
from collections.abc import Sequence
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from browser import ON_CARDS, looked_at, needs_browser
from generation_support import ScriptedBackend

from mhclf.config.generation import GenerationConfig, LabelsConfig
from mhclf.data.load import load_table
from mhclf.errors import RunError
from mhclf.generation.generated_rows import read_generated
from mhclf.generation.measured_run import measure_run
from mhclf.generation.page import Piece, card_of, explanation_pieces, write_generations
from mhclf.generation.requests import Choose, Request
from mhclf.generation.run import run_prompts

NASTY = "</p><script>alert(1)</script><img src=x onerror=alert(2)> {{ 7*7 }} & \"quoted words\" 'so'"
LABELS = ("<b>bold</b>", 'say "no"', "plain")


def write_nasty(folder: Path) -> Path:
    """Write a set of nine test posts whose posts, labels, ids and references are full of markup; returns its YAML."""
    rows = [
        {"id": f"<i>{k}</i>", "text": f"post {k} has words {NASTY}", "label": LABELS[k % 3], "why": f"{NASTY} ref {k}"}
        for k in range(9)
    ]
    (folder / "nasty.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    yaml = folder / "nasty.yaml"
    yaml.write_text(
        f"name: nasty\ntitle: '<u>Nasty</u>'\ntask: multiclass\nlabels: {json.dumps(list(LABELS))}\n"
        "source: {files: {test: nasty.jsonl}}\ncolumns: {id: id, text: text, label: label, explanation: why}\n",
        encoding="utf-8",
    )
    return yaml


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return YAML and run folder: rows 0-2 right, 3 unread, the rest answered 'plain'; explanations differ by row."""
    folder = tmp_path_factory.mktemp("nasty")
    yaml = write_nasty(folder)

    def reply(request: Request) -> str:
        row = int(request.turns[0].text.split("post ")[1].split()[0])
        if len(request.turns) == 1:
            return LABELS[row] if row < 3 else "who knows" if row == 3 else "plain"
        if row == 1:
            return "The poster suffers from depression."
        return f'It says "has words", not "zebra <b>{row}</b>". {NASTY}' if row == 2 else f"why {row} {NASTY}"

    config = GenerationConfig(
        data=str(yaml), out=str(folder / "runs"), explain=True, labels=LabelsConfig(by="parse"), post_tokens=1000
    )
    return yaml, run_prompts(config, backend=ScriptedBackend(reply)).folder


class Reader(HTMLParser):
    """Collects the tags of a page, and the text of each article."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.articles: list[str] = []
        self.inside = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "article":
            self.articles.append("")
            self.inside = True

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "article"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.articles[-1] += data


def read(folder: Path) -> Reader:
    reader = Reader()
    reader.feed((folder / "generations.html").read_text(encoding="utf-8"))
    return reader


def test_prompting_writes_a_page_where_all_is_text(asked: tuple[Path, Path]) -> None:
    page = read(asked[1])
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1 and "img" not in names and "b" not in names and "i" not in names
    assert not [key for _, attributes in page.tags for key in attributes if key.startswith("on")]
    # Nothing is fetched: no address but anchors inside the page.
    links = [value for _, attributes in page.tags for key, value in attributes.items() if key in {"src", "href"}]
    assert all(link and link.startswith("#") for link in links)
    assert len(page.articles) == 9
    assert all(NASTY in article and f"<i>{row}</i>" in article for row, article in enumerate(page.articles) if row != 1)
    assert all(f"ref {row}" in article for row, article in enumerate(page.articles))
    assert "gold: <b>bold</b>" in page.articles[0] and "predicted: –" in page.articles[3]
    articles = [attributes for tag, attributes in page.tags if tag == "article"]
    outcomes = ["right", "right", "right", "unread", "wrong", "right", "wrong", "wrong", "right"]
    assert [item["data-outcome"] for item in articles] == outcomes
    assert articles[3]["data-parsers"] == "unparsed"
    said = [attributes for tag, attributes in page.tags if tag == "div" and attributes.get("class") == "said"]
    assert len(said) == 9 and all("hidden" in attributes for attributes in said)


def test_quotes_and_flags_are_marked(asked: tuple[Path, Path]) -> None:
    part = load_table(str(asked[0])).part("test")
    cards = [card_of(row, part, part.texts[row.row]) for row in read_generated(asked[1], part)]
    # The posts hold a quotation of their own, which the explanation repeats.
    assert (cards[2].found, cards[2].invented, cards[2].marks) == (3, 1, "invented")
    assert Piece("zebra <b>2</b>", "invented") in cards[2].explanation
    assert "".join(piece.text for piece in cards[2].explanation).startswith('It says "has words", not')
    assert any(
        piece == Piece("has words", "cited") or ("has words" in piece.text and piece.kind) for piece in cards[2].post
    )
    assert "".join(piece.text for piece in cards[2].post) == part.texts[2]
    assert cards[1].marks == "flagged" and cards[1].flags[0].startswith("diagnosis: ")
    assert cards[1].flags[0].endswith("sentence 1")
    assert explanation_pieces("", "post") == ()


def test_measuring_adds_its_numbers_to_the_page(asked: tuple[Path, Path]) -> None:
    before = read(asked[1])
    measure_run(asked[1], encoder="")
    after = read(asked[1])
    assert after.articles == before.articles
    content = (asked[1] / "generations.html").read_text(encoding="utf-8")
    assert "invented_quote_share" in content and "first sentence of the post" in content


def write_identified(folder: Path) -> Path:
    """Write a set of three test posts, each with what identifies a person; returns its YAML."""
    row = {"text": "my name is at www.kim-nobody.org, ask u/kim_nobody", "label": "a", "why": "kim@nobody.org wrote it"}
    (folder / "known.jsonl").write_text("".join(json.dumps(row | {"id": f"r{k}"}) + "\n" for k in range(3)))
    yaml = folder / "known.yaml"
    yaml.write_text(
        "name: known\ntask: multiclass\nlabels: [a, b]\nsource: {files: {test: known.jsonl}}\n"
        "columns: {id: id, text: text, label: label, explanation: why}\n"
    )
    return yaml


def test_identifiers_are_masked_where_asked_for_and_marks_stay(tmp_path: Path) -> None:
    config = GenerationConfig(
        data=str(write_identified(tmp_path)), out=str(tmp_path / "runs"), explain=True, labels=LabelsConfig(by="parse")
    )
    config = replace(config, mask=False)
    said = 'It says "name is at www.kim-nobody.org" and "u/kim_nobody" and "zebra"; call 555-234-5678.'

    def ask(mask_identifiers: bool) -> list[str]:
        backend = ScriptedBackend(lambda request: "a" if len(request.turns) == 1 else said)
        folder = run_prompts(config, backend=backend, mask_identifiers=mask_identifiers).folder
        return read(folder).articles

    plain = ask(False)
    assert all("kim-nobody" in article and "u/kim_nobody" in article and "kim@nobody" in article for article in plain)
    masked = ask(True)
    for article in masked:
        assert not [word for word in ("kim", "555-234") if word in article]
        assert 'It says "name is at [url]' in article and "[phone]" in article and "[email] wrote it" in article
    # Measured again without the option, the page shows all again; with it, nothing.
    (folder,) = (tmp_path / "runs" / "known").iterdir()
    measure_run(folder, encoder="")
    assert read(folder).articles == plain
    measure_run(folder, encoder="", mask_identifiers=True)
    assert read(folder).articles == masked
    # A later start masks the page and keeps the measures on it.
    measure_run(folder, encoder="")
    assert ask(True) == masked
    assert "invented_quote_share" in (folder / "generations.html").read_text(encoding="utf-8")


def test_a_run_without_explanations_has_no_page(tiny_dataset: Path, tmp_path: Path) -> None:
    config = GenerationConfig(data=str(tiny_dataset), out=str(tmp_path))
    folder = run_prompts(config, backend=ScriptedBackend(lambda request: (-1.0, -2.0, -3.0))).folder
    assert not (folder / "generations.html").exists()
    with pytest.raises(RunError, match=r"holds no generations\.jsonl"):
        write_generations(tmp_path, load_table(str(tiny_dataset)).part("test"))


def test_yes_or_no_questions_are_right_or_wrong_by_label(tiny_multilabel: Path, tmp_path: Path) -> None:
    def reply(request: Request) -> str | Sequence[float]:
        return (0.0, -9.0) if isinstance(request, Choose) else "because"

    config = GenerationConfig(data=str(tiny_multilabel), out=str(tmp_path), explain=True)
    folder = run_prompts(config, backend=ScriptedBackend(reply)).folder
    part = load_table(str(tiny_multilabel)).part("test")
    cards = [card_of(row, part, part.texts[row.row]) for row in read_generated(folder, part)]
    assert {card.predicted for card in cards} == {"body: yes", "work: yes", "people: yes"}
    names = dict(zip(part.frame["id"].astype(str), part.gold_names(), strict=True))
    assert all((card.outcome == "right") == (card.about in names[card.id]) for card in cards)
    assert {card.gold for card in cards} >= {"people: yes", "body: no"}


PROBE = (
    ON_CARDS
    + """
  seen.start = [rows().length, find("shown").textContent, texts()];
  ["right", "wrong", "unread"].forEach(function (value) { choose("filter-outcome", value); seen[value] = rows(); });
  choose("filter-outcome", "");
  choose("filter-gold", "<b>bold</b>"); seen.gold = rows();
  choose("filter-predicted", 'say "no"'); seen.both = [rows(), find("shown").textContent];
  choose("filter-gold", ""); seen.predicted = rows();
  choose("filter-predicted", "");
  choose("filter-marks", "flagged"); seen.flagged = rows();
  choose("filter-marks", "invented"); seen.invented = rows();
  choose("filter-marks", "");
  choose("filter-parser", "unparsed"); seen.parser = rows();
  choose("filter-parser", "");
  document.querySelector(".show-text").click(); seen.one = texts();
  var before = find("cards").textContent;
  find("mask-texts").click();
  seen.masked = Array.from(document.querySelectorAll(".said .text")).every(function (one) {
    return !/[a-z0-9]/i.test(one.textContent);
  });
  find("mask-texts").click(); seen.unmasked = find("cards").textContent === before;
  find("show-texts").click(); seen.all = texts();
  find("show-texts").click(); seen.none = texts();
  seen.scripts = document.querySelectorAll("#cards script, #cards img, #cards b").length;
"""
)


@needs_browser
def test_the_page_filters_and_hides_texts(asked: tuple[Path, Path], tmp_path: Path) -> None:
    seen = looked_at(asked[1] / "generations.html", PROBE, tmp_path)

    def rows(*numbers: int) -> list[str]:
        return [f"<i>{number}</i>" for number in numbers]

    assert seen["start"] == [9, "9 of 9 answers shown.", 0]
    assert (seen["right"], seen["wrong"], seen["unread"]) == (rows(0, 1, 2, 5, 8), rows(4, 6, 7), rows(3))
    assert seen["gold"] == rows(0, 3, 6)
    assert seen["both"] == [[], "0 of 9 answers shown."]
    assert seen["predicted"] == rows(1)
    assert (seen["flagged"], seen["invented"], seen["parser"]) == (rows(1), rows(2), rows(3))
    assert (seen["one"], seen["all"], seen["none"]) == (1, 9, 0)
    assert seen["masked"] and seen["unmasked"]
    assert seen["scripts"] == 0
