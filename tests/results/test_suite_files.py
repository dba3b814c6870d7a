"""The files of a suite's tables: what they show, why cells are missing, escaping, the same bytes from any order."""

import csv
import dataclasses
import io
import random
import re
from pathlib import Path
from typing import Any

import lxml.html
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.config.comparison import read_comparison
from mhclf.config.published import (
    Footnote,
    PublishedNumber,
    PublishedSource,
    PublishedTest,
    published_numbers,
)
from mhclf.config.suite import GridConfig, SuiteConfig, read_suite
from mhclf.evaluation import holm, paired_correctness
from mhclf.results.generated import SYSTEM_ENCODER
from mhclf.results.suite import SuiteRecords, SuiteRun, SuiteSummary, read_suite_records
from mhclf.results.suite import TestRows as Rows
from mhclf.results.suite_content import suite_content
from mhclf.results.suite_figures import cliques, ranked
from mhclf.results.suite_files import write_suite_tables
from mhclf.results.suite_latex import content_latex, shown_metrics
from mhclf.results.suite_lines import suite_lines
from mhclf.results.suite_table import suite_markdown
from mhclf.results.tables import Column, Table, to_latex, to_longtable

EXPERIMENTS = Path(__file__).resolve().parents[2] / "experiments"
METHODS = ("tfidf_lr", "finetune", "supcon")
ROWS = 40


