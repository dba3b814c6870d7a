"""YAML to dataclass and back: strict, and every message says where."""

import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mhclf.config import ColumnsConfig, DatasetConfig, LabelName, RationaleConfig, RunConfig, SplitsConfig
from mhclf.config.dataset import PromptConfig, RiskConfig
from mhclf.config.instruction import InstructionConfig
from mhclf.config.joint import JointConfig
from mhclf.config.run import (
    AuditConfig,
    BatchConfig,
    ContrastiveConfig,
    ModelConfig,
    OptimConfig,
    TrainerConfig,
)
from mhclf.config.source import SourceConfig
from mhclf.config.structure import from_mapping, read_yaml, to_mapping, write_yaml
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class Inner:
    size: int
    share: float = 0.5


@dataclass(frozen=True)
class Outer:
    name: str
    kind: Literal["one", "two"] = "one"
    on: bool = True
    inner: Inner = Inner(1)
    second: Inner | None = None
    names: tuple[str | LabelName, ...] = ()
    words: dict[str, str] = field(default_factory=dict)
    limit: int | None = None
    files: str | dict[str, str] = ""
    anything: dict[str, Any] = field(default_factory=dict)


def build(**mapping):
    return from_mapping(Outer, {"name": "x"} | mapping, "set.yaml")


def refused(**mapping):
    with pytest.raises(ConfigError) as error:
        build(**mapping)
    return str(error.value)


def yaml_error(tmp_path, content):
    path = tmp_path / "set.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as error:
        read_yaml(path)
    return str(error.value).replace(str(path), "set.yaml")


def from_yaml(tmp_path, text):
    path = tmp_path / "set.yaml"
    path.write_text(text, encoding="utf-8")
    return read_yaml(path)


def test_every_kind_of_value_is_converted():
    built = build(
        kind="two",
        inner={"size": 3, "share": 1},
        names=["a", {"raw": 1, "name": "b"}],
        words={1: "one"},
        limit=4,
        files={"train": "a.csv"},
        anything={"deep": [1, {"x": None}]},
    )
    assert built == Outer(
        name="x",
        kind="two",
        inner=Inner(3, 1.0),
        names=("a", LabelName("1", "b")),
        words={"1": "one"},
        limit=4,
        files={"train": "a.csv"},
        anything={"deep": [1, {"x": None}]},
    )
    assert isinstance(built.inner.share, float)
    assert build(inner=Inner(9)).inner == Inner(9)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"nam": 1}, "set.yaml: unknown key 'nam'. Did you mean 'name'? Known keys: "
         "name, kind, on, inner, second, names, words, limit, files, anything."),
        ({"zzz": 1}, "set.yaml: unknown key 'zzz'. Known keys: "
         "name, kind, on, inner, second, names, words, limit, files, anything."),
        ({"inner": {"siz": 3}}, "set.yaml: inner: unknown key 'siz'. Did you mean 'size'? Known keys: size, share."),
        ({"second": {}}, "set.yaml: second: the key 'size' is missing. Add a line 'size: ...'."),
        ({"inner": 3}, "set.yaml: inner: is '3' (int), expected a mapping with the keys of Inner."),
        ({"inner": None}, "set.yaml: inner: is empty, expected a mapping with the keys of Inner."),
        ({"inner": {"size": 1.0}}, "set.yaml: inner: size: is '1.0' (float), expected a whole number."),
        ({"inner": {"size": True}}, "set.yaml: inner: size: is 'True' (bool), expected a whole number."),
        ({"inner": {"size": "3"}}, "set.yaml: inner: size: is '3' (str), expected a whole number."),
        ({"inner": {"size": 1, "share": "x"}}, "set.yaml: inner: share: is 'x' (str), expected a number."),
        ({"inner": {"size": 1, "share": False}}, "set.yaml: inner: share: is 'False' (bool), expected a number."),
        ({"inner": {"size": 1, "share": float("nan")}},
         "set.yaml: inner: share: is 'nan' (float), expected a finite number."),
        ({"inner": {"size": 1, "share": float("inf")}},
         "set.yaml: inner: share: is 'inf' (float), expected a finite number."),
        ({"inner": {"size": 1, "share": 10**400}},
         f"set.yaml: inner: share: is '1{'0' * 39}...' (int), expected a finite number."),
        ({"on": 1}, "set.yaml: on: is '1' (int), expected true or false."),
        ({"on": "true"}, "set.yaml: on: is 'true' (str), expected true or false."),
        ({"kind": "tow"}, "set.yaml: kind: 'tow' is not one of one, two. Did you mean 'two'?"),
        ({"kind": ["one"]}, "set.yaml: kind: '['one']' is not one of one, two. Did you mean 'one'?"),
        ({"names": "a"}, "set.yaml: names: is 'a' (str), expected a list."),
        ({"names": ["a", False]}, "set.yaml: names[1]: YAML reads a bare yes, no, on or off as true or false. "
         "Put it in quotes."),
        ({"names": [{"raw": "1"}]}, "set.yaml: names[0]: the key 'name' is missing. Add a line 'name: ...'."),
        ({"name": True}, "set.yaml: name: YAML reads a bare yes, no, on or off as true or false. Put it in quotes."),
        ({"name": None}, "set.yaml: name: is empty, expected text."),
        ({"name": [1]}, "set.yaml: name: is a list, expected text."),
        ({"words": ["a"]}, "set.yaml: words: is a list, expected a mapping."),
        ({"words": {"a": True}}, "set.yaml: words.a: YAML reads a bare yes, no, on or off as true or false. "
         "Put it in quotes."),
        ({"words": {True: "a"}}, "set.yaml: words: YAML reads a bare yes, no, on or off as true or false. "
         "Put it in quotes."),
        ({"limit": "4"}, "set.yaml: limit: is '4' (str), expected a whole number."),
        ({"name": {"a": 1}}, "set.yaml: name: is a mapping, expected text."),
        ({"limit": "y" * 50}, f"set.yaml: limit: is '{'y' * 40}...' (str), expected a whole number."),
    ],
)  # fmt: skip
def test_a_wrong_value_is_refused_with_its_place(mapping, message):
    assert refused(**mapping) == message


