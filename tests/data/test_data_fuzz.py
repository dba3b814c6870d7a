"""Damaged YAML and damaged tables: an expected error or a table, never anything else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.data.load import load_table
from mhclf.data.locate import find_dataset
from mhclf.errors import MhclfError

YAML = b"""name: small
task: multiclass
labels: ["calm", {raw: "1", name: tense}, 'so so']
source: {files: {train: rows.csv, test: rows.csv}, format: csv}
columns: {text: text, label: label, id: id, group: user, explanation: note}
rationale: {column: why, kind: char_spans}
splits: {kind: ratio, test: 2e-1, seed: 3, group_by: null}
max_length: 64
metrics: [macro_f1]
prompt: {question: "How?", label_words: {tense: "yes"}}
risk: {high: [tense]}
"""

CSV = (
    "id,text,label,user,why,note\n"
    'a,"I slept, badly",calm,u1,"[[0, 3]]",fine\n'
    "b,We walked to the café,1,u2,,\n"
    'c,"She said ""go"" \n now 😀",so so,,"[[2, 5], [0, 1]]",x\n'
    "d,caf√© at noon with @kim_9,calm,u1,[],mail a@b.org\n"
    "e,I worry,1,u3,,\n"
    "f,No rest,calm,u4,,\n"
).encode()

PIECES = st.sampled_from(
    [
        b"",
        b"\n",
        b"\r",
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xef\xbb\xbf",
        b'"',
        b"'",
        b",",
        b",,,,",
        b": ",
        b"- ",
        b"[",
        b"]",
        b"{",
        b"}",
        b"&a ",
        b"*a",
        b"<<: ",
        b"!!int ",
        b"!!binary ",
        b"!!set ",
        b"!!timestamp ",
        b"|",
        b">",
        b"%",
        b"@",
        b"#",
        b"\t",
        b"? ",
        b"~",
        b"yes",
        b"null",
        b"nan",
        b".inf",
        b"1e999",
        b"-1",
        b"0",
        b"99999999999999999999",
        b"2020-99-99",
        b"1:60",
        b"[[0, 1e9]]",
        b"[[",
        b"\\ud800",
        b'"\\ud800"',
        b"/",
        b"..",
        b"extends: set.yaml\n",
        b"files",
        b"text",
        b"label",
        b"a" * 300,
        b"[" * 2000,
        "\u2028".encode(),
        "é".encode(),
        "你".encode(),
        b"u/somebody",
        b"multilabel",
        b"ratio",
    ]
)


@st.composite
def damaged(draw, content):
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.sampled_from([0, 0, 1, 2, 8, 40])))
        content = content[:start] + draw(PIECES) + content[end:]
    return content


FUZZ = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(action):
    """Return what came out: nothing but an expected error may."""
    try:
        action()
    except MhclfError as error:
        return type(error).__name__ if str(error) else "no message"
    return "read"


@pytest.fixture(autouse=True)
def no_data_root(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MHCLF_DATA", raising=False)


def test_the_undamaged_set_loads(tmp_path):
    (tmp_path / "set.yaml").write_bytes(YAML)
    (tmp_path / "rows.csv").write_bytes(CSV)
    (tmp_path / "single.yaml").write_bytes(YAML.replace(b"{train: rows.csv, test: rows.csv}", b"rows.csv"))
    assert len(load_table(str(tmp_path / "single.yaml"))) == 6
    assert outcome(lambda: find_dataset(str(tmp_path / "set.yaml"))) == "read"


def check_damaged_yaml(tmp_path, content):
    (tmp_path / "set.yaml").write_bytes(content)
    (tmp_path / "rows.csv").write_bytes(CSV)
    assert outcome(lambda: find_dataset(str(tmp_path / "set.yaml"))) in {"read", "ConfigError"}
    assert outcome(lambda: load_table(str(tmp_path / "set.yaml"))) in {"read", "ConfigError", "DataError"}


@FUZZ
@given(content=damaged(YAML))
def test_damaged_yaml(tmp_path, content):
    check_damaged_yaml(tmp_path, content)


@pytest.mark.slow
@settings(FUZZ, max_examples=1000)
@given(content=damaged(YAML))
def test_a_thousand_damaged_yamls(tmp_path, content):
    check_damaged_yaml(tmp_path, content)


@FUZZ
@given(content=damaged(CSV))
def test_damaged_csv(tmp_path, content):
    (tmp_path / "set.yaml").write_bytes(YAML.replace(b"{train: rows.csv, test: rows.csv}", b"rows.csv"))
    (tmp_path / "rows.csv").write_bytes(content)
    assert outcome(lambda: load_table(str(tmp_path / "set.yaml"))) in {"read", "DataError"}


RICH_YAML = b"""name: rich
task: multiclass
labels: [{raw: "no", name: calm}, {raw: ["yes", "a bit"], name: tense}]
source:
  format: jsonl
  files: [{path: a.jsonl, rename: {body: text}, encoding: mixed}, b.jsonl]
  where: {kind: post}
  leave_out: [empty_text, empty_label, damaged_text]
  added_to_train: [{path: c.jsonl, rename: {body: text}}]
