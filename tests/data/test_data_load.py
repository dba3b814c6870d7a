"""From YAML and files to the table: every branch that refuses, and what is kept."""

import json

import numpy as np
import pandas as pd
import pytest

from mhclf.data.load import load_table
from mhclf.data.sidecar import HEADER, texts_hash

TEXTS = ["I sleep well", "My chest is tight", "We walked by the lake", "I cannot stop worrying", "Tea helps me"]
LABELS = ["calm", "tense", "calm", "tense", "calm"]
COLUMNS = {"text": "text", "label": "label"}


def csv(**columns):
    base = {"text": TEXTS, "label": LABELS}
    return pd.DataFrame(base | columns).to_csv(index=False)


def jsonl(*rows):
    return "\n".join(json.dumps(row) for row in rows) + "\n"


@pytest.fixture
def load(write_set):
    def load(files, mask=True, **settings):
        return load_table(str(write_set(files, **settings)), mask=mask)

    return load


def with_row(row, **cells):
    columns = {"text": list(TEXTS), "label": list(LABELS)}
    for name, value in cells.items():
        columns.setdefault(name, [f"x{number}" for number in range(5)])[row] = value
    return pd.DataFrame(columns).to_csv(index=False)


def test_ten_lines_of_yaml_are_enough(tmp_path):
    (tmp_path / "rows.csv").write_text(csv())
    (tmp_path / "mine.yaml").write_text(
        "name: mine\ntask: multiclass\nlabels: [calm, tense]\nsource:\n  files: rows.csv\n"
        "columns:\n  text: text\n  label: label\nsplits: {kind: ratio}\n"
    )
    table = load_table(str(tmp_path / "mine.yaml"))
    assert table.texts == TEXTS and table.gold_names() == LABELS and table.targets.tolist() == [0, 1, 0, 1, 0]
    assert table.frame["id"].tolist() == ["000000", "000001", "000002", "000003", "000004"]
    assert table.frame["group"].tolist() == table.frame["id"].tolist()
    assert set(table.frame["split"]) == {"train", "validation", "test"}
    assert table.frame["explanation"].tolist() == [""] * 5 and table.rationales == ()
    assert table.counts == {"rows": 5, "texts_repaired": 0, "texts_masked": 0}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": {"text": "txt", "label": "label"}},
         "rows.csv: no column 'txt', which set.yaml names as text. Did you mean 'text'? Columns there: text, label."),
        ({"columns": {"text": "text", "label": "klass"}},
         "rows.csv: no column 'klass', which set.yaml names as label. Columns there: text, label."),
        ({"columns": COLUMNS | {"id": "key"}},
         "rows.csv: no column 'key', which set.yaml names as id. Columns there: text, label."),
        ({"columns": COLUMNS | {"group": "user"}},
         "rows.csv: no column 'user', which set.yaml names as group. Columns there: text, label."),
        ({"columns": COLUMNS | {"explanation": "why"}},
         "rows.csv: no column 'why', which set.yaml names as explanation. Columns there: text, label."),
        ({"columns": COLUMNS | {"split": "part"}},
         "rows.csv: no column 'part', which set.yaml names as split. Columns there: text, label."),
        ({"rationale": {"column": "why"}},
         "rows.csv: no column 'why', which set.yaml names as rationale. Columns there: text, label."),
        ({"splits": {"kind": "given"}},
         "small: no row belongs to train. Name the split of each file or a split column, "
         "or say 'splits: {kind: ratio}'."),
        ({"columns": COLUMNS | {"group_file": "groups.txt"}},
         "groups.txt: the file of group numbers cannot be read (No such file or directory)."),
    ],
)  # fmt: skip
def test_yaml_and_file_that_do_not_fit(refused, settings, message):
    assert refused({"rows.csv": csv()}, **settings) == message


def test_many_columns_are_not_all_listed(refused):
    wide = csv(**{f"c{number}": range(5) for number in range(20)})
    assert refused({"rows.csv": wide}, columns={"text": "zzz", "label": "label"}) == (
        "rows.csv: no column 'zzz', which set.yaml names as text. "
        "Columns there: text, label, c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, ...."
    )


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"text": ""}, "rows.csv, row 3, column 'text': is empty. Remove the row or fill in the post."),
        ({"text": " \t"}, "rows.csv, row 3, column 'text': is empty. Remove the row or fill in the post."),
        ({"label": ""}, "rows.csv, row 3, column 'label': the label is empty. Fill it in or remove the row."),
        ({"label": "tens"}, "rows.csv, row 3, column 'label': unknown label 'tens'. Did you mean 'tense'? "
         "The YAML lists calm, tense."),
        ({"label": "a post in the wrong column, with private words"}, "rows.csv, row 3, column 'label': a text of 46 "
         "characters is no label. The YAML lists calm, tense."),
    ],
)  # fmt: skip
def test_a_wrong_cell_is_named_by_file_row_and_column(refused, cells, message):
    assert refused({"rows.csv": with_row(2, **cells)}) == message


