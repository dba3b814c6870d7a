"""Confusable pairs and robustness in the report and the card: numbers, limits, damaged files."""

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from itertools import combinations
from pathlib import Path

import pytest

from mhclf.errors import DataError
from mhclf.evaluation.confusable import ClassPair
from mhclf.evaluation.flips import Flips
from mhclf.results.card import write_model_card
from mhclf.results.figures import draw_run_figures
from mhclf.results.pair_figure import class_pairs_figure, drawable
from mhclf.results.pairs import pairs_sentence, pairs_table, read_pairs
from mhclf.results.report import write_report
from mhclf.results.robustness import Robustness, read_robustness, write_robustness
from mhclf.results.robustness_table import robustness_sentence, robustness_table

LABELS = ("Anxiety", "Depression", "Suicidal ideation", "Off my chest")
PAIRS = [
    ClassPair(a, b, 1.0 + number, 0.4 - number / 20, 30 - number)
    for number, (a, b) in enumerate(combinations(LABELS, 2))
]
TYPOS = Flips("macro_f1", 0.7, 0.65, -0.05, -0.09, -0.01, 0.02, 0.1, 0.05, 0.15, 0.07, 0.02, 60)
CASE = Flips("macro_f1", 0.7, 0.7, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 60)
MEASURED = Robustness(0.1, 3, {"typos": TYPOS, "lower_case": CASE}, {"typos": 0.875, "lower_case": 0.0})


@pytest.fixture
def folder(tmp_path: Path, make_run: Callable[..., Path]) -> Path:
    """Return a run folder with both files."""
    run = make_run(tmp_path / "run", LABELS)
    (run / "class_pairs.json").write_text(json.dumps([asdict(pair) for pair in PAIRS]), encoding="utf-8")
    (run / "robustness").mkdir()
    write_robustness(run / "robustness" / "robustness.json", MEASURED)
    return run


def test_report_and_card_tell_both(folder: Path) -> None:
    drawn = [path.stem for path in draw_run_figures(folder)]
    assert drawn[-1] == "class_pairs"
    page = write_report(folder).read_text(encoding="utf-8")
    for anchor in ('id="pairs"', 'id="robustness"', 'href="#pairs"', 'href="#robustness"', 'alt="Confusable pairs'):
        assert page.count(anchor) == 1, anchor
    assert "Anxiety / Depression" in page
    card = write_model_card(folder).read_text(encoding="utf-8")
    assert "Confusable pairs: Most confused are Anxiety and Depression: 40.0% of their 30 posts" in card
    assert "Robustness: Small changes to the test posts (2 kinds): typos costs most" in card


def test_a_run_without_them_says_nothing(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    run = make_run(tmp_path / "run", LABELS)
    page = write_report(run).read_text(encoding="utf-8")
    assert 'id="pairs"' not in page
    assert 'id="robustness"' not in page
    assert "Confusable" not in write_model_card(run).read_text(encoding="utf-8")


def test_the_table_has_fifteen_pairs_at_most_and_none_without_posts() -> None:
    many = [ClassPair(f"a{k}", f"b{k}", None if k == 1 else 2.0, 0.5 - k / 100, 9) for k in range(20)]
    table = pairs_table([*many, ClassPair("x", "y", None, None, 0)], "test")
    assert table is not None
    assert len(table.rows) == 15
    assert table.rows[:2] == (("a0 / b0", 2.0, 0.5, 9), ("a1 / b1", None, 0.49, 9))
    assert table.notes[1] == "The 15 most confused of 20 pairs."
    assert pairs_table([ClassPair("x", "y", None, None, 0)], "test") is None
    assert pairs_sentence([ClassPair("x", "y", None, None, 0)]) == ""


def test_sentences() -> None:
    assert pairs_sentence(PAIRS) == (
        "Most confused are Anxiety and Depression: 40.0% of their 30 posts were taken for the other one, at a margin "
        "of 1.00. Over all 6 pairs Kendall's tau between margin and confusion is -1.00; below 0, classes that lie "
        "further apart are confused less."
    )
    assert pairs_sentence([ClassPair("a", "b", 3.0, 0.0, 4)]) == "No post was taken for one of another class."
    assert robustness_sentence(MEASURED) == (
        "Small changes to the test posts (2 kinds): typos costs most, Macro-F1 0.700 before and 0.650 after "
        "(difference -0.050 [-0.090, -0.010]); lower case changed no post, and says nothing "
        "here; typos flips most predictions, 10.0%."
    )
    levels = {"typos": replace(TYPOS, metric="mae", difference=0.2), "lower_case": replace(CASE, metric="mae")}
    assert "typos costs most, Mean levels off" in robustness_sentence(Robustness(0.1, 3, levels)), "less is better"
    assert robustness_sentence(Robustness(0.1, 0, {"lower_case": CASE})) == (
        "Small changes to the test posts (1 kind): none worsens Macro-F1; none flips a prediction."
    )


def test_the_picture_needs_three_points_and_names_the_most_confused() -> None:
    assert drawable(PAIRS[:2]) == []
    assert drawable([*PAIRS[:2], ClassPair("a", "b", None, 0.1, 3)]) == []
    figure = class_pairs_figure(drawable(PAIRS), LABELS)
    (axes,) = figure.axes
    assert axes.collections[0].get_offsets().tolist() == [[pair.margin, pair.confusion] for pair in PAIRS]
    texts = [text.get_text() for text in axes.texts]
    assert texts[:6] == ["1", "2", "3", "4", "5", "6"]
    assert texts[6].splitlines()[0] == "1  Anxiety / Depression"


def test_files_come_back_and_damaged_ones_are_named(folder: Path) -> None:
    pairs, robust = folder / "class_pairs.json", folder / "robustness" / "robustness.json"
    assert read_pairs(pairs) == tuple(PAIRS)
    assert read_robustness(robust) == MEASURED
    assert [row[:2] for row in robustness_table(MEASURED).rows] == [("typos", "88%"), ("lower case", "0%")]
    # Runs of an earlier version did not count the posts that were changed.
    content = json.loads(robust.read_text(encoding="utf-8"))
    robust.write_text(json.dumps({key: content[key] for key in ("strength", "seed", "kinds")}), encoding="utf-8")
    earlier = read_robustness(robust)
    assert earlier == replace(MEASURED, touched={})
    assert [row[1] for row in robustness_table(earlier).rows] == [None, None]
    pairs.write_text('[{"first": "a"}]', encoding="utf-8")
    robust.write_text("[]", encoding="utf-8")
    with pytest.raises(DataError, match="class_pairs.json: holds no pairs of classes"):
        read_pairs(pairs)
    with pytest.raises(DataError, match="robustness.json: holds no measured changes"):
        read_robustness(robust)
