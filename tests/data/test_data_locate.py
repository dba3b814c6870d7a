"""Finding a data set's YAML and its files."""

from pathlib import Path

import pytest
import yaml

from mhclf.config.source import FileConfig
from mhclf.data.locate import config_folder, dataset_names, find_dataset, find_file
from mhclf.errors import ConfigError, DataError

BASE = {
    "name": "base",
    "task": "multiclass",
    "labels": ["calm", "tense"],
    "source": {"files": "rows.csv"},
    "columns": {"text": "text", "label": "label", "group": "user"},
    "splits": {"kind": "ratio", "seed": 3},
}


@pytest.fixture
def put(tmp_path):
    def put(name, content):
        path = tmp_path / name
        path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
        return path

    return put


def refused(name):
    with pytest.raises(ConfigError) as error:
        find_dataset(str(name))
    return str(error.value)


def test_data_sets_that_come_with_the_library():
    names = dataset_names()
    assert {"demo", "dreaddit", "multiwd", "wellxplain", "wellxplain_random"} <= set(names)
    assert names == sorted(names) and not [name for name in names if name.startswith("_")]
    for name in names:
        located = find_dataset(name)
        assert located.config.name == name and located.path == config_folder() / f"{name}.yaml"


def test_by_path(put):
    path = put("mine.yaml", BASE)
    assert find_dataset(str(path)).config.name == "base"
    assert find_dataset(str(path)).path == path
    assert find_dataset(str(put("mine.yml", BASE))).config.name == "base"


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("demmo", " Did you mean 'demo'?"),
        ("../x", ""),
        ("", ""),
        (".", ""),
        ("/etc/passwd", ""),
        ("a\0b", ""),
        ("x" * 300, ""),
    ],
)
def test_an_unknown_name_lists_what_exists(name, near):
    assert refused(name) == (
        f"data: no data set is called '{name}'.{near} Known: {', '.join(dataset_names())}. "
        "For your own, give the path of its YAML or of its data file (csv, tsv, json, jsonl, parquet, xlsx)."
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BASE | {"labels": ["calm"]}, "{}: labels: 1 given, a multiclass task needs two or more."),
        (BASE | {"tsk": 1},
         "{}: unknown key 'tsk'. Did you mean 'task'? Known keys: name, task, labels, source, columns, "
         "schema_version, title, language, rationale, explanations, repair, splits, max_length, metrics, "
         "prompt, published_labels, published_answers, risk, "
         "shares_text_with, licence, access, citation, ethics."),
        (BASE | {"columns": {"text": "text", "label": "x", "group": "a", "group_file": "b"}},
         "{}: columns: give 'group' or 'group_file', not both."),
        (BASE | {"extends": 3}, "{}: extends: expected the name of a YAML file beside this one."),
        (BASE | {"extends": "mine.yaml"}, "{}: extends: more than five files deep; is there a circle?"),
        ("name: [", "{}, line 1, column 8: not valid YAML: expected the node content, but found '<stream end>'."),
        ("", "{}: holds empty, expected a mapping of 'key: value' lines."),
    ],
)  # fmt: skip
def test_a_wrong_yaml_is_named(put, content, message):
    path = put("mine.yaml", content)
    assert refused(path) == message.format(path)


def test_a_missing_yaml(tmp_path):
    path = tmp_path / "none.yaml"
    assert refused(path) == f"{path}: cannot be read (No such file or directory). Check the path and its permissions."


def test_extends_lays_one_file_over_another(put):
    put("base.yaml", BASE)
    put("middle.yaml", {"extends": "base.yaml", "splits": {"group_by": None}, "labels": ["low", "high"]})
    config = find_dataset(str(put("top.yaml", {"extends": "middle.yaml", "name": "top", "splits": {"seed": 4}}))).config
    assert (config.name, config.label_names, config.columns.group) == ("top", ("low", "high"), "user")
    assert (config.splits.kind, config.splits.seed, config.splits.group_by) == ("ratio", 4, None)


def test_a_circle_and_a_missing_base(put, tmp_path):
    put("a.yaml", {"extends": "b.yaml"})
    put("b.yaml", {"extends": "a.yaml"})
    assert refused(tmp_path / "a.yaml").endswith(".yaml: extends: more than five files deep; is there a circle?")
    missing = tmp_path / "gone.yaml"
    assert refused(put("c.yaml", {"extends": "gone.yaml"})) == (
        f"{missing}: cannot be read (No such file or directory). Check the path and its permissions."
    )


def place(folder: Path, name: str = "rows.csv") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("text\n")
    return folder / name


def test_files_are_looked_up_beside_the_yaml_then_under_one_root(tmp_path, monkeypatch):
    yaml_path = tmp_path / "cfg" / "set.yaml"
    yaml_path.parent.mkdir()
    given, variable, here = tmp_path / "given", tmp_path / "variable", tmp_path / "data"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MHCLF_DATA", str(variable))
    found_here, found_variable, found_given = place(here), place(variable), place(given)

    assert find_file(FileConfig(path="rows.csv"), yaml_path, str(given)) == found_given
    assert find_file(FileConfig(path="rows.csv"), yaml_path, None) == found_variable
    monkeypatch.setenv("MHCLF_DATA", "")
    assert find_file(FileConfig(path="rows.csv"), yaml_path, None) == found_here.relative_to(tmp_path)
    beside = place(yaml_path.parent)
    assert find_file(FileConfig(path="rows.csv"), yaml_path, str(given)) == beside
    assert find_file(FileConfig(path=str(found_given)), yaml_path, None) == found_given


def test_a_given_root_replaces_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("MHCLF_DATA", str(tmp_path / "variable"))
    place(tmp_path / "variable")
    yaml_path, given = tmp_path / "set.yaml", tmp_path / "given"
    with pytest.raises(DataError) as error:
        find_file(FileConfig(path="rows.csv"), yaml_path, str(given))
    assert str(error.value) == (
        f"{yaml_path}: the file 'rows.csv' was not found (looked at {tmp_path / 'rows.csv'}, {given / 'rows.csv'}). "
        "Give its folder with --data-root DIR or the environment variable MHCLF_DATA."
    )


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "rows.csv").mkdir()
    yaml_path = tmp_path / "set.yaml"
    with pytest.raises(DataError) as error:
        find_file(FileConfig(path="rows.csv"), yaml_path, None)
    assert str(error.value) == (
        f"{tmp_path / 'rows.csv'}: is a folder, expected a file. Mend 'source: files' in {yaml_path}."
    )


def test_a_file_name_that_no_file_can_have(tmp_path):
    yaml_path, name = tmp_path / "set.yaml", "x" * 300
    with pytest.raises(DataError) as error:
        find_file(FileConfig(path=name), yaml_path, None)
    assert str(error.value) == (
        f"{tmp_path / name}: cannot be read (File name too long). Check the path in {yaml_path}."
    )
    with pytest.raises(DataError, match="was not found"):
        find_file(FileConfig(path="a\0b"), yaml_path, None)