def test_a_header_without_rows(refused):
    assert refused({"rows.csv": "text,label\n"}) == "rows.csv: has a header but no rows."


@pytest.mark.parametrize(
    ("value", "kind"),
    [(None, "empty"), (float("nan"), "empty"), (3, "no text"), (["a", "b"], "no text"), ({}, "no text")],
)
def test_a_text_that_is_none(refused, value, kind):
    rows = jsonl({"text": "fine", "label": "calm"}, {"text": value, "label": "calm"})
    assert refused({"rows.jsonl": rows}) == (
        f"rows.jsonl, row 2, column 'text': is {kind}. Remove the row or fill in the post."
    )


@pytest.mark.parametrize("texts", [pd.array(["a", None]), ["a", None], pd.Categorical(["a", None])])
def test_a_missing_text_in_parquet(refused, tmp_path, texts):
    pd.DataFrame({"text": texts, "label": ["calm", "tense"]}).to_parquet(tmp_path / "x.parquet")
    assert refused({"rows.parquet": (tmp_path / "x.parquet").read_bytes()}) == (
        "rows.parquet, row 2, column 'text': is empty. Remove the row or fill in the post."
    )


@pytest.mark.parametrize("texts", [[1, 2], [1.5, 2.5], [["a", "b"], ["c"]], [True, False]])
def test_a_parquet_column_without_text(refused, tmp_path, texts):
    pd.DataFrame({"text": texts, "label": ["calm", "tense"]}).to_parquet(tmp_path / "x.parquet")
    assert refused({"rows.parquet": (tmp_path / "x.parquet").read_bytes()}) == (
        "rows.parquet, row 1, column 'text': is no text. Remove the row or fill in the post."
    )


NUMBERED = [{"raw": "0", "name": "calm"}, {"raw": "1", "name": "tense"}]


@pytest.mark.parametrize("cells", [[0, 1, 1], [0.0, 1.0, 1.0], ["0", "1", " 1 "], [0, "1", 1.0]])
def test_numbers_as_labels_in_json(load, cells):
    rows = jsonl(*({"text": f"post {number}", "label": cell} for number, cell in enumerate(cells)))
    assert load({"rows.jsonl": rows}, labels=NUMBERED).targets.tolist() == [0, 1, 1]


def test_numbers_as_labels_beside_an_empty_one(refused):
    rows = jsonl({"text": "a", "label": 1}, {"text": "b", "label": None})
    assert refused({"rows.jsonl": rows}, labels=NUMBERED) == (
        "rows.jsonl, row 2, column 'label': the label is empty. Fill it in or remove the row."
    )
    rows = jsonl({"text": "a", "label": 1}, {"text": "b"})
    assert refused({"rows.jsonl": rows}, labels=NUMBERED) == (
        "rows.jsonl, row 2, column 'label': the label is empty. Fill it in or remove the row."
    )


@pytest.mark.parametrize(
    "labels", [[0, 1, 1], [0.0, 1.0, 1.0], pd.array([0, 1, 1], dtype="Int64"), [False, True, True]]
)
def test_numbers_as_labels_in_parquet(load, tmp_path, labels):
    frame = pd.DataFrame({"text": ["a", "b", "c"], "label": labels})
    frame.to_parquet(tmp_path / "x.parquet")
    raw = ["false", "true"] if isinstance(labels[0], bool) else ["0", "1"]
    pairs = [{"raw": raw[0], "name": "calm"}, {"raw": raw[1], "name": "tense"}]
    table = load({"rows.parquet": (tmp_path / "x.parquet").read_bytes()}, labels=pairs)
    assert table.targets.tolist() == [0, 1, 1]


def test_a_label_may_be_called_nan_or_none(load):
    table = load({"rows.csv": csv(label=["None", "nan", "None", "nan", "nan"])}, labels=["nan", "None"])
    assert table.targets.tolist() == [1, 0, 1, 0, 0]


