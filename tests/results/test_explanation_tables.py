"""Records and tables of rated explanations."""

import json

import pytest

from mhclf.errors import DataError
from mhclf.results.explanation_metrics import (
    explanation_markdown,
    explanation_tables,
    metric_notes,
    read_explanation_records,
    write_explanation_records,
)


def figure(name, value, low, high, part="one", dimension="overall", n=20):
    return {"part": part, "name": name, "dimension": dimension, "value": value, "low": low, "high": high, "n": n}


@pytest.fixture
def records():
    facts = {"title": "System one", "rows": 20, "posts": 20, "systems": 1}
    return {
        "settings": {
            "encoder": "minilm",
            "layer": "layer 6",
            "likelihood": None,
            "likelihood_precision": "fp32",
            "likelihood_cut": 0,
        },
        "parts": {"one": facts, "all": {**facts, "title": "all together", "rows": 40, "systems": 2}},
        "references": {"silver": "by a machine (5)"},
        "raters": [figure("mean", 2.5, 2.25, 2.75), figure("icc_c1", None, None, None)],
        "metrics": [
            figure("words", 0.5, 0.1, 0.7),
            figure("words", 0.2, -0.1, 0.4, dimension="fluency", n=18),
            figure("bleu", -0.3, -0.5, -0.1),
            figure("chrf", 0.1, -0.2, 0.3),
            figure("words", 0.8, 0.7, 0.9, part="all", n=40),
        ],
        "length_held": [figure("bleu", -0.25, -0.4, -0.05), figure("chrf", 0.0, -0.2, 0.2)],
    }


def test_tables(records):
    raters, together, one = explanation_tables(records)
    assert [row[:5] for row in raters.rows][3] == ("System one", "overall", 20, "2.50 [2.25, 2.75]", None)
    assert raters.rows[3][5] == "\u2013", "undefined"
    assert [column.name for column in one.columns][2:] == [
        "fluency", "completeness", "reliability", "overall", "overall, length held",
    ]  # fmt: skip
    assert one.rows == (
        ("words", 20, "0.20 [-0.10, 0.40]", None, None, "0.50 [0.10, 0.70]", None),
        ("bleu", 20, None, None, None, "-0.30 [-0.50, -0.10]", "-0.25 [-0.40, -0.05]"),
        ("chrf", 20, None, None, None, "0.10 [-0.20, 0.30]", "0.00 [-0.20, 0.20]"),
    )
    assert one.notes == (
        "With the overall rating, the interval of 2 of 3 metrics leaves out 0: words +0.50, bleu -0.30.",
        "With the length held, the interval of 1 of 2 metrics leaves out 0: bleu -0.25.",
    )
    assert together.title == "Spearman correlation with the mean rating: all together (40 explanations)"
    assert together.notes[1] == "With the length held, the interval of 0 of 0 metrics leaves out 0."
    assert together.notes[2].startswith("Over 2 files at once a metric scores by telling the files apart")


def test_page(records):
    page = explanation_markdown(records, "python x.py")
    assert page.startswith("# Metrics of explanations against people\n\nMade by `python x.py` from the rated")
    assert "| words | 20 | 0.20 [-0.10, 0.40] | \u2013 | \u2013 | **0.50 [0.10, 0.70]** | \u2013 |" in page
    assert "Likelihoods were not asked for" in page
    records["settings"] |= {"likelihood": "smollm2", "likelihood_cut": 7}
    assert any(
        "by smollm2 in fp32, of the text" in note and "7 conditions were cut" in note for note in metric_notes(records)
    )


def test_a_judge_has_a_table_and_a_note(records):
    settings = {
        "name": "judge_dual", "model": "m", "mechanism": "dual", "rubric": "mine", "how": "m twice",
        "options": "--judge",
    }  # fmt: skip
    figures = [
        figure("unread", 0.25, 0.1, 0.4),
        figure("bias", 0.5, 0.25, 0.75, n=15),
        figure("icc_a1", None, None, None, n=15),
    ]
    records["judge"] = {"settings": settings, "figures": figures}
    _, table, *_ = explanation_tables(records)
    assert table.title == "How a judge agrees with the mean of three people: m, dual"
    assert [column.name for column in table.columns][3:] == [
        "unread", "mean score", "Spearman", "ICC(C,1)", "ICC(A,1)", "bias", "kappa, quadratic",
    ]  # fmt: skip
    assert table.rows[0] == (
        "System one", "overall", 20, "0.25 [0.10, 0.40]", None, None, None, "\u2013", "0.50 [0.25, 0.75]", None,
    )  # fmt: skip
    assert table.notes[0].startswith("Rubric mine; m twice. Explanations whose score could not be read are counted")
    assert "judge_dual: m twice, by the rubric mine." in metric_notes(records)


def test_a_judge_comes_back_and_a_broken_one_is_refused(records, tmp_path):
    records["judge"] = {"settings": {}, "figures": [figure("bias", 0.5, None, None)]}
    path = write_explanation_records(tmp_path / "a.json", records)
    assert read_explanation_records(path) == records
    records["judge"]["figures"][0].pop("n")
    write_explanation_records(path, records)
    with pytest.raises(DataError, match="judge, entry 0: must have the keys part, name"):
        read_explanation_records(path)
    records["judge"] = []
    write_explanation_records(path, records)
    with pytest.raises(DataError, match="judge: must have the keys settings, figures"):
        read_explanation_records(path)


def test_records_come_back_and_wrong_ones_are_refused(records, tmp_path):
    path = write_explanation_records(tmp_path / "a.json", records)
    assert read_explanation_records(path) == records

    def refused(content):
        path.write_text(content)
        with pytest.raises(DataError) as error:
            read_explanation_records(path)
        return str(error.value).removeprefix(str(path))

    again = "Run the command without --from-records."
    assert refused("{") == f": is no JSON. {again}"
    assert refused("[]").endswith(f"length_held. {again}")
    records["metrics"][1].pop("low")
    assert refused(json.dumps(records)) == (
        ", metrics, entry 1: must have the keys part, name, dimension, value, low, high, n."
    )
    path.unlink()
    with pytest.raises(DataError, match="cannot be read"):
        read_explanation_records(path)
