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


@FUZZ
@given(content=damaged(YAML))
def test_damaged_yaml(tmp_path, content):
    (tmp_path / "set.yaml").write_bytes(content)
    (tmp_path / "rows.csv").write_bytes(CSV)
    assert outcome(lambda: find_dataset(str(tmp_path / "set.yaml"))) in {"read", "ConfigError"}
    assert outcome(lambda: load_table(str(tmp_path / "set.yaml"))) in {"read", "ConfigError", "DataError"}


@FUZZ
@given(content=damaged(CSV))
def test_damaged_csv(tmp_path, content):
    (tmp_path / "set.yaml").write_bytes(YAML.replace(b"{train: rows.csv, test: rows.csv}", b"rows.csv"))
    (tmp_path / "rows.csv").write_bytes(content)
    assert outcome(lambda: load_table(str(tmp_path / "set.yaml"))) in {"read", "DataError"}