def made(datasets: tuple[str, ...] = ("one", "two"), seeds: tuple[int, ...] = (1, 2)) -> SuiteRecords:
    """Return records of a suite that ran through; each method is better than the one before it."""
    rows, runs, summaries = [], [], []
    for place, dataset in enumerate(datasets):
        rows.append(
            Rows(
                dataset, f"{dataset}hash0123456789", "multiclass", 2, tuple(f"{dataset}{k:011x}" for k in range(ROWS)),
                tuple(k // 2 for k in range(ROWS)), ("macro_f1", "accuracy", "ece"), {"train": 80, "test": ROWS},
            )
        )  # fmt: skip
        for number, method in enumerate(METHODS):
            encoder = "tfidf" if method == "tfidf_lr" else "hub--mini"
            generator = np.random.default_rng([place, number])
            for seed in seeds:
                right = (generator.random(ROWS) < 0.5 + 0.2 * number).astype(int)
                runs.append(
                    SuiteRun(
                        f"{method}-{seed}", dataset, method, encoder, seed, "sound", f"{dataset}hash", "c0ffee1234567",
                        60.0 * seed, ("".join(map(str, right)),), {"accuracy": float(right.mean())},
                    )
                )  # fmt: skip
            for metric, mean in (("macro_f1", 0.5 + 0.1 * number), ("accuracy", 0.55 + 0.1 * number), ("ece", None)):
                spread = None if mean is None else 0.01
                low, high = (None, None) if mean is None else (mean - 0.05, mean + 0.05)
                summaries.append(SuiteSummary(dataset, method, encoder, metric, seeds, mean, low, high, spread, ROWS))
    return SuiteRecords(tuple(rows), tuple(runs), tuple(summaries))


def correctness(records: SuiteRecords, dataset: str) -> dict[str, list[list[int]]]:
    """Return method -> a row for each seed."""
    found: dict[str, list[list[int]]] = {}
    for run in records.runs:
        if run.dataset == dataset:
            found.setdefault(run.method, []).append([int(sign) for sign in run.correct[0]])
    return found


def suite(datasets: tuple[str, ...] = ("one", "two"), seeds: tuple[int, ...] = (1, 2), **changes: Any) -> SuiteConfig:
    return SuiteConfig("tiny", (GridConfig(datasets, METHODS, seeds, ("hub/mini",)),), **changes)


def number(**changes: Any) -> PublishedNumber:
    content: dict[str, Any] = {
        "file": "f", "model": "Famous", "parameters": "", "test": PublishedTest("T", ROWS, "one"), "metric": "f1",
        "averaging": "macro", "value": 0.75, "plus_minus": None, "plus_minus_is": "", "checked": "remembered",
        "source": PublishedSource("Doe (2024)"), "table": "", "note": "", "footnotes": (),
    }  # fmt: skip
    return PublishedNumber(**(content | changes))


def dropped(records: SuiteRecords, *, dataset: str, method: str, seed: int | None = None) -> SuiteRecords:
    """Leave out a run, and with no seed the whole line."""
    return SuiteRecords(
        records.rows,
        tuple(r for r in records.runs if (r.dataset, r.method) != (dataset, method) or seed not in (None, r.seed)),
        tuple(
            s for s in records.summaries if (s.dataset, s.method) != (dataset, method) or seed is not None
        ),
    )  # fmt: skip


def failed(dataset: str, method: str, seed: int, error: str = "ConfigError") -> SuiteRun:
    return SuiteRun("", dataset, method, "hub--mini", seed, "sound", "", "", 0.0, error=error)


def lines_of(markdown: str, dataset: str) -> dict[str, list[str]]:
    """Return method -> cells of a data set's table."""
    part = markdown.split(f"**{dataset}**\n")[1].split("\n**")[0]
    rows = [line.strip("| ").split(" | ") for line in part.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_a_table_shows_means_intervals_sd_and_the_best_in_bold() -> None:
    found = lines_of(suite_markdown(suite(), made(), "make it"), "one")
    assert found["method"][:5] == ["encoder", "seeds", "macro_f1 ↑", "accuracy ↑", "ece ↓"]
    assert found["tfidf_lr"][:2] == ["tfidf", "2"]
    assert found["tfidf_lr"][2:5] == ["0.500 [0.450, 0.550] ± 0.010", "0.550 [0.500, 0.600] ± 0.010", "undefined"]
    assert found["supcon"][2] == "**0.700 [0.650, 0.750] ± 0.010**"
    assert found["finetune"][5:] == ["baseline", "–"]
    records = made()
    right = correctness(records, "one")
    groups = records.rows[0].groups
    compared = [
        paired_correctness(right[method], right["finetune"], groups, n_resamples=2000, test="permutation")
        for method in ("tfidf_lr", "supcon")
    ]
    p = holm([item.p_value for item in compared])
    for method, item, value in zip(("tfidf_lr", "supcon"), compared, p, strict=True):
        assert found[method][5] == f"{item.difference:.3f} [{item.ci_low:.3f}, {item.ci_high:.3f}]"
        assert found[method][6] == f"{value:.3f}" + (r"\*" if value < 0.05 else "")


def test_a_missing_cell_says_why() -> None:
    records = dropped(made(), dataset="one", method="supcon")
    records = dropped(records, dataset="two", method="finetune", seed=2)
    records = dataclasses.replace(records, runs=(*records.runs, failed("two", "finetune", 2)))
    page = suite_markdown(suite(), records, "make it")
    assert lines_of(page, "one")["supcon"] == ["hub--mini", "0 of 2", *["not run"] * 3, "–", "–"]
    assert lines_of(page, "two")["finetune"][1] == "1 of 2"
    assert "- finetune (hub--mini): seed 2 failed: ConfigError." in page
    assert "- failed: two, finetune (hub--mini), seed 2: ConfigError" in page
    both = dataclasses.replace(records, runs=(*records.runs, failed("one", "supcon", 1), failed("one", "supcon", 2)))
    assert lines_of(suite_markdown(suite(), both, "m"), "one")["supcon"][2] == "failed: ConfigError"
    mixed = dataclasses.replace(records, runs=(*records.runs, failed("one", "supcon", 2, "Killed")))
    assert lines_of(suite_markdown(suite(), mixed, "m"), "one")["supcon"][2] == "not run; failed: Killed"
    unknown = dataclasses.replace(made(), summaries=tuple(s for s in made().summaries if s.metric != "accuracy"))
    assert lines_of(suite_markdown(suite(), unknown, "m"), "one")["supcon"][3] == "not recorded"


def test_data_sets_without_rows_are_named_with_the_reason() -> None:
    records = SuiteRecords((), (failed("two", "finetune", 1),), ())
    assert "Not run yet: one, two (failed: ConfigError)." in suite_markdown(suite(), records, "make it")


def test_no_seed_in_common_with_the_baseline() -> None:
    records = dropped(dropped(made(), dataset="one", method="supcon", seed=1), dataset="one", method="finetune", seed=2)
    assert lines_of(suite_markdown(suite(), records, "m"), "one")["supcon"][5:] == ["no seed in common", "–"]


def test_the_linear_baseline_stands_once_beside_several_encoders() -> None:
    grids = (
        GridConfig(("one",), ("finetune",), (1, 2), ("hub/mini",)),
        GridConfig(("one",), ("tfidf_lr", "supcon"), (1, 2), ("other",)),
    )
    page = suite_markdown(SuiteConfig("tiny", grids), made(("one",)), "m")
    assert page.count("| tfidf_lr |") == 1


def test_holm_corrects_over_the_tests_that_the_table_shows() -> None:
    first = made(("one",))
    again = [
        dataclasses.replace(run, run=f"{run.run}-big", encoder="hub--big")
        for run in first.runs
        if run.encoder != "tfidf"
    ]
    records = dataclasses.replace(first, runs=(*first.runs, *again))
    planned = SuiteConfig("tiny", (GridConfig(("one",), METHODS, (1, 2), ("hub/mini", "hub/big")),))
    lines = suite_lines(planned, records, records.rows[0], "one")
    assert [line.method for line in lines].count("tfidf_lr") == 1
    shown = [line.comparisons["finetune"] for line in lines if "finetune" in line.comparisons]
    assert len(shown) == 3
    assert [p for _, p in shown] == holm([comparison.p_value for comparison, _ in shown]).tolist()


def test_a_comparable_published_number_stands_below_ours_and_another_apart() -> None:
    numbers = [
        number(),
        number(model="Leaky", footnotes=(Footnote("It leaks.", True),)),
        number(model="Elsewhere", test=PublishedTest("T", 9, "three")),
    ]
    page = suite_markdown(suite(), made(), "m", numbers)
    found = lines_of(page, "one")
    assert list(found)[-1] == "Famous"
    assert found["Famous"] == ["published [1]", "–", "0.750†", "–", "–", "–", "–"]
    assert "- [1] Doe (2024)\n- † remembered, not looked up." in page
    assert "Famous" not in lines_of(page, "two")
    apart = page.split("## Published, not comparable")[1]
    assert "| T (n = 40) | known defect | macro_f1: Leaky = 0.750† |" in apart and "- Leaky: It leaks." in apart
    assert "Elsewhere" not in page
    assert "**0.700 [0.650, 0.750] ± 0.010**" in page, "the best is the best of ours"
    assert "A published number stands in a table only where" in page
    assert "published" not in suite_markdown(suite(), made(), "m")


def test_csv_holds_every_number_at_full_precision(tmp_path: Path) -> None:
    numbers = [
        number(),
        number(
            model="Leaky", footnotes=(Footnote("It leaks.", True),), note="by hand", plus_minus=0.01, plus_minus_is="sd"
        ),
    ]
    write_suite_tables(tmp_path, suite(), dropped(made(), dataset="two", method="supcon"), numbers, "m")
    found = list(csv.DictReader(io.StringIO((tmp_path / "tiny.csv").read_text())))
    ours = [row for row in found if row["kind"] == "ours"]
    assert len(ours) == 2 * 3 * 3
    first = next(
        row for row in ours if (row["data set"], row["method"], row["metric"]) == ("one", "supcon", "accuracy")
    )
    assert float(first["mean"]) == 0.55 + 0.1 * 2 and first["best"] == "best" and first["seeds"] == "1 2"
    right = correctness(made(), "one")
    expected = float(np.mean(right["supcon"]) - np.mean(right["finetune"]))
    assert float(first["accuracy difference from finetune"]) == round(expected, 6)
    absent = next(row for row in ours if (row["data set"], row["method"]) == ("two", "supcon"))
    assert (absent["mean"], absent["missing"]) == ("", "seed 1 not run; seed 2 not run")
    beside, apart = [row for row in found if row["kind"].startswith("published")]
    keys = ("method", "mean", "checked", "source")
    assert [beside[key] for key in keys] == ["Famous", "0.75", "remembered", "Doe (2024)"]
    assert (apart["kind"], apart["why not comparable"], apart["remarks"]) == (
        "published, apart",
        "known defect",
        "It leaks. by hand ± 0.01 sd",
    )


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_same_bytes_from_any_order_and_after_other_times(tmp_path: Path) -> None:
    records = dataclasses.replace(
        made(), runs=(*made().runs, failed("one", "supcon", 3), failed("one", "finetune", 3, "Killed"))
    )
    write_suite_tables(tmp_path / "a", suite(), records, [number()], "m")
    generator = random.Random(0)
    parts = (records.rows, records.runs, records.summaries)
    shuffled = SuiteRecords(*(tuple(generator.sample(part, len(part))) for part in parts))
    slower = dataclasses.replace(
        shuffled, runs=tuple(dataclasses.replace(run, seconds=run.seconds * 3) for run in shuffled.runs)
    )
    written = write_suite_tables(tmp_path / "b", suite(), slower, [number()], "m")
    assert [path.name for path in written] == ["tiny.md", "tiny.tex", "tiny.csv", "tiny.html", "tiny.png"]
    assert files(tmp_path / "a") == files(tmp_path / "b")
    write_suite_tables(tmp_path / "b", suite(), slower, [number()], "m")
    assert files(tmp_path / "a") == files(tmp_path / "b"), "written twice"


def test_nothing_that_ran_has_no_picture(tmp_path: Path) -> None:
    write_suite_tables(tmp_path, suite(), made(), [], "m")
    assert (tmp_path / "tiny.png").is_file()
    written = write_suite_tables(tmp_path, suite(), SuiteRecords((), (), ()), [], "m")
    assert [path.name for path in written] == ["tiny.md", "tiny.tex", "tiny.csv", "tiny.html"]
    assert sorted(files(tmp_path)) == ["tiny.csv", "tiny.html", "tiny.md", "tiny.tex"]


def test_mean_ranks_are_drawn_from_five_data_sets_on(tmp_path: Path) -> None:
    five = tuple("abcde")
    content = suite_content(suite(five), made(five), (), "m")
    names, count, found = ranked(content.scores) or ([], 0, None)
    assert (names, count) == (list(METHODS), 5)
    assert found is not None and found.ranks.tolist() == [3, 2, 1]
    assert ranked(content.scores[:4]) is None
    written = write_suite_tables(tmp_path, suite(five), made(five), [], "m")
    assert written[-1].name == "tiny.ranks.png"
    rows = tuple(dataclasses.replace(item, ids=content.scores[0].rows.ids) for item in content.records.rows[1:])
    cuts = dataclasses.replace(content.records, rows=(content.records.rows[0], *rows))
    assert ranked(suite_content(suite(five), cuts, (), "m").scores) is None, "cuts of one set are no five sets"
    lacking = dropped(made(five), dataset="c", method="supcon")
    assert ranked(suite_content(suite(five), lacking, (), "m").scores) is None, "two methods are left"


@pytest.mark.parametrize(
    ("ranks", "difference", "groups"),
    [
        ([1.0, 2.0, 3.0], 0.5, []),
        ([1.0, 1.4, 3.0], 0.5, [(0, 1)]),
        ([1.0, 2.0, 3.0], 1.5, [(0, 1), (1, 2)]),
        ([1.0, 2.0, 3.0], 5.0, [(0, 2)]),
        ([1.0, 1.5, 2.0], 0.5, []),
    ],
)
def test_bars_join_ranks_that_are_nearer_than_the_critical_difference(
    ranks: list[float], difference: float, groups: list[tuple[int, int]]
) -> None:
    assert cliques(ranks, difference) == groups


def check_latex(text: str) -> int:
    """Check environments, braces, specials and the cells of each row; return the number of tables."""
    body = "\n".join(line for line in text.splitlines() if not line.startswith("%"))
    stack: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+)\}", body):
        if kind == "begin":
            stack.append(name)
        else:
            assert stack.pop() == name
    assert not stack
    bare = re.sub(r"\\[\\{}&%$#_]", "", body)
    depth = 0
    for sign in bare:
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    assert "#" not in bare and "^" not in bare and "~" not in bare
    assert not re.search(r"(?<!\$)_", bare)
    assert bare.count("$") % 2 == 0
    assert set(re.findall(r"(?<!\\)%.*", bare)) <= {"%"}, "only the one that ends the line before a tabular"
    tables = re.findall(
        r"\\begin\{(?:tabular|longtable)\}\{([^\n]*)\}\n(.*?)\\end\{(?:tabular|longtable)\}", body, re.DOTALL
    )
    for columns, inner in tables:
        count = len(re.sub(r">\{.*?\\arraybackslash\}p\{[^}]*\}", "p", columns))
        rows = [line for line in inner.splitlines() if line.endswith(r"\\") and not line.startswith(r"\caption")]
        assert rows
        for row in rows:
            assert len(re.findall(r"(?<!\\)&", row)) == count - 1, row
            assert not row.startswith(("[", "*"))
    assert all(ord(sign) < 128 or sign in "éüöäßñ" for sign in bare), {sign for sign in bare if ord(sign) > 127}
    return len(tables)