def test_a_missing_key_and_a_value_that_is_no_mapping():
    with pytest.raises(ConfigError) as error:
        from_mapping(Outer, {"kind": "one"}, "set.yaml")
    assert str(error.value) == "set.yaml: the key 'name' is missing. Add a line 'name: ...'."
    with pytest.raises(ConfigError) as error:
        from_mapping(Outer, ["name"], "set.yaml")
    assert str(error.value) == "set.yaml: is a list, expected a mapping with the keys of Outer."


@pytest.mark.parametrize("text", ["1e-4", "1E-4", "+1e-4", "1.0e-4", "1.e-4", ".1e-3"])
def test_scientific_numbers_are_numbers(tmp_path, text):
    value = from_yaml(tmp_path, f"lr: {text}")["lr"]
    assert isinstance(value, float) and value == pytest.approx(1e-4, abs=1e-18)


@pytest.mark.parametrize("text", ["1e-4x", "e5", "1e", "1-e4", "abc"])
def test_other_words_with_an_e_stay_text(tmp_path, text):
    assert from_yaml(tmp_path, f"lr: {text}") == {"lr": text}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: 1\nb: 2\na: 3\n", "set.yaml, line 3, column 1: not valid YAML: the key 'a' stands twice."),
        ("a:\n  b: 1\n  b: 2\n", "set.yaml, line 3, column 3: not valid YAML: the key 'b' stands twice."),
        ("a: 1\n? [x, y]\n: 2\n", "set.yaml, line 2, column 3: not valid YAML: keys must be plain words."),
        ("a: [1, 2\nb: 3\n", "set.yaml, line 2, column 2: not valid YAML: expected ',' or ']', but got ':'."),
        ("a: 1\n\tb: 2\n",
         "set.yaml, line 2, column 1: not valid YAML: found character '\\t' that cannot start any token."),
        ("a: 1\nb: x\0y\n", "set.yaml, line 2, column 5: not valid YAML: the character U+0000 is not allowed."),
        ("a: 2020-13-45\n", "set.yaml: not valid YAML: month must be in 1..12."),
        ("a: !!bool maybe\n", "set.yaml: not valid YAML: a value does not fit its '!!' tag. Leave the tag out."),
        ("a: !!timestamp soon\n", "set.yaml: not valid YAML: a value does not fit its '!!' tag. Leave the tag out."),
        ("a: !!int ''\n", "set.yaml: not valid YAML: a value does not fit its '!!' tag. Leave the tag out."),
        ("a: !!python/object:os.system x\n", "set.yaml, line 1, column 4: not valid YAML: could not determine a "
         "constructor for the tag 'tag:yaml.org,2002:python/object:os.system'."),
        ("", "set.yaml: holds empty, expected a mapping of 'key: value' lines."),
        ("- a\n- b\n", "set.yaml: holds a list, expected a mapping of 'key: value' lines."),
        ("just words\n", "set.yaml: holds 'just words' (str), expected a mapping of 'key: value' lines."),
        (b"a: caf\xe9\n", "set.yaml: not UTF-8 text (byte 6). Save the file as UTF-8."),
    ],
)  # fmt: skip
def test_what_is_no_yaml_mapping_is_refused_with_line_and_column(tmp_path, content, message):
    assert yaml_error(tmp_path, content) == message


