"""The section on confusable pairs of a suite: differences by hand, what is chosen, records without pairs."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from mhclf.config.suite import GridConfig, SuiteConfig
from mhclf.results.suite import SuiteRecords, SuiteRun, read_suite_records, write_suite_records
from mhclf.results.suite_pairs import counted, pair_changes, pairs_section, pairs_table, twins

METHODS = ("finetune", "supcon", "layer_attentive", "lara_supcon")
SUITE = SuiteConfig("tiny", (GridConfig(("tiny", "other"), METHODS, (1, 2), ("hub/mini",)),))


def cell(method: str, seed: int, *pairs: tuple[Any, ...], dataset: str = "tiny", error: str = "") -> SuiteRun:
    """Return a run; a pair is first, second, margin, confusion, n."""
    content = tuple(dict(zip(("first", "second", "margin", "confusion", "n"), pair, strict=True)) for pair in pairs)
    return SuiteRun("run", dataset, method, "hub--mini", seed, "sound", "hash", "", 1.0, error=error, pairs=content)


def records(*runs: SuiteRun) -> SuiteRecords:
    return SuiteRecords((), runs, ())


TWO_SEEDS = records(
    cell("finetune", 1, ("a", "b", 1.0, 0.40, 9), ("a", "c", None, 0.10, 5), ("b", "c", 2.0, None, 0)),
    cell("finetune", 2, ("a", "b", 1.2, 0.20, 9), ("a", "c", None, 0.30, 5), ("b", "c", 2.0, None, 0)),
    cell("finetune", 3, ("a", "b", 9.0, 0.90, 9)),
    cell("supcon", 2, ("a", "c", None, 0.20, 5), ("a", "b", 1.8, 0.10, 9), ("b", "c", 2.0, None, 0)),
    cell("supcon", 1, ("a", "c", None, 0.40, 5), ("a", "b", 2.0, 0.20, 9), ("b", "c", 2.0, None, 0)),
)


def test_differences_are_paired_by_seed() -> None:
    first, second = pair_changes(SUITE, TWO_SEEDS)
    assert (first.first, first.second, first.seeds) == ("a", "b", (1, 2))
    assert first.margin.tolist() == [[1.0, 2.0], [1.2, 1.8]]
    assert first.confusion.tolist() == [[0.4, 0.2], [0.2, 0.1]]
    assert (second.first, second.second) == ("a", "c")
    table = pairs_table([first, second]).formatted()
    methods = "supcon vs finetune (hub--mini)"
    # Margins +1.0 and +0.6, confusions -0.2 and -0.1; a/c has no margin, and +0.3 and -0.1.
    assert table == [
        ["tiny", "a / b", methods, "2", "1.10", "1.90", "0.80 ± 0.28", "0.300", "0.150", "-0.150 ± 0.071"],
        ["tiny", "a / c", methods, "2", "–", "–", "–", "0.200", "0.300", "0.100 ± 0.283"],
    ]
    assert counted(SUITE, [first, second])[0] == (
        "supcon vs finetune, all pairs: the mean margin is wider with the loss in 1 of 1, the mean confusion is lower "
        "in 1 and higher in 1 of 2; wider and less confused at once: 1."
    )


def test_six_pairs_of_a_data_set_and_both_twins() -> None:
    pairs = [("a", f"k{number}", 1.0, number / 10, 9) for number in range(8)]
    found = records(
        *(cell(method, 1, *pairs) for method in METHODS), *(cell(m, 1, *pairs[:1], dataset="other") for m in METHODS)
    )
    table = pairs_table(pair_changes(SUITE, found))
    assert [row[1] for row in table.rows[:4]] == ["a / k7", "a / k7", "a / k6", "a / k6"]
    assert [row[0] for row in table.rows] == ["tiny"] * 12 + ["other"] * 2
    assert table.rows[0][6] == "0.00", "one seed has no sd"


@pytest.mark.parametrize(
    "runs",
    [
        [cell("finetune", 1, ("a", "b", 1.0, 0.4, 9)), cell("supcon", 2, ("a", "b", 1.0, 0.4, 9))],
        [cell("finetune", 1, ("a", "b", 1.0, 0.4, 9)), cell("supcon", 1)],
        [cell("finetune", 1, ("a", "b", 1.0, 0.4, 9)), cell("lara_supcon", 1, ("a", "b", 1.0, 0.4, 9))],
        [],
    ],
)  # fmt: skip
def test_without_twins_at_the_same_seeds_there_is_no_section(runs: list[SuiteRun]) -> None:
    assert pairs_section(SUITE, records(*runs)) == ""


def test_the_section_is_sober_and_escapes_labels() -> None:
    odd = [("a|b", "*c*", 1.0, 0.4, 9)]
    section = pairs_section(SUITE, records(cell("finetune", 1, *odd), cell("supcon", 1, *odd)))
    assert section.startswith("## Confusable pairs\n\nFor each pair of classes")
    assert r"a\|b / \*c\*" in section
    assert "No test is made here" in section


def test_records_come_back_and_older_ones_have_no_pairs(tmp_path: Path) -> None:
    path = write_suite_records(tmp_path / "tiny.jsonl", TWO_SEEDS)
    assert pairs_section(SUITE, read_suite_records(path)) == pairs_section(SUITE, TWO_SEEDS) != ""
    older = dataclasses.asdict(cell("finetune", 1)) | {"kind": "run"}
    del older["pairs"]
    path.write_text(json.dumps(older) + "\n", encoding="utf-8")
    assert read_suite_records(path).runs == (cell("finetune", 1),)


def test_variants_that_differ_by_the_loss_alone_are_twins() -> None:
    variants: dict[str, dict[str, Any]] = {
        "mix": {"method": "layer_attentive", "model": {"aggregation": "scalar_mix"}},
        "mix with": {"method": "lara_supcon", "model": {"aggregation": "scalar_mix"}},
        "hotter": {"method": "lara_supcon", "contrastive": {"temperature": 0.2}},
    }
    grid = GridConfig(("tiny",), (*METHODS, *variants), (1,), ("hub/mini",))
    suite = SuiteConfig("tiny", (grid,), variants=variants)
    assert twins(suite) == [("finetune", "supcon"), ("layer_attentive", "lara_supcon"), ("mix", "mix with")]
    changed = pair_changes(suite, records(*(cell(m, 1, ("a", "b", 1.0, 0.1, 9)) for m in ("mix", "mix with"))))
    assert [(item.plain, item.contrastive) for item in changed] == [("mix", "mix with")]
