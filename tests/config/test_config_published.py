"""Published numbers: the schema, and the files that stand in experiments/published."""

from pathlib import Path

import pytest

from mhclf.config.published import (
    CHECKED,
    RANGES,
    Footnote,
    PublishedConfig,
    PublishedSource,
    PublishedTest,
    read_published,
)
from mhclf.errors import ConfigError

REPOSITORY = Path(__file__).resolve().parents[2]
FOLDER = REPOSITORY / "experiments" / "published"
DATASETS = {path.stem for path in (REPOSITORY / "datasets_cfg").glob("*.yaml") if not path.stem.startswith("_")}
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml"))

HEAD = """
name: paper
title: "A paper"
scale: percent
sources: {paper: {citation: "A (2024)", arxiv: "1"}, other: {citation: "B"}}
tests: {one: {title: "One", n: 9, dataset: dreaddit}, two: {title: "Two", near: {sdcnl: "other posts"}}}
footnotes: {leak: {text: "leaks", apart: true}}
"""


def write(folder, lines, name="paper"):
    (folder / f"{name}.yaml").write_text(f"{HEAD}lines:\n  - {{{lines}}}\n")
    return folder


def test_a_line_becomes_one_number_for_each_test(tmp_path):
    write(
        tmp_path,
        "model: M, parameters: 7B, metric: f1, averaging: weighted, checked: remembered, values: {one: 81.76, two: 5}, "
        "plus_minus: {one: 0.6}, plus_minus_is: sd, footnotes: [leak], source: other, table: T1",
    )
    first, second = read_published(tmp_path)[0].numbers()
    assert (first.file, first.model, first.parameters, first.test.dataset) == ("paper", "M", "7B", "dreaddit")
    assert (first.value, first.plus_minus, first.plus_minus_is) == (0.8176, 0.006, "sd")
    assert (second.value, second.plus_minus, second.plus_minus_is) == (0.05, None, "")
    assert (first.our_metric, first.checked, first.table) == ("weighted_f1", "remembered", "T1")
    assert first.source == PublishedSource("B") and first.footnotes == (Footnote("leaks", True),)


@pytest.mark.parametrize(
    ("source", "reference"),
    [
        (PublishedSource("A", "1", "2", "u"), "A, arXiv:1"),
        (PublishedSource("A", doi="2", url="u"), "A, doi:2"),
        (PublishedSource("A", url="u"), "A, u"),
        (PublishedSource("A"), "A"),
    ],
)
def test_a_reference_names_one_address(source, reference):
    assert source.reference == reference


@pytest.mark.parametrize(
    ("metric", "averaging", "ours"),
    [
        ("accuracy", "none", "accuracy"),
        ("f1", "macro", "macro_f1"),
        ("f1", "micro", "micro_f1"),
        ("f1", "positive", "positive_f1"),
        ("f1", "unnamed", None),
        ("recall", "macro", "macro_recall"),
    ],
)
def test_our_name_of_a_metric(tmp_path, metric, averaging, ours):
    write(tmp_path, f"model: M, metric: {metric}, averaging: {averaging}, checked: verified, values: {{one: 5}}")
    assert read_published(tmp_path)[0].numbers()[0].our_metric == ours