def test_deep_nesting_is_an_error_and_no_crash(tmp_path):
    assert "not valid YAML" in yaml_error(tmp_path, "a: " + "[" * 20000)


def test_a_byte_order_mark_and_windows_line_ends_are_fine(tmp_path):
    assert from_yaml(tmp_path, "\ufeffname: x\r\nlimit: 3\r\n") == {"name": "x", "limit": 3}


def test_merge_keys_work(tmp_path):
    assert from_yaml(tmp_path, "a: &a {x: 1, y: 2}\nb:\n  <<: *a\n  y: 3\n")["b"] == {"x": 1, "y": 3}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.yaml", "No such file or directory"),
        (".", "Is a directory"),
        ("a\0b.yaml", "embedded null byte"),
        ("a" * 300 + ".yaml", "File name too long"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path, name, reason):
    path = tmp_path / name
    with pytest.raises(ConfigError) as error:
        read_yaml(path)
    assert str(error.value) == f"{path}: cannot be read ({reason}). Check the path and its permissions."


NAMES = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
TRICKY = st.sampled_from(
    ["yes", "no", "on", "null", "~", "1", "01", "1e5", "1.5e-3", "-2E+4", "0x1f", "12:30", "2020-01-01", ".nan", "=",
     "- a", "a: b", "#x", "'", '"', " lead", "trail ", "a\nb", "多喝水", "😀", "<<", "\u2028", "\x85"]
)  # fmt: skip
WORDS = NAMES | TRICKY
SHARES = st.floats(0.001, 0.999)
POSITIVE = st.floats(1e-12, 1e12)
SMALL = st.integers(1, 10**6)

RUNS = st.builds(
    RunConfig,
    data=WORDS,
    method=WORDS,
    encoder=WORDS,
    seed=st.integers(0, 2**32 - 1),
    split_seed=st.none() | st.integers(0, 2**31 - 1),
    max_length=st.none() | st.integers(4, 9000),
    data_root=st.none() | WORDS,
    out=WORDS,
    limit=st.none() | SMALL,
    mask=st.booleans(),
    test=st.booleans(),
    report=st.booleans(),
    audit=st.builds(AuditConfig, on_leak=st.sampled_from(["drop", "stop", "keep"])),
    model=st.builds(
        ModelConfig,
        kind=st.sampled_from(["transformer", "tfidf_lr"]),
        aggregation=WORDS,
        pooling=WORDS,
        dropout=st.floats(0, 0.999),
        attention=st.sampled_from(["auto", "sdpa", "eager"]),
    ),
    contrastive=st.builds(
        ContrastiveConfig, weight=POSITIVE, temperature=POSITIVE, ramp=WORDS, ramp_share=SHARES, projection_size=SMALL
    ),
    optim=st.builds(
        OptimConfig, lr=POSITIVE, head_lr=POSITIVE, weight_decay=POSITIVE, warmup=SHARES, gradient_clip=POSITIVE
    ),
    batch=st.builds(BatchConfig, size=SMALL, max_tokens=SMALL, by_length=st.booleans()),
    trainer=st.builds(
        TrainerConfig,
        epochs=SMALL,
        accelerator=WORDS,
        precision=st.sampled_from(["auto", "bf16", "fp32"]),
        threads=st.integers(0, 64),
        keep_checkpoints=st.booleans(),
    ),
)


