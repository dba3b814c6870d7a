"""The checks of a data set's settings."""

import pytest

from mhclf.config.dataset import DatasetConfig
from mhclf.config.structure import from_mapping
from mhclf.errors import ConfigError

BASE = {
    "name": "small",
    "task": "multiclass",
    "labels": ["calm", "tense"],
    "source": {"files": "rows.csv"},
    "columns": {"text": "text", "label": "label"},
}


def build(**over):
    return from_mapping(DatasetConfig, BASE | over, "set.yaml")


@pytest.mark.parametrize(
    ("over", "message"),
    [
        ({"labels": ["calm"]}, "labels: 1 given, a multiclass task needs two or more."),
        ({"labels": []}, "labels: 0 given, a multiclass task needs two or more."),
        ({"labels": [], "task": "multilabel"}, "labels: 0 given, a multilabel task needs one or more."),
        ({"labels": ["calm", "calm"]}, "labels: the name 'calm' stands twice. Each label is listed once."),
        ({"labels": [{"raw": "1", "name": "calm"}, {"raw": 1, "name": "tense"}]},
         "labels: the raw value '1' stands twice. Each label is listed once."),
        ({"labels": [False, True]}, "set.yaml: labels[0]: YAML reads a bare yes, no, on or off as true or false. "
         "Put it in quotes."),
        ({"columns": {"text": "text", "label": ["a", "b"]}},
         "columns: label: a list of columns is for 'task: multilabel', not 'multiclass'."),
        ({"task": "multilabel", "columns": {"text": "text", "label": ["a", "b", "c"]}},
         "columns: label: lists 3 columns for 2 labels. Give one column per label in the same order."),
        ({"columns": {"text": "text", "label": "label", "group": "user", "group_file": "groups.txt"}},
         "columns: give 'group' or 'group_file', not both."),
        ({"max_length": 3}, "max_length: is 3, expected 4 tokens or more."),
        ({"risk": {"high": ["tense", "tense"]}}, "risk: high: 'tense' stands twice. Each label is listed once."),
        ({"risk": {"order": ["calm", "tense"]}},
         "risk: order is given without high. Name the labels of high risk."),
        ({"risk": {"high": ["tense"], "order": ["calm"]}},
         "risk: order lacks the high-risk label 'tense'. It runs from mild to severe."),
        ({"risk": {"high": ["calm", "tense"]}}, "risk: high: names every label. Name those of high risk only."),
        ({"risk": {"high": ["tens"]}}, "'tens' is named under risk or prompt but is none of the labels calm, tense."),
        ({"prompt": {"label_words": {"x": "y"}}},
         "'x' is named under risk or prompt but is none of the labels calm, tense."),
        ({"splits": {"test": 1}}, "splits: test: is 1.0, expected a share between 0 and 1."),
        ({"splits": {"validation": 0}}, "splits: validation: is 0.0, expected a share between 0 and 1."),
        ({"splits": {"seed": -1}}, "splits: seed: is -1, expected a whole number from 0 to 2**31 - 1."),
        ({"splits": {"seed": 2**31}}, "splits: seed: is 2147483648, expected a whole number from 0 to 2**31 - 1."),
        ({"splits": {"group_by": "user"}},
         "set.yaml: splits: group_by: 'user' is not one of group."),
        ({"source": {"files": {}}}, "source: files: is empty. Give one file, or a line 'split: file' for each split."),
        ({"source": {"files": ""}}, "source: files: is empty. Give one file, or a line 'split: file' for each split."),
        ({"source": {"files": "a.xls", "format": "xls"}},
         "set.yaml: source: format: 'xls' is not one of auto, csv, tsv, json, "
         "jsonl, parquet, xlsx, eraser, imhi. Did you mean 'xlsx'?"),
        ({"task": "multi-class"},
         "set.yaml: task: 'multi-class' is not one of multiclass, multilabel, ordinal, choice. "
         "Did you mean 'multiclass'?"),
        ({"colums": {}}, "set.yaml: unknown key 'colums'. Did you mean 'columns'? Known keys: name, task, labels, "
         "source, columns, schema_version, title, language, rationale, explanations, repair, splits, "
         "max_length, metrics, prompt, published_labels, published_answers, risk, shares_text_with, licence, access, "
         "citation, ethics."),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(over, message):
    with pytest.raises(ConfigError) as error:
        build(**over)
    assert str(error.value) == message


@pytest.mark.parametrize("key", ["name", "task", "labels", "source", "columns"])
def test_five_keys_are_required(key):
    with pytest.raises(ConfigError) as error:
        from_mapping(DatasetConfig, {k: v for k, v in BASE.items() if k != key}, "set.yaml")
    assert str(error.value) == f"set.yaml: the key '{key}' is missing. Add a line '{key}: ...'."


def test_labels_have_a_raw_value_and_a_name():
    config = build(labels=["calm", {"raw": 1, "name": "tense"}])
    assert config.label_names == ("calm", "tense")
    assert [(pair.raw, pair.name) for pair in config.label_pairs] == [("calm", "calm"), ("1", "tense")]


def test_one_label_is_enough_for_multilabel():
    assert build(task="multilabel", labels=["calm"]).label_names == ("calm",)


def test_the_headline_is_the_first_metric():
    assert build().headline_metric == "macro_f1"
    assert build(metrics=["auroc", "mcc"]).headline_metric == "auroc"