def test_ranks_and_errors_have_no_scale(tmp_path):
    write(tmp_path, "model: M, metric: mae, checked: verified, values: {one: 1.5}")
    assert read_published(tmp_path)[0].numbers()[0].value == 1.5


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("model: M, metric: f2, averaging: macro, checked: verified, values: {one: 1}",
         f"lines[0] (M): metric: 'f2' is none of ours. Did you mean 'f1'? Known: {', '.join(RANGES)}."),
        ("model: M, metric: f1, checked: verified, values: {one: 1}",
         "lines[0] (M): averaging: f1 needs one ('unnamed' if the source does not say)."),
        ("model: M, metric: mcc, averaging: macro, checked: verified, values: {one: 1}",
         "lines[0] (M): averaging: mcc has none."),
        ("model: M, metric: mcc, checked: sure, values: {one: 1}",
         "lines[0]: checked: 'sure' is not one of verified, secondhand, remembered, recomputed, derived."),
        ("model: M, metric: mcc, checked: verified, values: {}", "lines[0] (M): values: give one or more."),
        ("model: M, metric: mcc, checked: verified, values: {tow: 1}",
         "lines[0] (M): values: 'tow' is not described. Did you mean 'two'?"),
        ("model: M, metric: mcc, checked: verified, values: {one: 1}, source: othr",
         "lines[0] (M): source: 'othr' is not described. Did you mean 'other'?"),
        ("model: M, metric: mcc, checked: verified, values: {one: 1}, footnotes: [lek]",
         "lines[0] (M): footnotes: 'lek' is not described. Did you mean 'leak'?"),
        ("model: M, metric: accuracy, checked: verified, values: {one: 101}",
         "lines[0] (M): values: one: 101 is no accuracy in percent."),
        ("model: M, metric: accuracy, checked: verified, values: {one: -1}",
         "lines[0] (M): values: one: -1 is no accuracy in percent."),
        ("model: M, metric: mcc, checked: verified, values: {one: -101}",
         "lines[0] (M): values: one: -101 is no mcc in percent."),
        ("model: M, metric: mcc, checked: verified, values: {one: 1}, plus_minus: {two: 1}, plus_minus_is: sd",
         "lines[0] (M): plus_minus: 'two' has no value. Known: one."),
        ("model: M, metric: mcc, checked: verified, values: {one: 1}, plus_minus: {one: 1}",
         "lines[0] (M): plus_minus: give the numbers and, in plus_minus_is, what they are."),
        ("model: M, metric: mcc, checked: verified, valeus: {one: 1}",
         "lines[0]: unknown key 'valeus'. Did you mean 'values'?"),
    ],
)  # fmt: skip
def test_a_wrong_line_is_named(tmp_path, line, message):
    with pytest.raises(ConfigError) as error:
        read_published(write(tmp_path, line))
    assert str(error.value).startswith(f"{tmp_path / 'paper.yaml'}: {message}")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 0, "dataset": "a"}, "n: is 0, expected 1 row or more."),
        ({}, "give 'dataset' or 'near', or say in 'note' why no data set here comes near."),
        ({"dataset": "a", "near": {"a": "why"}}, "near: 'a' is the data set itself. Leave it out."),
    ],
)
def test_a_test_that_does_not_fit(values, message):
    with pytest.raises(ConfigError) as error:
        PublishedConfig(
            "a", "", "share", {"a": PublishedSource("A")}, {"t": PublishedTest("T", **values)}, notes=("-",)
        )
    assert str(error.value) == f"tests: t: {message}"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": {}}, "sources: give one or more."),
        ({}, "lines: is empty; say in 'notes' why there are no numbers."),
    ],
)
def test_a_file_that_does_not_fit(values, message):
    with pytest.raises(ConfigError) as error:
        PublishedConfig(
            **({"name": "a", "title": "", "scale": "share", "sources": {"a": PublishedSource("A")}} | values)
        )
    assert str(error.value) == message


def test_a_file_has_its_own_name_and_a_folder_exists(tmp_path):
    path = write(tmp_path, "model: M, metric: mcc, checked: verified, values: {one: 1}", "other") / "other.yaml"
    with pytest.raises(ConfigError) as error:
        read_published(tmp_path)
    assert str(error.value) == f"{path}: name: is 'paper', expected 'other' as in the file name."
    with pytest.raises(ConfigError) as error:
        read_published(tmp_path / "none")
    assert str(error.value) == f"{tmp_path / 'none'}: is no folder of published numbers."


@pytest.fixture(scope="module")
def files():
    return {content.name: content for content in read_published(FOLDER)}


@pytest.mark.parametrize("name", NAMES)
def test_our_files_name_known_data_sets_and_a_source(files, name):
    content = files[name]
    for test in content.tests.values():
        named = {*([test.dataset] if test.dataset else []), *test.near}
        assert named <= DATASETS, f"{test.title}: {named - DATASETS}"
        assert all(test.near.values()), test.title
    for number in content.numbers():
        assert number.source.citation and number.checked in CHECKED
    used = {line.source for line in content.lines} | {next(iter(content.sources))}
    assert used - {""} == set(content.sources), "a source without a number"
    assert {test for line in content.lines for test in line.values} == set(content.tests), "a test without a number"
    assert {note for line in content.lines for note in line.footnotes} == set(content.footnotes)


@pytest.mark.parametrize("name", NAMES)
def test_no_cell_of_our_files_stands_twice(files, name):
    seen = [
        (n.model, n.parameters, n.test.title, n.metric, n.averaging, n.source.citation) for n in files[name].numbers()
    ]
    assert len(set(seen)) == len(seen), [cell for cell in seen if seen.count(cell) > 1]


def test_cells_that_the_papers_are_cited_for(files):
    def value(file, model, title, metric="f1"):
        (found,) = [
            n for n in files[file].numbers() if (n.model, n.test.title, n.metric) == (model, title, metric)
        ]  # fmt: skip
        return found.value, found.checked

    assert value("imhi", "MentalRoBERTa", "IMHI Dreaddit") == (0.8176, "secondhand")
    assert value("imhi", "BART-large, completion", "IMHI MultiWD, one question a dimension") == (0.772, "remembered")
    assert value("lara", "layer-attentive residuals + contrastive loss", "SWMH, five classes") == (0.7436, "verified")
    assert value("mental_llm", "Mental-Alpaca", "SDCNL", "balanced_accuracy") == (0.724, "verified")
    assert value("menta", "Menta", "SDCNL", "balanced_accuracy") == (0.61, "verified")
