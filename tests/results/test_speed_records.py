"""Measured works: arithmetic of rounds, aims and checks, the JSON, the page, the picture."""

import json
from dataclasses import replace
from pathlib import Path
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mhclf.errors import DataError
from mhclf.results.speed import Check, Measured, Round, Sample, read_measured, write_measured
from mhclf.results.speed_figure import draw_speed
from mhclf.results.speed_tables import speed_markdown, speed_tables

MACHINE = {
    "python": "3.11.9", "platform": "Linux", "processor": "Some CPU", "cpu_count": 2, "gpu": None,
    "torch_threads": 2, "omp_wait_policy": "PASSIVE", "git": None, "versions": {"torch": "2.13.0"}, "load": 1.25,
}  # fmt: skip


def measured(kind="times_faster", rounds=((2.0, 10.0), (4.0, 12.0), (2.5, 20.0)), aim=4.0, checks=(), **fields):
    given = tuple(Round(Sample(ours, 100), Sample(theirs, 100)) for ours, theirs in rounds)
    whole = {"work": "prediction", "data": "demo", "ours": "us", "theirs": "them", "unit": "posts"} | fields
    return Measured(
        kind=kind, aim=aim, rounds=given, checks=tuple(checks), settings={"rounds": len(given), "limit": None},
        environment=MACHINE, seconds=9.5, **whole,
    )  # fmt: skip


def test_a_figure_is_the_median_of_the_rounds_ratios():
    found = measured()
    assert found.figures == pytest.approx([5.0, 3.0, 8.0])
    assert found.figure == pytest.approx(5.0)
    assert (found.side("ours"), found.side("theirs")) == (pytest.approx(40.0), pytest.approx(100 / 12))
    assert found.reached is True
    assert measured(aim=5.1).reached is False
    assert measured(aim=None).reached is None


def test_different_amounts_are_held_by_their_rates():
    item = replace(measured(), rounds=(Round(Sample(2.0, 300), Sample(4.0, 100)),))
    assert item.figure == pytest.approx((300 / 2) / (100 / 4))


@pytest.mark.parametrize(
    ("kind", "aim", "figure", "reached"),
    [
        ("times_as_long", 0.2, 0.2, True),
        ("times_as_long", 0.19, 0.2, False),
        ("more_megabytes", -8.0, -8.0, True),
        ("more_megabytes", -8.1, -8.0, False),
        ("seconds", 2.5, 2.5, True),
        ("seconds", 2.4, 2.5, False),
    ],
)
def test_other_claims_are_better_when_lower(kind, aim, figure, reached):
    found = measured(kind, aim=aim)
    assert found.figure == pytest.approx(figure)
    assert found.reached is reached


def test_scores_are_held_against_the_peers_interval():
    found = measured("not_worse", rounds=((0.70, 0.72), (0.72, 0.74), (0.71, 0.73)), aim=None, unit="macro-F1")
    # mean .73, sd .01, t(.975, 2) = 4.3027: half width .02484.
    assert found.limit == pytest.approx(1 - 4.302653 * 0.01 / 3**0.5 / 0.73, abs=1e-6)
    assert found.figure == pytest.approx(0.71 / 0.73)
    assert found.reached is True
    worse = measured("not_worse", rounds=((0.60, 0.72), (0.62, 0.74), (0.61, 0.73)), aim=None)
    assert worse.reached is False
    assert measured("not_worse", rounds=((0.6, 0.7),), aim=None).reached is None


@given(st.lists(st.tuples(st.floats(0.01, 100), st.floats(0.01, 100)), min_size=1, max_size=9))
def test_the_figure_lies_between_the_rounds_and_turns_round_with_the_sides(pairs):
    found = measured(rounds=pairs)
    assert min(found.figures) <= found.figure <= max(found.figures)
    assert found.figure == pytest.approx(median(theirs / ours for ours, theirs in pairs))


def test_checks_hold_up_to_their_limit_and_never_for_nan():
    assert Check("gap", 1e-4, 1e-4).passed and not Check("gap", 1.1e-4, 1e-4).passed
    assert Check("share", 0.995, 0.995, at_least=True).passed and not Check("share", 0.99, 0.995, at_least=True).passed
    assert not Check("gap", float("nan"), 1.0).passed
    assert str(Check("gap", 0.02, 0.001)) == "gap 0.02 > 0.001"
    assert str(Check("share", 1.0, 0.995, at_least=True)) == "share 1 ≥ 0.995"


