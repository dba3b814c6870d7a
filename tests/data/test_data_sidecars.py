"""Files beside the YAML (groups, splits), the tools that make them, and rows that are only ever trained on."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.data import grouping, held_out
from mhclf.data.grouping import group_like
from mhclf.data.held_out import split_by_test_posts
from mhclf.data.load import load_table
from mhclf.data.repair import mask_identifiers, repair_encoding
from mhclf.data.sidecar import HEADER, read_sidecar, texts_hash, write_sidecar
from mhclf.errors import DataError

COLUMNS = {"text": "text", "label": "label"}
TEXTS = ["tea at four", "no seat left", "rain again", "the bus was late", "my knee hurts", "soup at noon"]


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def posts(texts, **cells):
    labels = ("calm", "tense")
    return jsonl(*({"text": text, "label": labels[number % 2]} | cells for number, text in enumerate(texts)))


def broken(text):
    """Text whose UTF-8 bytes were read as Windows-1252."""
    return text.encode("utf-8").decode("cp1252")


PIECES = st.sampled_from(
    ["so tired", " ", "\n", "it\u2019s", "caf\u00e9", broken("it\u2019s"), broken("caf\u00e9"), broken("\u2014"),
     "@kim_9", "u/some_one", "sam.lee@example.org", "[email]", "@user", "u/user", "\U0001f600", "12", "!?", "\u6211",
     "\u201a\u00c4\u00f4"]
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(PIECES, max_size=6).map(" ".join), max_size=5))
def test_the_hash_is_the_same_before_and_after_repair_and_masking(texts):
    repaired = [repair_encoding(text) for text in texts]
    masked = [mask_identifiers(text)[0] for text in repaired]
    assert texts_hash(texts) == texts_hash(repaired) == texts_hash(masked)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("abc \n", min_size=1), min_size=2, max_size=6), st.data())
def test_the_hash_tells_other_rows_and_another_order(texts, data):
    folded = ["".join(text.split()) for text in texts]
    other = data.draw(st.permutations(texts))
    same = ["".join(text.split()) for text in other] == folded
    assert (texts_hash(other) == texts_hash(texts)) is same
    # Where one row ends and the next begins counts.
    assert texts_hash(texts) != texts_hash(["".join(texts)])
    assert texts_hash(texts) != texts_hash([*texts, "z"])


def test_the_hash_of_no_rows_and_of_known_ones():
    assert texts_hash([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert texts_hash(["A b", "C!"]) == texts_hash(["ab", "c"]) != texts_hash(["abc"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.text(), st.integers(0, 99)), max_size=8))
def test_what_is_written_is_read_back(tmp_path_factory, rows):
    texts, words = [text for text, _ in rows], [number for _, number in rows]
    path = tmp_path_factory.mktemp("sidecar") / "groups.txt"
    path.write_text(write_sidecar(texts, words), encoding="utf-8")
    assert read_sidecar(path, texts, "group numbers") == [str(word) for word in words]
    assert path.read_text(encoding="utf-8").splitlines()[0] == f"{HEADER}{texts_hash(texts)}"


def test_comments_and_blank_lines_are_no_words(tmp_path):
    path = tmp_path / "splits.txt"
    path.write_text("# made by hand\n\n train \r\n# no more\ntest\n\n", encoding="utf-8")
    assert read_sidecar(path, ["a", "b"], "splits") == ["train", "test"]


def split_columns(write_set, words, texts=TEXTS, **settings):
    files = {"r.jsonl": posts(texts), "s.txt": words if isinstance(words, str) else write_sidecar(texts, words)}
    return write_set(files, columns=COLUMNS | {"split_file": "s.txt"}, **({"splits": {}} | settings))


def test_a_split_file_names_the_parts_and_leaves_rows_out(write_set):
    table = load_table(str(split_columns(write_set, ["test", "-", "train", "validation", "-", "train"])))
    assert table.texts == [TEXTS[0], TEXTS[2], TEXTS[3], TEXTS[5]]
    assert table.frame["split"].tolist() == ["test", "train", "validation", "train"]
    assert table.targets.tolist() == [0, 0, 1, 1]
    assert table.frame["id"].tolist() == ["000000", "000002", "000003", "000005"]


def test_without_sidecars_every_row_is_there(write_set):
    path = split_columns(write_set, "no file of splits at all")
    assert load_table(str(path), sidecars=False).texts == TEXTS


def test_rationales_follow_the_rows_that_a_split_file_keeps(write_set):
    files = {"r.jsonl": posts(TEXTS, why="at"), "s.txt": "-\n-\ntrain\n-\n-\ntest\n"}
    path = write_set(
        files, columns=COLUMNS | {"split_file": "s.txt"}, splits={"validation": 0.5}, rationale={"column": "why"}
    )
    with pytest.raises(DataError, match="1 rows in 1 group"):
        load_table(str(path))
    (path.parent / "s.txt").write_text("-\n-\ntrain\nvalidation\n-\ntest\n")
    table = load_table(str(path))
    assert [item.located for item in table.rationales] == [0, 1, 1]  # "rain again" has none, "late" has one
    assert [[text[a:b] for a, b in item.spans] for text, item in zip(table.texts, table.rationales, strict=True)] == [
        [], ["at"], ["at"]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("train\ntest\ntrain\ndev\ntrain\ntest\n",
         "s.txt, row 4: 'dev' is no split. Known: train, validation, test, - (left out)."),
        ("train\n" * 5 + "a very long line that is a post\n",
         "s.txt, row 6: a text of 31 characters is no split. Known: train, validation, test, - (left out)."),
        ("train\ntest\n", "s.txt: holds 2 splits for 6 rows. Make it again for these files."),
        (write_sidecar(TEXTS[::-1], ["train"] * 6),
         "s.txt: was made for other rows or another order. Make it again for these files."),
    ],
)  # fmt: skip
def test_a_split_file_that_does_not_fit(write_set, refused, words, message):
    files = {"r.jsonl": posts(TEXTS), "s.txt": words}
    assert refused(files, columns=COLUMNS | {"split_file": "s.txt"}, splits={}) == message


def test_a_sidecar_fits_masked_unmasked_repaired_and_unrepaired_texts(write_set):
    texts = ["ask @kim_9 or sam@example.org", broken("it\u2019s four"), "tea", "rain"]
    words = ["train", "test", "validation", "train"]
    cleaned = [mask_identifiers(repair_encoding(text))[0] for text in texts]
    for content in (write_sidecar(texts, words), write_sidecar(cleaned, words)):
        for repair in (True, False):
            path = split_columns(write_set, content, texts, repair=repair)
            for mask in (True, False):
                assert load_table(str(path), mask=mask).frame["split"].tolist() == words


def test_a_group_file_and_a_split_file_together(write_set):
    files = {
        "r.jsonl": posts(TEXTS),
        "g.txt": write_sidecar(TEXTS, [0, 0, 1, 1, 2, 2]),
        "s.txt": write_sidecar(TEXTS, ["train", "train", "test", "-", "validation", "-"]),
    }
    path = write_set(files, columns=COLUMNS | {"group_file": "g.txt", "split_file": "s.txt"}, splits={})
    frame = load_table(str(path)).frame
    assert frame["group"].tolist() == ["0", "0", "1", "2"]
    assert frame["split"].tolist() == ["train", "train", "test", "validation"]


def test_sidecar_rows_are_counted_after_where_and_leave_out(write_set):
    content = posts(TEXTS[:3], part="a") + posts(["not this one"], part="b") + posts(["", *TEXTS[3:]], part="a")
    files = {"r.jsonl": content, "s.txt": write_sidecar(TEXTS, ["train"] * 4 + ["validation", "test"])}
    source = {"files": "r.jsonl", "where": {"part": "a"}, "leave_out": ["empty_text"]}
    table = load_table(str(write_set(files, source=source, columns=COLUMNS | {"split_file": "s.txt"}, splits={})))
    assert table.texts == TEXTS and table.frame["split"].tolist() == ["train"] * 4 + ["validation", "test"]


# held_out: a split file out of another set's test posts.


def test_rows_of_test_posts_become_the_test_part_once():
    texts = ["Tea at four!", "rain again", "tea AT four", "so tired", "Rain, again", "bus"]
    assert split_by_test_posts(texts, ["tea at four", "rain again", "never seen"]) == [
        "test", "test", "-", "train", "-", "train"
    ]  # fmt: skip
    assert split_by_test_posts(texts, []) == ["train"] * 6 and split_by_test_posts([], ["a"]) == []


@pytest.mark.parametrize(("same", "expected"), [(400, "test"), (399, "train")])
def test_releases_of_a_long_post_may_end_differently(same, expected):
    assert split_by_test_posts(["a" * same + "b" * 50], ["a" * same + "c" * 90]) == [expected]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text("ab!", min_size=1), max_size=12), st.lists(st.text("ab!", min_size=1), max_size=4))
def test_no_test_post_stays_in_train(texts, test_posts):
    splits = split_by_test_posts(texts, test_posts)
    key = {text: text.replace("!", "") or text for text in [*texts, *test_posts]}
    tested = [key[text] for text, split in zip(texts, splits, strict=True) if split == "test"]
    trained = {key[text] for text, split in zip(texts, splits, strict=True) if split == "train"}
    wanted = {key[text] for text in test_posts}
    assert sorted(tested) == sorted(wanted & {key[text] for text in texts})
    assert not trained & wanted and len(splits) == len(texts)


def second_set(path, content, **settings):
    import yaml

    folder = path.parent / "other"
    folder.mkdir()
    (folder / "r.jsonl").write_text(content, encoding="utf-8")
    mapping = {"name": "other", "task": "multiclass", "labels": ["calm", "tense"], "source": {"files": "r.jsonl"},
               "columns": COLUMNS}  # fmt: skip
    (folder / "other.yaml").write_text(yaml.safe_dump(mapping | settings), encoding="utf-8")
    return folder / "other.yaml"


def printed(capsys, monkeypatch, module, *arguments):
    monkeypatch.setattr(sys, "argv", ["tool", *map(str, arguments)])
    return module.main(), capsys.readouterr()


def test_held_out_prints_a_file_that_the_set_then_reads(write_set, capsys, monkeypatch):
    path = split_columns(write_set, "not made yet", splits={"validation": 0.34})
    other = second_set(
        path, posts(["Soup at noon", "no seat left!", "elsewhere"]), source={"files": {"test": "r.jsonl"}}
    )
    code, out = printed(capsys, monkeypatch, held_out, "--data", path, "--test", other)
    assert (code, out.err) == (0, "")
    words = ["train", "test", "train", "train", "train", "test"]
    assert out.out == f"{HEADER}{texts_hash(TEXTS)}\n" + "\n".join(words) + "\n"
    (path.parent / "s.txt").write_text(out.out)
    table = load_table(str(path))
    assert table.part("test").texts == ["no seat left", "soup at noon"]
    assert len(table.part("validation")) == 2 and len(table.part("train")) == 2


def test_held_out_says_what_is_wrong(write_set, capsys, monkeypatch, tmp_path):
    path = split_columns(write_set, "not made yet")
    code, out = printed(capsys, monkeypatch, held_out, "--data", path, "--test", tmp_path / "none.yaml")
    assert code != 0 and out.out == ""
    assert out.err == (
        f"error: {tmp_path / 'none.yaml'}: cannot be read (No such file or directory). "
        "Check the path and its permissions.\n"
    )


# group_like: a group file out of another set's groups.


def test_equal_texts_take_the_group_of_the_other_set():
    others, groups = ["Tea at four", "rain again", "bus"], ["u1", "u2", "u1"]
    texts = ["Rain, again!", "new", "tea AT four", "new", "BUS", "newer"]
    assert group_like(texts, others, groups) == [0, 1, 2, 1, 2, 3]
    assert group_like([], others, groups) == [] and group_like(["a", "a", "b"], [], []) == [0, 0, 1]


def test_a_group_that_is_called_like_a_text_is_not_mixed_up_with_it():
    assert group_like(["tea", "rain"], ["rain"], ["tea"]) == [0, 1]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from("abcdefgh"), max_size=10), st.dictionaries(st.sampled_from("abcd"), st.integers(0, 2)))
def test_rows_share_a_number_just_where_they_share_a_group(texts, known):
    numbers = group_like(texts, list(known), [str(group) for group in known.values()])
    names = [str(known[text]) if text in known else f"own {text}" for text in texts]
    for i, first in enumerate(names):
        for j, second in enumerate(names):
            assert (first == second) == (numbers[i] == numbers[j])
    assert sorted(set(numbers)) == list(range(len(set(numbers))))


def test_grouping_like_another_set_prints_a_file_that_the_set_then_reads(write_set, capsys, monkeypatch):
    path = write_set({"r.jsonl": posts(TEXTS)}, columns=COLUMNS | {"group_file": "g.txt"})
    rows = jsonl(*({"text": text, "label": "calm", "user": user} for text, user in
                   [(TEXTS[1], "u1"), (TEXTS[4], "u1"), (TEXTS[0], "u2"), ("x", "u3"), ("y", "u4")]))  # fmt: skip
    other = second_set(path, rows, columns=COLUMNS | {"group": "user"}, splits={"kind": "ratio"})
    code, out = printed(capsys, monkeypatch, grouping, "--data", path, "--like", other)
    assert (code, out.err) == (0, "")
    assert out.out == f"{HEADER}{texts_hash(TEXTS)}\n0\n1\n2\n3\n1\n4\n"
    (path.parent / "g.txt").write_text(out.out)
    frame = load_table(str(path)).frame
    assert frame["group"].tolist() == ["0", "1", "2", "3", "1", "4"]
    assert frame["split"][1] == frame["split"][4]


# added_to_train.


def with_added(write_set, content, added, mask=True, **settings):
    files = {"r.jsonl": content, "a.jsonl": added}
    source = {"files": "r.jsonl", "added_to_train": ["a.jsonl"]} | settings.pop("source", {})
    return load_table(str(write_set(files, source=source, **settings)), mask=mask)


MANY = [f"post number {number} of the set" for number in range(40)]
NEW = [f"paraphrase {number} by a machine" for number in range(25)]


def test_added_rows_are_trained_on_and_shared_texts_are_gone(write_set):
    added = posts([*NEW, "Post NUMBER 3, of the set!", MANY[7]])
    table = with_added(write_set, posts(MANY), added)
    assert len(table) == 65 and table.texts[40:] == NEW
    assert table.frame["split"][40:].tolist() == ["train"] * 25
    assert table.frame["id"][40:].tolist() == [f"added-{number:06d}" for number in range(25)]
    assert table.frame["id"].is_unique
    assert not set(table.frame["group"][:40]) & set(table.frame["group"][40:])
    assert table.targets[40:].tolist() == [number % 2 for number in range(25)]
    assert table.counts["rows"] == 40
    assert (table.counts["rows_added_to_train"], table.counts["added_rows_shared"]) == (25, 2)


@pytest.mark.parametrize("rule", [{"kind": "ratio"}, {"kind": "ratio", "group_by": None}, {"kind": "folds", "fold": 2}])
def test_added_rows_change_nothing_for_the_rows_of_the_set(write_set, rule):
    alone = load_table(str(write_set({"r.jsonl": posts(MANY)}, splits=rule)))
    table = with_added(write_set, posts(MANY), posts(NEW), splits=rule)
    assert table.frame["split"][:40].tolist() == alone.frame["split"].tolist()
    assert set(table.frame["split"][40:]) == {"train"}
    sizes = {"ratio": (8, 4), "folds": (8, 4)}[rule["kind"]]
    assert (len(table.part("test")), len(table.part("validation"))) == sizes


def test_added_rows_beside_given_splits(write_set):
    parts = ["train"] * 20 + ["test"] * 20
    content = jsonl(*({"text": text, "label": "calm", "part": part} for text, part in zip(MANY, parts, strict=True)))
    table = with_added(
        write_set,
        content,
        posts(NEW, part="test"),
        columns=COLUMNS | {"split": "part"},
        splits={"validation": 0.2},
    )
    assert table.part("test").texts == MANY[20:]
    assert len(table.part("validation")) == 4 and set(table.part("validation").texts) < set(MANY[:20])
    assert len(table.part("train")) == 16 + 25


def test_ids_and_groups_of_added_rows_do_not_clash(write_set):
    rows = posts(TEXTS, user="u1").splitlines()
    content = "".join(json.dumps(json.loads(row) | {"id": n, "user": f"u{n % 3}"}) + "\n" for n, row in enumerate(rows))
    added = "".join(
        json.dumps({"id": n, "text": text, "label": "calm", "user": "u1"}) + "\n" for n, text in enumerate(["x", "y"])
    )
    table = with_added(write_set, content, added, columns=COLUMNS | {"id": "id", "group": "user"})
    assert table.frame["id"].tolist() == ["0", "1", "2", "3", "4", "5", "added-0", "added-1"]
    assert table.frame["group"].tolist() == ["u0", "u1", "u2"] * 2 + ["added-u1"] * 2


def test_added_rows_bring_their_evidence_and_what_was_left_out(write_set):
    added = posts(["so very tired"], why="tired") + jsonl({"text": "", "label": "calm", "why": "x"})
    table = with_added(
        write_set,
        posts(TEXTS, why=""),
        added,
        rationale={"column": "why"},
        source={"leave_out": ["empty_text"]},
    )
    assert table.rationales[6].spans == ((8, 13),) and len(table.rationales) == 7
    assert list(table.left_out) == ["empty_text (added)"]
    assert table.left_out["empty_text (added)"][0].endswith("a.jsonl, row 2")
    assert "rows_left_out_empty_text" not in table.counts


def test_nothing_new_among_the_added_rows(write_set):
    table = with_added(write_set, posts(TEXTS), posts(TEXTS[:2]))
    assert table.texts == TEXTS
    assert (table.counts["rows_added_to_train"], table.counts["added_rows_shared"]) == (0, 2)


@pytest.mark.parametrize("mask", [True, False])
def test_shared_texts_are_found_under_mojibake(write_set, mask):
    table = with_added(write_set, posts([*TEXTS, "it\u2019s four"]), posts([broken("it\u2019s four"), "new"]), mask)
    assert table.texts[7:] == ["new"] and table.counts["added_rows_shared"] == 1