def test_ids_are_kept_and_stand_once(load, refused):
    columns = COLUMNS | {"id": "id"}
    assert load({"rows.csv": csv(id=["007", "08", "a", "b", "c"])}, columns=columns).frame["id"].tolist() == [
        "007", "08", "a", "b", "c"
    ]  # fmt: skip
    assert refused({"rows.csv": csv(id=["a", "b", "a", "b", "a"])}, columns=columns) == (
        "rows.csv, row 3, column 'id': the id stands already in rows.csv, row 1 (2 such ids). "
        "Give each row its own id, or leave 'columns: id' out to number the rows."
    )
    assert refused({"rows.csv": csv(id=["a", "b", "", "d", "e"])}, columns=columns) == (
        "rows.csv, row 3, column 'id': the id is empty. "
        "Give each row its own id, or leave 'columns: id' out to number the rows."
    )


def test_long_number_ids_are_exact(load):
    rows = jsonl(*({"text": f"post {n}", "label": "calm", "id": 900719925474099300 + n} for n in range(3)))
    table = load({"rows.jsonl": rows}, columns=COLUMNS | {"id": "id"})
    assert table.frame["id"].tolist() == ["900719925474099300", "900719925474099301", "900719925474099302"]


def test_an_id_may_not_stand_in_two_files(refused):
    columns = COLUMNS | {"id": "id"}
    files = {"train.csv": csv(id=list("abcde")), "test.csv": csv(id=list("vwxyc"))}
    source = {"files": {"train": "train.csv", "test": "test.csv"}}
    assert refused(files, columns=columns, source=source, splits={}) == (
        "test.csv, row 5, column 'id': the id stands already in train.csv, row 3 (1 such ids). "
        "Give each row its own id, or leave 'columns: id' out to number the rows."
    )


def test_rows_are_numbered_over_all_files(load):
    files = {"train.csv": csv(), "dev.csv": csv(), "test.csv": csv()}
    source = {"files": {"train": "train.csv", "dev": "dev.csv", "test": "test.csv"}}
    frame = load(files, source=source, splits={}).frame
    assert frame["id"].tolist() == [f"{number:06d}" for number in range(15)]
    assert frame["split"].tolist() == ["train"] * 5 + ["validation"] * 5 + ["test"] * 5


@pytest.mark.parametrize("name", ["val", "valid", "dev", "validation", "eval", " VALID ", "Dev"])
def test_names_of_the_validation_part(load, name):
    files = {"rows.csv": csv(part=["train", "train", name, "test", "test"])}
    table = load(files, columns=COLUMNS | {"split": "part"}, splits={})
    assert table.frame["split"].tolist() == ["train", "train", "validation", "test", "test"]


def test_a_wrong_split_name(refused):
    assert refused({"rows.csv": csv()}, source={"files": {"trainings": "rows.csv"}}, splits={}) == (
        "set.yaml: 'trainings' is no split. Known: train, validation, test."
    )
    files = {"rows.csv": csv(part=["train", "train", "a whole post in the wrong column", "test", "test"])}
    assert refused(files, columns=COLUMNS | {"split": "part"}, splits={}) == (
        "rows.csv, row 3, column 'part': a text of 32 characters is no split. Known: train, validation, test."
    )
    files = {"rows.csv": csv(part=["train", "train", "dev", "Eval", "eval"])}
    assert refused(files, columns=COLUMNS | {"split": "part"}, splits={}) == (
        "rows.csv, row 4, column 'part': 'Eval' is no split. Known: train, validation, test. Another name of the "
        "validation part stands beside it: rename it to test or validation."
    )


def test_groups_from_a_column_and_rows_without_one(load):
    table = load({"rows.csv": csv(user=["u1", "", "u1", "", "u2"])}, columns=COLUMNS | {"group": "user"})
    assert table.frame["group"].tolist() == ["u1", "(none) 000001", "u1", "(none) 000003", "u2"]
    assert table.counts["rows_without_group"] == 2


@pytest.mark.parametrize("missing", [None, float("nan"), ""])
def test_number_groups_in_json(load, missing):
    cells = [7, missing, 7.0, 8, missing]
    rows = jsonl(*({"text": t, "label": c, "user": u} for t, c, u in zip(TEXTS, LABELS, cells, strict=True)))
    table = load({"rows.jsonl": rows}, columns=COLUMNS | {"group": "user"})
    assert table.frame["group"].tolist() == ["7", "(none) 000001", "7", "8", "(none) 000004"]