@st.composite
def dataset_configs(draw):
    task = draw(st.sampled_from(["multiclass", "multilabel", "ordinal", "choice"]))
    names = draw(st.lists(WORDS, min_size=2, max_size=5, unique=True))
    if task == "choice":
        names = list("ABCDE"[: len(names)])
    raws = draw(st.lists(WORDS, min_size=len(names), max_size=len(names), unique=True))
    plain = draw(st.booleans())
    labels = tuple(names) if plain else tuple(LabelName(raw, name) for raw, name in zip(raws, names, strict=True))
    columns = tuple(draw(st.lists(WORDS, min_size=len(names), max_size=len(names))))
    own_group = draw(st.booleans())
    return DatasetConfig(
        # A name becomes a folder, so most signs are allowed, but not all.
        name=draw(st.from_regex(r"[A-Za-z][A-Za-z0-9_ -]{0,12}", fullmatch=True)),
        task=task,
        labels=labels,
        source=SourceConfig(
            files=draw(WORDS | st.dictionaries(WORDS, WORDS, min_size=1, max_size=3)),
            format=draw(st.sampled_from(["auto", "csv", "jsonl"])),
        ),
        columns=ColumnsConfig(
            text=draw(WORDS),
            label=columns if task == "multilabel" and draw(st.booleans()) else draw(WORDS),
            id=draw(st.none() | WORDS),
            explanation=draw(st.none() | WORDS),
            group=draw(WORDS) if own_group else None,
            group_file=None if own_group else draw(st.none() | WORDS),
            split=draw(st.none() | WORDS),
            options=(columns if draw(st.booleans()) else draw(WORDS)) if task == "choice" else None,
        ),
        title=draw(st.text(st.characters(exclude_categories=["Cs"]), max_size=20)),
        rationale=draw(st.none() | st.builds(RationaleConfig, column=WORDS, separators=WORDS)),
        repair=draw(st.booleans()),
        splits=draw(
            st.builds(
                SplitsConfig,
                kind=st.sampled_from(["given", "ratio"]),
                test=SHARES,
                validation=SHARES,
                seed=st.integers(0, 2**31 - 1),
                stratify=st.booleans(),
                group_by=st.sampled_from(["group", None]),
            )
        ),
        max_length=draw(st.integers(4, 5000)),
        metrics=tuple(draw(st.lists(WORDS, max_size=3))),
        prompt=PromptConfig(draw(WORDS))
        if task == "choice"
        else PromptConfig(draw(WORDS), {names[0]: draw(WORDS)}, {names[1]: draw(WORDS)}),
        risk=RiskConfig((names[0],), tuple(names)),
    )


def there_and_back(config, path):
    path.write_bytes(write_yaml(to_mapping(config)).encode("utf-8"))
    return from_mapping(type(config), read_yaml(path), "set.yaml")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=RUNS)
def test_a_run_survives_yaml(tmp_path, config):
    assert there_and_back(config, tmp_path / "run.yaml") == config


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(config=dataset_configs())
def test_a_data_set_survives_yaml(tmp_path, config):
    assert there_and_back(config, tmp_path / "set.yaml") == config


def test_the_mapping_is_plain(tmp_path):
    mapping = to_mapping(Outer(name="x", names=("a", LabelName("1", "b")), anything={1: (2, 3)}))
    assert mapping == {
        "name": "x", "kind": "one", "on": True, "inner": {"size": 1, "share": 0.5}, "second": None,
        "names": ["a", {"raw": "1", "name": "b"}], "words": {}, "limit": None, "files": "",
        "anything": {"1": [2, 3]},
    }  # fmt: skip


def test_configuration_is_free_of_torch():
    code = "import mhclf.config, mhclf.config.command_line, sys; print('torch' in sys.modules)"
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_nested_mapping_lies_over_the_default_of_its_field():
    """What a command line leaves out keeps the default that stands there, not that of the nested class."""
    tuned = from_mapping(InstructionConfig, {"trainer": {"threads": 1}}, "tune")
    plain = InstructionConfig()
    assert (plain.trainer.epochs, plain.trainer.accumulate) != (TrainerConfig().epochs, TrainerConfig().accumulate)
    assert tuned == replace(plain, trainer=replace(plain.trainer, threads=1))
    joint = from_mapping(JointConfig, {"explanation": {"lora": {"alpha": 32}}}, "joint")
    assert (joint.explanation.lora.alpha, joint.explanation.lora.rank) == (32, JointConfig().explanation.lora.rank)
    assert JointConfig().explanation.lora.rank > 0
    with pytest.raises(ConfigError, match="trainer: unknown key 'thread'. Did you mean 'threads'?"):
        from_mapping(InstructionConfig, {"trainer": {"thread": 1}}, "tune")