columns:
  text: [title, text]
  text_instead: note
  text_empty: ["[removed]"]
  label: answer
  label_kind: answer
  group: post_id
  context: {turns: 2, conversation: talk, speaker: who}
  confidence: sure
  split_file: splits.txt
rationale: {column: {calm: why, tense: why}, kind: phrases}
published_labels: [["ye", "yes"], ["n", "no"]]
"""


def _line(number, body="text"):
    return (
        f'{{"title": "t{number}", "{body}": "I slept {number}", "answer": "{"no" if number % 2 else "yes"}", '
        f'"kind": "post", "talk": {number % 2}, "who": null, "sure": 0.5, "why": ["slept"], "note": "n{number}"}}\n'
    ).encode()


RICH = {
    "a.jsonl": b"".join(_line(number, "body") for number in range(4)),
    "b.jsonl": b"".join(_line(number) for number in range(4, 8)),
    "c.jsonl": b"".join(_line(number, "body") for number in range(20, 22)),
    "splits.txt": b"train\ntrain\ntrain\ntrain\ntrain\ntest\n-\ntrain\n",
}


@FUZZ
@given(data=st.data())
def test_one_damaged_file_of_a_rich_set(tmp_path, data):
    files = RICH | {"set.yaml": RICH_YAML}
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = data.draw(damaged(files[name]))
    for file, content in files.items():
        (tmp_path / file).write_bytes(content)
    assert outcome(lambda: load_table(str(tmp_path / "set.yaml"))) in {"read", "ConfigError", "DataError"}


def test_the_rich_set_loads_undamaged(tmp_path):
    for file, content in (RICH | {"set.yaml": RICH_YAML}).items():
        (tmp_path / file).write_bytes(content)
    table = load_table(str(tmp_path / "set.yaml"))
    assert len(table) == 9 and table.contexts is not None and table.contexts[2] == "t0\nI slept 0"


IMHI_CSV = (
    b"query,gpt-3.5-turbo\n"
    b'"Consider this post: ""I slept, badly"" Question: Is it stress?","Yes, it is. Reasoning: no rest"\n'
    b'"Consider this post: ""Soup"" Question: Is it stress?","No. Reasoning: calm"\n'
    b'"Consider this post: ""Rain"" Question: Is it stress?","No. Reasoning: calm"\n'
    b'"Consider this post: ""Tea"" Question: Is it stress?","Yes. Reasoning: not calm"\n'
)
ERASER = {
    "notes.json": b'[{"annotation_id": "a", "classification": "yes", "evidences": [[{"docid": "a", "start_token": 0, '
    b'"end_token": 1}]]}, {"annotation_id": "b", "classification": "no", "evidences": []}, {"annotation_id": "c", '
    b'"classification": "no", "evidences": []}, {"annotation_id": "d", "classification": "yes", "evidences": []}]',
    "docs.jsonl": b"".join(f'{{"docid": "{name}", "text": "so it {name} goes"}}\n'.encode() for name in "abcd"),
}


@FUZZ
@given(data=st.data())
def test_damaged_imhi_and_eraser_files(tmp_path, data):
    imhi = (
        b'name: imhi\ntask: multiclass\nlabels: ["yes", "no"]\nsource: {files: q.csv, format: imhi}\n'
        b"columns: {text: post, label: answer, label_kind: answer, context: question, group: post_id}\n"
        b"splits: {kind: ratio}\n"
    )
    eraser = (
        b'name: eraser\ntask: multiclass\nlabels: ["yes", "no"]\nsource: {files: {path: notes.json, format: eraser, '
        b"documents: docs.jsonl}}\ncolumns: {id: id, text: text, label: label}\n"
        b"rationale: {column: rationale, kind: token_spans}\nsplits: {kind: ratio}\n"
    )
    files = {"q.csv": IMHI_CSV, **ERASER}
    name = data.draw(st.sampled_from(sorted(files)))
    files[name] = data.draw(damaged(files[name]))
    for file, content in (files | {"imhi.yaml": imhi, "eraser.yaml": eraser}).items():
        (tmp_path / file).write_bytes(content)
    for yaml in ("imhi.yaml", "eraser.yaml"):
        assert outcome(lambda path=yaml: load_table(str(tmp_path / path))) in {"read", "DataError"}
