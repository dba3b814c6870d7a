"""IMHI files (queries, answers, questions) and ERASER files (annotations and documents)."""

import gzip
import json

import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mhclf.config.source import FileConfig, SourceConfig
from mhclf.data.answers import label_of_answer, published_label
from mhclf.data.load import load_table
from mhclf.data.readers.eraser import read_eraser
from mhclf.data.readers.imhi import parse_imhi
from mhclf.errors import ConfigError, DataError


def jsonl(*rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


def parsed(*rows):
    return parse_imhi(pd.DataFrame(rows, dtype=object), "q.csv").to_dict("records")


def refused(*rows):
    with pytest.raises(DataError) as error:
        parsed(*rows)
    return str(error.value)


CONSIDER = 'Consider this post: "{post}" Question: {question}'
POST = "Post: {post} Question: {question}"
POSTS = [
    "I slept badly",
    'she said "go" and I went',
    "two\nlines\n\nand a third",
    "My Question: is it over? I asked",
    'they asked: " Question: why?" and laughed',
    'ends with a quote"',
    "  blanks around  ",
    "Post: inside Consider this post:",
]


@pytest.mark.parametrize("form", [CONSIDER, POST])
@pytest.mark.parametrize("post", POSTS)
def test_both_forms_of_a_query(form, post):
    query = form.format(post=post, question="Does the poster suffer from stress?")
    assert parsed({"query": query, "gpt-3.5-turbo": "Yes. Reasoning: The poster is tired.\nVery."}) == [
        {
            "post": post.strip(),
            "question": "Does the poster suffer from stress?",
            "answer": "Yes.",
            "explanation": "The poster is tired.\nVery.",
        }
    ]


@settings(max_examples=200, deadline=None)
@given(st.text(), st.text().filter(lambda text: "Question:" not in text), st.sampled_from([CONSIDER, POST]))
def test_any_post_comes_back(post, question, form):
    (row,) = parsed({"query": form.format(post=post, question=question), "response": "No."})
    assert (row["post"], row["question"]) == (post.strip(), question.strip())


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("Yes, very. Reasoning: She is tired.", ("Yes, very.", "She is tired.")),
        ("Yes, very.", ("Yes, very.", "")),
        ("Yes. Reasoning: One. Reasoning: Two.", ("Yes.", "One. Reasoning: Two.")),
        ("  Reasoning: Only this.", ("", "Only this.")),
        ("yes reasoning: in small letters", ("yes reasoning: in small letters", "")),
        ("", ("", "")),
    ],
)
def test_answer_and_explanation(answer, expected):
    (row,) = parsed({"post": "tea", "question": "Why?", "response": answer})
    assert (row["answer"], row["explanation"]) == expected


@pytest.mark.parametrize("column", ["gpt-3.5-turbo", "response", "curie-instruct-beta"])
def test_names_of_the_answer_column(column):
    (row,) = parsed({"query": POST.format(post="tea", question="Why?"), "other": "x", column: "No."})
    assert row == {"post": "tea", "question": "Why?", "answer": "No.", "explanation": ""}


def test_the_first_answer_column_counts():
    (row,) = parsed({"post": " tea ", "question": " Why? ", "response": "second", "gpt-3.5-turbo": "first"})
    assert row == {"post": "tea", "question": "Why?", "answer": "first", "explanation": ""}


COLUMNS = (
    "q.csv: an IMHI file has the columns 'query' (or 'post' and 'question') and one of gpt-3.5-turbo, response, "
    "curie-instruct-beta."
)


@pytest.mark.parametrize(
    "row", [{"query": "x"}, {"post": "x", "response": "x"}, {"question": "x", "response": "x"}, {"response": "x"}]
)
def test_missing_columns(row):
    assert refused(row) == COLUMNS


@pytest.mark.parametrize(
    "query",
    [
        "just a post",
        'Consider this post: "tea" and no more',
        "tea Question: Why?",
        "Consider this post: tea Question: Why?",
        "",
        None,
    ],
)
def test_a_query_that_does_not_parse(query):
    good = {"query": POST.format(post="tea", question="Why?"), "response": "No."}
    assert refused(good, good | {"query": query}) == (
        "q.csv, row 2, column 'query': holds no 'Consider this post:' and 'Question:'."
    )