HOSTILE = r"a & b_c % $x$ #1 {y} \input{z} ~ ^ <i> | [2] † § ¶ ‡ ±"


def test_latex_is_sound_and_escaped() -> None:
    numbers = [
        number(model=HOSTILE, source=PublishedSource(HOSTILE)),
        number(model="[2] B", footnotes=(Footnote(HOSTILE, True),), note=HOSTILE),
        number(model="*", metric="accuracy", averaging="none"),
    ]
    text = content_latex(suite_content(suite(title=f"% {HOSTILE}\nnew line"), made(), numbers, "m"))
    assert check_latex(text) == 3
    assert r"\usepackage{array,booktabs,graphicx,longtable}" in text
    assert r"\textbf{0.700 [0.650, 0.750]}" in text
    assert r"0.750\dag{}" in text
    body = "".join(line for line in text.splitlines() if not line.startswith("%"))
    assert r"\input" not in body and r"\textbackslash{}input" in body


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(st.characters(max_codepoint=126), max_size=30), min_size=6, max_size=6))
def test_latex_of_any_text_has_as_many_cells_as_columns(cells: list[str]) -> None:
    table = Table(cells[0], (Column(cells[1], width=0.4), Column(cells[2])), ((cells[3], cells[4]),), (cells[5],))
    assert check_latex(to_latex(table, fit=True)) == 1
    assert check_latex(to_longtable(table, "tab:x")) == 1