def test_groups_from_a_file(load, refused):
    columns = COLUMNS | {"group_file": "groups.txt"}
    table = load({"rows.csv": csv(), "groups.txt": "0\n0\n1\n2\n2\n"}, columns=columns)
    assert table.frame["group"].tolist() == ["0", "0", "1", "2", "2"]
    assert refused({"rows.csv": csv(), "groups.txt": "0\n0\n"}, columns=columns) == (
        "groups.txt: holds 2 group numbers for 5 rows. Make it again for these files."
    )
    assert refused({"rows.csv": csv(), "groups.txt": b"\xff\xfe"}, columns=columns) == (
        "groups.txt: the file of group numbers cannot be read (not UTF-8 text)."
    )


def test_the_group_file_is_not_read_where_it_is_being_made(write_set):
    path = write_set({"rows.csv": csv()}, columns=COLUMNS | {"group_file": "none.txt"})
    table = load_table(str(path), sidecars=False)
    assert table.frame["group"].tolist() == table.frame["id"].tolist()


MULTI = {"task": "multilabel", "labels": ["sleep", "work"]}


def test_one_column_for_each_label(load):
    table = load(
        {"rows.csv": csv(s=["1", "0", "1.0", "True", "false"], w=["0", "0", "1", "1", "0"])},
        **MULTI,
        columns={"text": "text", "label": ["s", "w"]},
    )
    assert table.targets.tolist() == [[1, 0], [0, 0], [1, 1], [1, 1], [0, 0]]
    assert table.gold_names() == [["sleep"], [], ["sleep", "work"], ["sleep", "work"], []]


@pytest.mark.parametrize(
    ("cell", "shown"), [("2", "2"), ("", ""), ("yes", "yes"), ("x" * 30, "xxxxxxxxxxxx... (30 characters)")]
)
def test_a_label_column_holds_zeros_and_ones(refused, cell, shown):
    files = {"rows.csv": csv(s=["1", "0", cell, "1", "0"], w=["0"] * 5)}
    assert refused(files, **MULTI, columns={"text": "text", "label": ["s", "w"]}) == (
        f"rows.csv, row 3, column 's': '{shown}' is neither 0 nor 1. Mend the cell."
    )


def test_one_column_with_lists_in_json(load):
    cells = [["sleep"], [], ["work", "sleep"], None, "work"]
    rows = jsonl(*({"text": text, "label": cell} for text, cell in zip(TEXTS, cells, strict=True)))
    assert load({"rows.jsonl": rows}, **MULTI).targets.tolist() == [[1, 0], [0, 0], [1, 1], [0, 0], [0, 1]]


def test_one_column_with_lists_in_csv_and_parquet(load, tmp_path):
    text_cells = ["sleep, work", "", "work", " sleep ,", "work"]
    expected = [[1, 1], [0, 0], [0, 1], [1, 0], [0, 1]]
    assert load({"rows.csv": csv(label=text_cells)}, **MULTI).targets.tolist() == expected
    lists = [[item.strip() for item in cell.split(",") if item.strip()] for cell in text_cells]
    pd.DataFrame({"text": TEXTS, "label": lists}).to_parquet(tmp_path / "x.parquet")
    assert load({"rows.parquet": (tmp_path / "x.parquet").read_bytes()}, **MULTI).targets.tolist() == expected


def test_single_numbers_in_a_list_column_are_labels(load):
    rows = jsonl({"text": "a", "label": 1}, {"text": "b", "label": [0, 1]}, {"text": "c", "label": 0})
    table = load({"rows.jsonl": rows}, task="multilabel", labels=NUMBERED)
    assert table.targets.tolist() == [[0, 1], [1, 1], [1, 0]]


def test_an_unknown_label_in_a_list(refused):
    rows = jsonl({"text": "a", "label": ["sleep"]}, {"text": "b", "label": ["sleep", "wrk"]})
    assert refused({"rows.jsonl": rows}, **MULTI) == (
        "rows.jsonl, row 2, column 'label': unknown label 'wrk'. Did you mean 'work'? The YAML lists sleep, work."
    )


def evidence(table):
    return [[text[a:b] for a, b in item.spans] for text, item in zip(table.texts, table.rationales, strict=True)]