# Labels out of answers.

LABELS = ["bias or abuse", "jobs and career", "work", "social work", "medication", "no", "alienation", "self-harm"]
PAIRS = [("work", "work"), ("no", "no"), ("medic", "medication"), ("bias or abuse", "bias or abuse")]


@pytest.mark.parametrize(
    ("answer", "ours", "published"),
    [
        ("The cause is medication.", "medication", "medication"),
        ("MEDICATION!", "medication", "medication"),
        ("He works at night", None, "work"),
        ("social work", "social work", "work"),
        ("Social Work, and more social work", "social work", "work"),
        ("work, not social work", None, "work"),
        ("no", "no", "no"),
        ("not medication", "medication", "no"),
        ("I do not know", None, "no"),
        ("bias or abuse or alienation", None, "bias or abuse"),
        ("self-harm", "self-harm", None),
        ("jobs and careers", None, None),
        ("no_one", None, "no"),
        ("", None, None),
    ],
)
def test_our_rule_and_the_published_one(answer, ours, published):
    assert label_of_answer(answer, LABELS) == ours
    assert published_label(answer, PAIRS) == published


def test_the_published_rule_takes_the_first_part_of_its_own_order():
    assert published_label("yes and no", [("no", "b"), ("yes", "a")]) == "b"
    assert published_label("yes and no", [("yes", "a"), ("no", "b")]) == "a"
    assert published_label("YES", [("yes", "a")]) == "a" and published_label("yes", []) is None


FILLER = st.lists(
    st.sampled_from(["the", "poster", "worker", "nothing", "know", "medications", "self", "harm", "bias", "or", "and",
                     "jobs", "social", "\u00e9t\u00e9", "42", "\u6211"]), max_size=5
).map(" ".join)  # fmt: skip
BORDER = st.sampled_from(["", " ", ".", ", ", '"', "\n", "-", "'", "(", ")"])


@settings(max_examples=300, deadline=None)
@given(FILLER, BORDER, st.sampled_from(LABELS), BORDER, FILLER, st.booleans())
def test_a_whole_word_label_is_found_in_any_sentence_around_it(before, left, label, right, after, capitals):
    left, right = left or " ", right or " "
    answer = f"{before}{left}{label.upper() if capitals else label}{right}{after}"
    # "social" before "work" makes another label.
    assume(not (label == "work" and before.endswith("social") and left == " "))
    assert label_of_answer(answer, LABELS) == label
    assert label_of_answer(f"{answer}. {label}", LABELS) == label
    assert label_of_answer(answer, [other for other in LABELS if other not in (label, "work")]) is None


@settings(max_examples=200, deadline=None)
@given(FILLER, st.sampled_from(LABELS), st.sampled_from(["x", "9", "_", "\u00e9"]), st.booleans())
def test_a_label_inside_a_word_is_not_found(filler, label, letter, before):
    assume("work" not in label)
    glued = f"{letter}{label}" if before else f"{label}{letter}"
    assert label_of_answer(f"{filler} {glued}", LABELS) is None


@settings(max_examples=200, deadline=None)
@given(st.permutations(["medication", "no", "alienation", "self-harm"]), st.sampled_from([", ", " and ", "\n"]))
def test_two_labels_are_none(labels, between):
    assert label_of_answer(between.join(labels[:2]), LABELS) is None
    # The order of the YAML does not matter.
    assert label_of_answer(labels[0], labels) == label_of_answer(labels[0], labels[::-1]) == labels[0]


def test_signs_in_labels_are_no_patterns():
    assert label_of_answer("c++ it is", ["c++", "c."]) == "c++" and label_of_answer("cx", ["c."]) is None


# Whole sets.

SET = {
    "labels": [{"raw": ["no", "nope"], "name": "calm"}, {"raw": "yes", "name": "tense"}],
    "columns": {
        "text": "post",
        "label": "answer",
        "label_kind": "answer",
        "explanation": "explanation",
        "group": "post_id",
        "context": "question",
    },
}
ROWS = [
    {"query": CONSIDER.format(post="I slept, badly", question="Is it stress?"), "response": "Yes. Reasoning: Bad."},
    {"query": POST.format(post="tea at four", question="Is it stress?"), "response": "Nope, not at all. Yesterday"},
    {"query": POST.format(post="i slept badly!", question="Is it work?"), "response": "No. Reasoning: Who knows?"},
    {"query": POST.format(post="rain", question="Is it work?"), "response": "The answer: no."},
]