@pytest.mark.parametrize(
    ("metrics", "published", "shown"),
    [
        ("abcdef", "", "abc"),
        ("abcdef", "f", "abf"),
        ("abcdef", "ffe", "aef"),
        ("abcdef", "bcdeff", "abcf"),
        ("abcdef", "ax", "abc"),
        ("ab", "", "ab"),
        ("a", "", "a"),
    ],
)
def test_a_paper_shows_the_first_metrics_and_those_that_were_published(
    metrics: str, published: str, shown: str
) -> None:
    names = {letter: f"{letter}_f1" for letter in "abcdefx"}

    class Named:
        def __init__(self, metric: str) -> None:
            self.our_metric = metric

    found = shown_metrics([names[m] for m in metrics], [Named(names[m]) for m in published])  # type: ignore[misc]
    assert found == tuple(names[m] for m in shown)


def test_the_page_is_escaped_and_loads_nothing(tmp_path: Path) -> None:
    hostile = "<script>alert('x')</script>"
    numbers = [number(model=hostile, note=hostile), number(model="B", footnotes=(Footnote(hostile, True),))]
    write_suite_tables(tmp_path, suite(title=hostile, notes=(hostile,)), made(), numbers, hostile)
    text = (tmp_path / "tiny.html").read_text()
    page = lxml.html.fromstring(text)
    assert page.findall(".//script") == []
    assert {image.get("src")[:22] for image in page.iter("img")} == {"data:image/png;base64,"}
    assert page.findtext(".//h1") == hostile
    assert [h.text for h in page.iter("h2")] == ["Picture", "one", "two", "How it was made"]
    bold = {cell.text for cell in page.iter("strong")}
    assert bold == {"0.700 [0.650, 0.750] ± 0.010", "0.750 [0.700, 0.800] ± 0.010"}