def test_phrases_are_located_and_counted(load):
    cells = ["sleep well", "chest, tight", "by the lake; sunshine", "", "coffee"]
    table = load({"rows.csv": csv(why=cells)}, rationale={"column": "why"})
    assert evidence(table) == [["sleep well"], ["chest", "tight"], ["by the lake"], [], []]
    assert table.counts == {
        "rows": 5, "texts_repaired": 0, "texts_masked": 0, "rationales": 4, "rationales_located_fully": 2,
        "rationales_located_partly": 1, "rationales_not_located": 1,
    }  # fmt: skip


def test_phrases_as_lists(load):
    rows = jsonl(
        {"text": "tired, sad, and 7 more", "label": "calm", "why": ["sad", "tired, sad"]},
        {"text": "room 7", "label": "calm", "why": 7},
        {"text": "fine", "label": "tense", "why": None},
    )
    assert evidence(load({"rows.jsonl": rows}, rationale={"column": "why"})) == [["tired, sad"], ["7"], []]


def test_rationales_move_with_repair_and_masks(load):
    text = "@sam_lee thinks it‚Äôs fine but I‚Äôm tired of @kim"
    rows = jsonl(
        {"text": text, "label": "calm", "why": "I‚Äôm tired of @kim"},
        {"text": "fine", "label": "tense", "why": "fine"},
        {"text": "so so", "label": "tense", "why": "so"},
    )
    rule = {"column": "why"}
    table = load({"rows.jsonl": rows}, rationale=rule)
    assert table.texts[0] == "@user thinks it’s fine but I’m tired of @user"
    assert evidence(table) == [["I’m tired of @user"], ["fine"], ["so"]]
    assert (table.counts["texts_repaired"], table.counts["texts_masked"]) == (1, 1)
    unmasked = load({"rows.jsonl": rows}, rationale=rule, mask=False)
    assert evidence(unmasked)[0] == ["I’m tired of @kim"] and unmasked.counts["texts_masked"] == 0
    unrepaired = load({"rows.jsonl": rows}, rationale=rule, repair=False)
    assert evidence(unrepaired)[0] == ["I‚Äôm tired of @user"] and unrepaired.counts["texts_repaired"] == 0


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("as_text", [True, False])
@pytest.mark.parametrize(
    ("kind", "spans", "expected"),
    [
        ("char_spans", [[2, 7], [0, 1]], [["I", "sleep"]]),
        ("char_spans", [[2, 7], [5, 12]], [["sleep well"]]),
        ("char_spans", [[0, 12]], [["I sleep well"]]),
        ("token_spans", [[2, 3], [0, 1]], [["I", "well"]]),
        ("token_spans", [[0, 2], [1, 3]], [["I sleep well"]]),
        ("token_spans", [], [[]]),
    ],
)
def test_spans(load, kind, spans, expected, mask, as_text):
    rows = [{"text": "I sleep well", "label": "calm", "why": json.dumps(spans) if as_text else spans}]
    rows += [{"text": f"post {n}", "label": "tense", "why": None} for n in range(3)]
    table = load({"rows.jsonl": jsonl(*rows)}, mask=mask, rationale={"column": "why", "kind": kind})
    assert evidence(table) == [*expected, [], [], []]
    assert (table.rationales[0].parts, table.rationales[0].located) == (len(spans), len(spans))


PAIRS = "expected [start, end] pairs, such as [[0, 12], [20, 31]]."


@pytest.mark.parametrize(
    ("kind", "cell", "message"),
    [
        ("char_spans", [[0, 99]], "the span [0, 99] lies outside the 12 characters of the text."),
        ("char_spans", [[5, 2]], "the span [5, 2] lies outside the 12 characters of the text."),
        ("char_spans", [[3, 3]], "the span [3, 3] lies outside the 12 characters of the text."),
        ("char_spans", [[-4, 2]], "the span [-4, 2] lies outside the 12 characters of the text."),
        ("token_spans", [[0, 4]], "the token span [0, 4] lies outside the 3 words of the text."),
        ("token_spans", [[1, 1]], "the token span [1, 1] lies outside the 3 words of the text."),
        ("char_spans", "sleep", PAIRS),
        ("char_spans", [1, 2], PAIRS),
        ("char_spans", [[1]], PAIRS),
        ("char_spans", 5, PAIRS),
        ("char_spans", {"start": 1, "end": 2}, PAIRS),
        ("char_spans", "[[0, Infinity]]", PAIRS),
        ("char_spans", "[" * 100_000, PAIRS),
    ],
)
def test_spans_that_do_not_fit(refused, kind, cell, message):
    rows = jsonl({"text": "fine", "label": "calm"}, {"text": "I sleep well", "label": "calm", "why": cell})
    assert refused({"rows.jsonl": rows}, rationale={"column": "why", "kind": kind}) == (
        f"rows.jsonl, row 2, column 'why': {message}"
    )