def imhi(name, **cells):
    return {"path": name, "format": "imhi"} | cells


def test_an_imhi_set(write_set):
    content = pd.DataFrame(ROWS).to_csv(index=False)
    path = write_set({"q.csv": content}, source={"files": imhi("q.csv")}, **SET)
    table = load_table(str(path))
    assert table.texts == ["I slept, badly", "tea at four", "i slept badly!", "rain"]
    assert table.gold_names() == ["tense", "calm", "calm", "calm"]
    assert table.contexts == ["Is it stress?", "Is it stress?", "Is it work?", "Is it work?"]
    assert table.frame["explanation"].tolist() == ["Bad.", "", "Who knows?", ""]
    groups = table.frame["group"].tolist()
    assert groups[0] == groups[2] and len(set(groups)) == 3
    for group in groups:
        assert len(group) == 16 and set(group) <= set("0123456789abcdef")
    assert "labels_read_otherwise_by_the_published_rule" not in table.counts


@pytest.mark.parametrize("name", ["q.jsonl", "q.json", "q.csv.gz", "q.tsv"])
def test_an_imhi_file_may_have_any_ending(write_set, name):
    content = {
        "q.jsonl": jsonl(*ROWS),
        "q.json": json.dumps(ROWS),
        "q.csv.gz": gzip.compress(pd.DataFrame(ROWS).to_csv(index=False).encode()),
        "q.tsv": pd.DataFrame(ROWS).to_csv(index=False, sep="\t"),
    }[name]
    table = load_table(str(write_set({name: content}, source={"format": "imhi", "files": name}, **SET)))
    assert table.texts == ["I slept, badly", "tea at four", "i slept badly!", "rain"]


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        # "no" is in "Nope"; "yes" in "Yesterday", but after it in this order.
        ([["no", "no"], ["yes", "yes"]], 0),
        # "Yesterday" is read as yes.
        ([["yes", "yes"], ["no", "no"]], 1),
        # Other raw values of one label agree; nothing is read out of "Yes".
        ([["no", "nope"]], 1),
        ([["the poster", "no"]], 4),
    ],
)
def test_the_answers_that_the_published_rule_reads_otherwise_are_counted(write_set, rule, count):
    path = write_set({"q.jsonl": jsonl(*ROWS)}, source={"files": imhi("q.jsonl")}, published_labels=rule, **SET)
    assert load_table(str(path)).counts["labels_read_otherwise_by_the_published_rule"] == count


def test_a_published_rule_is_pairs(write_set):
    path = write_set({"q.jsonl": jsonl(*ROWS)}, source={"files": imhi("q.jsonl")}, published_labels=[["no"]], **SET)
    with pytest.raises(ConfigError) as error:
        load_table(str(path))
    assert str(error.value) == f"{path}: published_labels: expected [part of the answer, label] pairs."


def test_an_answer_without_a_label_is_named_without_being_shown(write_set):
    rows = [*ROWS[:2], {"query": POST.format(post="bus", question="Why?"), "response": "Perhaps so"}]
    path = write_set({"q.jsonl": jsonl(*rows)}, source={"files": imhi("q.jsonl")}, **SET)
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/q.jsonl, row 3, column 'answer': the answer of 10 characters names none or several of the "
        "labels no, nope, yes. Mend the row or the YAML's labels."
    )


QUESTIONS = {"belong": "Does she belong?", "burden": "Is she a burden?"}
HUMAN = "text,belong,burden\ntea at four,1,0\nrain again,0.0,1.0\nTEA at four!,0,1\n"


def with_questions(write_set, content=HUMAN, **settings):
    source = {"files": [{"path": "h.csv", "rename": {"text": "post"}, "questions": QUESTIONS}]}
    columns = {"text": "post", "label": "answer", "group": "post_id", "context": "question"}
    path = write_set({"h.csv": content}, **({"source": source, "columns": columns, "labels": ["no", "yes"]} | settings))
    return path