def suite_of(name: str) -> SuiteConfig:
    """Return the suite or, as a suite, the comparison whose records are committed under a name."""
    systems = EXPERIMENTS / "suites" / "systems"
    if (systems / f"{name}.yaml").is_file():
        return read_comparison(systems, name).as_suite(SYSTEM_ENCODER)
    return read_suite(EXPERIMENTS / "suites", name)


COMMITTED = pytest.mark.parametrize(
    "name",
    sorted(
        path.stem
        for path in (EXPERIMENTS / "results").glob("*.jsonl")
        # Suites of prompts, and the replay, have records of another form.
        if not (EXPERIMENTS / "suites" / "generation" / path.name).with_suffix(".yaml").is_file()
        and path.stem != "welldunn_replay"
    ),
)


@COMMITTED
def test_committed_tables_are_those_of_the_committed_records(name: str, tmp_path: Path) -> None:
    if (EXPERIMENTS / "suites" / "systems" / f"{name}.yaml").is_file():
        pytest.skip("held to its records in tests/generation/test_committed_tables.py")
    records, command = read_suite_records(EXPERIMENTS / "results" / f"{name}.jsonl"), "python experiments/benchmark.py"
    published = published_numbers(EXPERIMENTS / "published")
    write_suite_tables(tmp_path, suite_of(name), records, published, f"{command} --suite {name}")
    for ending in ("md", "tex", "csv"):
        file = f"{name}.{ending}"
        assert (tmp_path / file).read_bytes() == (EXPERIMENTS / "tables" / file).read_bytes(), file
    drawn = {path.name for path in tmp_path.glob("*.png")}
    assert drawn == {path.name for path in (EXPERIMENTS / "tables").glob(f"{name}*.png")} and f"{name}.png" in drawn


@COMMITTED
def test_committed_records_give_sound_latex_and_no_time(name: str, tmp_path: Path) -> None:
    records, found = read_suite_records(EXPERIMENTS / "results" / f"{name}.jsonl"), suite_of(name)
    content = suite_content(found, records, published_numbers(EXPERIMENTS / "published"), "m")
    blocks = sum(bool(part.apart) for part in content.scores)
    assert check_latex(content_latex(content)) == len(content.scores) + blocks
    assert "minutes a run" not in suite_markdown(found, records, "m")