def test_explanations_are_repaired_and_masked_like_texts(load):
    rows = jsonl(
        {"text": "a", "label": "calm", "why": "it‚Äôs what @kim_9 said"},
        {"text": "b", "label": "tense", "why": None},
        {"text": "c", "label": "tense", "why": 3},
    )
    columns = COLUMNS | {"explanation": "why"}
    assert load({"r.jsonl": rows}, columns=columns).frame["explanation"].tolist() == ["it’s what @user said", "", "3"]
    plain = load({"r.jsonl": rows}, mask=False, columns=columns, repair=False)
    assert plain.frame["explanation"].tolist() == ["it‚Äôs what @kim_9 said", "", "3"]


def test_explanations_in_a_categorical_parquet_column(load, tmp_path):
    why = pd.Categorical(["worry", None, "worry"])
    pd.DataFrame({"text": ["a", "b", "c"], "label": ["calm"] * 3, "why": why}).to_parquet(tmp_path / "x.parquet")
    table = load({"r.parquet": (tmp_path / "x.parquet").read_bytes()}, columns=COLUMNS | {"explanation": "why"})
    assert table.frame["explanation"].tolist() == ["worry", "", "worry"]


def test_half_an_emoji_in_json_reaches_hashes_and_split(load):
    rows = '{"text": "cut \\ud83d", "label": "calm"}\n' + jsonl(
        {"text": "b", "label": "calm"}, {"text": "c", "label": "tense"}
    )
    assert load({"rows.jsonl": rows}).texts == ["cut \ufffd", "b", "c"]


@pytest.mark.parametrize("text", ["x" * 200_000, "a\r\nb\rc", "😀👍🏽", "我很累", "nul\0byte", "\u200bzero"])
def test_odd_texts_stay_as_they_are(load, text):
    rows = jsonl({"text": text, "label": "calm"}, {"text": "b", "label": "calm"}, {"text": "c", "label": "tense"})
    assert load({"rows.jsonl": rows}).texts[0] == text


def test_split_seed_replaces_the_seed_of_the_yaml(write_set):
    texts = [f"post number {number}" for number in range(60)]
    rows = pd.DataFrame({"text": texts, "label": ["calm", "tense"] * 30}).to_csv(index=False)
    path = str(write_set({"rows.csv": rows}, splits={"kind": "ratio", "seed": 5}))
    splits = {seed: load_table(path, split_seed=seed).frame["split"].tolist() for seed in (None, 5, 6, 0)}
    assert splits[None] == splits[5]
    assert splits[5] != splits[6] != splits[0]


def test_select_and_part_keep_rows_together(load):
    cells = ["sleep well", "chest", "lake", "worrying", "Tea"]
    parts = ["train", "test", "train", "test", "validation"]
    table = load(
        {"rows.csv": csv(why=cells, part=parts)},
        rationale={"column": "why"},
        columns=COLUMNS | {"split": "part"},
        splits={},
    )
    test = table.part("test")
    assert (test.texts, test.targets.tolist(), evidence(test)) == (
        [TEXTS[1], TEXTS[3]], [1, 1], [["chest"], ["worrying"]]
    )  # fmt: skip
    assert len(table.select([4, 0])) == 2 and table.select([4, 0]).texts == [TEXTS[4], TEXTS[0]]
    assert table.select(np.array([False, True, False, False, False])).texts == [TEXTS[1]]
    assert len(table.select([])) == 0


def test_a_group_file_made_for_other_rows_is_refused(load, refused):
    columns = COLUMNS | {"group_file": "groups.txt"}
    header = f"{HEADER}{texts_hash(TEXTS)}\n"
    table = load({"rows.csv": csv(), "groups.txt": header + "0\n0\n1\n2\n2\n"}, columns=columns)
    assert table.frame["group"].tolist() == ["0", "0", "1", "2", "2"]
    other = header.replace(header[-5:-1], "0000")
    assert refused({"rows.csv": csv(), "groups.txt": other + "0\n0\n1\n2\n2\n"}, columns=columns) == (
        "groups.txt: was made for other rows or another order. Make it again for these files."
    )