def test_every_row_becomes_one_row_a_question(write_set):
    table = load_table(str(with_questions(write_set)), sidecars=False)
    assert table.texts == ["tea at four"] * 2 + ["rain again"] * 2 + ["TEA at four!"] * 2
    assert table.contexts == ["Does she belong?", "Is she a burden?"] * 3
    assert table.gold_names() == ["yes", "no", "no", "yes", "no", "yes"]
    groups = table.frame["group"].tolist()
    assert groups[0] == groups[1] == groups[4] == groups[5] != groups[2] == groups[3]
    assert "tea" not in "".join(groups) and len(groups[0]) == 16
    assert table.frame["id"].is_unique and table.counts["rows"] == 6


def test_questions_of_one_post_stay_in_one_part(write_set):
    content = "text,belong,burden\n" + "".join(f"post {number},{number % 2},0\n" for number in range(30))
    frame = load_table(str(with_questions(write_set, content))).frame
    assert frame.groupby("text")["split"].nunique().max() == 1 and set(frame["split"]) == {
        "train",
        "validation",
        "test",
    }


def test_questions_beside_an_imhi_file_share_the_groups_of_posts(write_set):
    source = {
        "files": {
            "train": {"path": "h.csv", "rename": {"text": "post"}, "questions": QUESTIONS},
            "test": imhi("q.jsonl"),
        }
    }
    files = {"h.csv": HUMAN, "q.jsonl": jsonl(*ROWS)}
    path = write_set(files, **(SET | {"source": source}), splits={"validation": 0.34})
    frame = load_table(str(path)).frame
    tea = frame[frame["text"].str.lower().str.startswith("tea at four")]
    assert len(tea) == 5 and tea["group"].nunique() == 1
    assert frame["explanation"].tolist()[:6] == [""] * 6


@pytest.mark.parametrize(("cell", "shown"), [("2", "2"), ("", ""), ("yes", "yes"), ("0.5", "0.5")])
def test_a_question_column_holds_zeros_and_ones(write_set, cell, shown):
    path = with_questions(write_set, HUMAN + f"bus,0,{cell}\n")
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/h.csv, row 4, column 'burden': '{shown}' is neither 0 nor 1. Mend the cell."
    )


def test_a_question_for_a_column_that_is_not_there(write_set):
    path = with_questions(write_set, HUMAN.replace("burden", "burdens"))
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/h.csv: no column 'burden', which 'questions' names. Did you mean 'burdens'?"
    )


# ERASER.

DOCUMENTS = [
    {"docid": "d1", "text": "the bus was late and I was cold"},
    {"docid": "d2", "text": "tea at four"},
    {"docid": 3, "text": "no evidence here"},
]


def note(number, label, *groups, docid="d1"):
    pieces = [[{"docid": docid, "start_token": a, "end_token": b} for a, b in group] for group in groups]
    return {"annotation_id": number, "classification": label, "evidences": pieces}


NOTES = [
    note("n1", "tense", [(1, 4)], [(7, 8), (5, 6)]),
    note("n2", "calm", [(0, 1)], docid="d2"),
    note(3, "calm"),
]


@pytest.fixture
def eraser(tmp_path):
    def eraser(notes, documents=DOCUMENTS, name="notes.json"):
        path = tmp_path / name
        content = (jsonl(*notes) if ".jsonl" in name.lower() else json.dumps(notes)).encode()
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        (tmp_path / "docs.jsonl").write_text(jsonl(*documents))
        return read_eraser(path, tmp_path / "docs.jsonl")

    return eraser


@pytest.fixture
def eraser_refused(eraser, tmp_path):
    def refused(*arguments, **more):
        with pytest.raises(DataError) as error:
            eraser(*arguments, **more)
        return str(error.value).replace(f"{tmp_path}/", "")

    return refused


@pytest.mark.parametrize("name", ["notes.json", "notes.jsonl", "notes.json.gz", "NOTES.JSONL"])
def test_annotations_are_joined_to_their_documents(eraser, name):
    assert eraser(NOTES, name=name).to_dict("records") == [
        {"id": "n1", "text": "the bus was late and I was cold", "label": "tense",
         "rationale": [[1, 4], [7, 8], [5, 6]]},
        {"id": "n2", "text": "tea at four", "label": "calm", "rationale": [[0, 1]]},
        {"id": 3, "text": "no evidence here", "label": "calm", "rationale": []},
    ]  # fmt: skip