def test_tables_show_figure_aim_and_checks():
    good = measured(checks=[Check("largest gap of a probability", 2e-6, 1e-4)])
    bad = measured(data="other", checks=[Check("a", 0.0, 1.0), Check("largest gap of a probability", 0.3, 1e-4)])
    slow = measured("times_as_long", work="near_duplicates", aim=0.1, unit="s")
    faster, longer = speed_tables([good, bad, slow])
    cells = faster.formatted()
    assert cells[0][2:5] == ["A", "us", "them"]
    assert cells[0][5:] == [
        "40 posts/s", "8.33 posts/s", "5 [3, 8]", "≥ 4", "yes", "yes: largest gap of a probability 2e-06 ≤ 0.0001", "3",
    ]  # fmt: skip
    assert type(faster.rows[0][7]).__name__ == "Strong" and type(faster.rows[1][7]) is str
    assert cells[1][10] == "FAILED: largest gap of a probability 0.3 > 0.0001"
    assert longer.formatted()[0][5:] == ["2.5 s", "12 s", "0.2 [0.125, 0.333]", "≤ 0.1", "no", "–", "3"]
    assert "Fewer than 5 rounds, a first look only: prediction." in faster.notes


def test_the_page_names_settings_and_machines_once():
    page = speed_markdown([measured(), measured(data="other")])
    machine = "A: Some CPU, 2 threads, OMP_WAIT_POLICY PASSIVE, no GPU, 2 cores; Linux"
    versions = "Python 3.11.9, torch 2.13.0; commit unknown"
    assert page.count(f"{machine}; {versions} (prediction on demo, prediction on other)") == 1
    assert "- prediction, other, machine A: rounds 3\n" in page
    assert "highest load average during a work: 1.2" in page


def test_machines_stand_apart_and_the_one_with_most_works_comes_first():
    git = {"commit": "0123456789abcdef", "modified": True}
    other = replace(measured(), environment=MACHINE | {"processor": "Other CPU", "git": git})
    found = [other, measured(), measured(data="other")]
    assert [row[2] for row in speed_tables(found)[0].formatted()] == ["B", "A", "A"]
    page = speed_markdown(found)
    assert "- B: Other CPU, 2 threads, OMP_WAIT_POLICY PASSIVE, no GPU, 2 cores;" in page
    assert "commit 0123456789ab+ (prediction on demo)" in page


def test_records_come_back_and_all_files_are_the_same_byte_for_byte(tmp_path):
    found = [
        measured(checks=[Check("gap", 0.0, 1.0)]),
        measured("more_megabytes", work="memory", aim=150.0, unit="MB"),
        measured("not_worse", work="quality", aim=None, rounds=((0.7, 0.7), (0.6, 0.7))),
    ]
    written = []
    for name in ("a", "b"):
        path = write_measured(tmp_path / name / "speed.json", found)
        again = read_measured(path)
        assert again == found
        picture = draw_speed(again, tmp_path / name / "speed.png")
        written.append((path.read_bytes(), speed_markdown(again), picture.read_bytes()))
    assert written[0] == written[1]
    assert draw_speed(found[2:], tmp_path / "none.png") is None and not (tmp_path / "none.png").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("nothing", "is no JSON. Run the command without --from-records."),
        ("{}", "must have the key 'measured' with a list."),
        ('{"measured": [{"work": "x"}]}', "entry 0: must have the keys work, data, ours,"),
    ],
)
def test_damaged_records_are_one_message(content, message, tmp_path):
    (tmp_path / "speed.json").write_text(content)
    with pytest.raises(DataError) as raised:
        read_measured(tmp_path / "speed.json")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "faster"}, "kind: 'faster' is none of times_faster, times_as_long,"),
        ({"rounds": []}, "rounds: is empty."),
        ({"rounds": [{"ours": {"value": 1}}]}, "rounds or checks have other keys ('theirs')."),
    ],
)
def test_damaged_entries_are_named(change, message, tmp_path):
    path = write_measured(tmp_path / "speed.json", [measured()])
    content = json.loads(path.read_text())
    content["measured"][0] |= change
    path.write_text(json.dumps(content))
    with pytest.raises(DataError) as raised:
        read_measured(path)
    assert message in str(raised.value)


def test_the_committed_page_is_that_of_the_committed_records():
    tables = Path(__file__).resolve().parents[2] / "experiments" / "tables"
    assert (tables / "speed.md").read_text(encoding="utf-8") == speed_markdown(read_measured(tables / "speed.json"))