def test_evidence_in_two_documents(eraser_refused):
    notes = [NOTES[1], note("n1", "calm", [(0, 1)])]
    notes[1]["evidences"].append([{"docid": "d2", "start_token": 0, "end_token": 1}])
    assert eraser_refused(notes) == ("notes.json, row 2: has evidence in 2 documents; one document a row can be read.")


def test_a_missing_document(eraser_refused):
    assert eraser_refused([NOTES[0], note("x" * 60, "calm")]) == (
        f"notes.json, row 2: its document '{'x' * 40}' is not in docs.jsonl."
    )
    assert eraser_refused([note("n", "calm", [(0, 1)], docid="d9")]) == (
        "notes.json, row 1: its document 'd9' is not in docs.jsonl."
    )


@pytest.mark.parametrize("key", ["annotation_id", "classification", "evidences"])
def test_a_key_that_no_annotation_has(eraser_refused, key):
    notes = [{name: value for name, value in row.items() if name != key} for row in NOTES]
    assert eraser_refused(notes) == f"notes.json, row 1: has no '{key}', which every ERASER annotation needs."


@pytest.mark.parametrize(
    "evidence",
    [
        None,
        3,
        [[{"docid": "d1", "start_token": 0}]],
        [{"docid": "d1", "start_token": 0, "end_token": 1}],
        [[{"docid": "d1", "start_token": "x", "end_token": 1}]],
        [[{"docid": "d1", "start_token": float("inf"), "end_token": 1}]],
        [[[0, 1]]],
    ],
)
def test_evidence_of_another_form(eraser_refused, evidence):
    notes = [NOTES[1], {"annotation_id": "d1", "classification": "calm", "evidences": evidence}]
    assert eraser_refused(notes) == (
        "notes.json, row 2: 'evidences' does not hold groups of docid, start_token and end_token as ERASER has them."
    )


def eraser_set(write_set, notes, documents=DOCUMENTS, **settings):
    files = {"notes.jsonl": jsonl(*notes), "docs.jsonl.gz": gzip.compress(jsonl(*documents).encode())}
    return write_set(
        files,
        source={"format": "eraser", "files": {"path": "notes.jsonl", "documents": "docs.jsonl.gz"}},
        columns={"id": "id", "text": "text", "label": "label"},
        rationale={"column": "rationale", "kind": "token_spans"},
        **settings,
    )


def test_an_eraser_set(write_set):
    table = load_table(str(eraser_set(write_set, NOTES)))
    assert table.frame["id"].tolist() == ["n1", "n2", "3"] and table.gold_names() == ["tense", "calm", "calm"]
    cut = [[text[a:b] for a, b in item.spans] for text, item in zip(table.texts, table.rationales, strict=True)]
    assert cut == [["bus was late", "I", "cold"], ["tea"], []]
    assert table.counts["rationales"] == 2 == table.counts["rationales_located_fully"]


def test_an_eraser_token_outside_the_document(write_set):
    path = eraser_set(write_set, [NOTES[2], note("n1", "calm", [(7, 9)])])
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/notes.jsonl, row 2, column 'rationale': the token span [7, 9] lies outside the 8 words of the "
        "text."
    )


def test_an_eraser_document_without_text_is_an_empty_post(write_set):
    path = eraser_set(write_set, [NOTES[1], note("d4", "calm")], [*DOCUMENTS, {"docid": "d4"}])
    with pytest.raises(DataError) as error:
        load_table(str(path))
    assert str(error.value) == (
        f"{path.parent}/notes.jsonl, row 2, column 'text': is empty. Remove the row or fill in the post."
    )


def test_eraser_documents_that_are_nowhere(write_set):
    path = eraser_set(write_set, NOTES)
    (path.parent / "docs.jsonl.gz").unlink()
    with pytest.raises(DataError, match="the file 'docs.jsonl.gz' was not found"):
        load_table(str(path))
    with pytest.raises(ConfigError) as error:
        SourceConfig(files=FileConfig(path="notes.jsonl", format="eraser"))
    assert str(error.value) == "source: 'format: eraser' needs 'documents', the jsonl file with the texts."
