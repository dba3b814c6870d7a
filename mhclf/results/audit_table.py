"""The audit's records as tables: sizes and shortcuts, repetition and damage, posts that sets share."""

from collections.abc import Mapping, Sequence
from typing import Any

from mhclf.results.tables import Cell, Column, Strong, Table, format_number

Record = Mapping[str, Any]


def size_table(records: Sequence[Record]) -> Table:
    """Return rows, classes, length, what is read, and what length and label words tell."""
    columns = (
        Column("set"),
        Column("task"),
        Column("train / validation / test", "right"),
        Column("groups", "right"),
        Column("classes", "right"),
        Column("largest class", "right"),
        Column("median words", "right"),
        Column("tokens read", "right"),
        Column("posts cut", "right"),
        Column("length alone", "right"),
        Column("label words alone", "right"),
    )
    rows = tuple(
        (
            record["name"],
            record["task"],
            " / ".join(_count(record["rows"].get(split)) for split in ("train", "validation", "test")),
            _count(record["all_groups"]),
            len(record["classes"]),
            _share(max(record["classes"].values()), _size(record)),
            round(record["words"][2]),
            record["read"]["max_length"] if record["read"] else None,
            _share(record["read"]["posts_cut"], _size(record)) if record["read"] else None,
            *(_shortcut(record, name) for name in ("length", "label words")),
        )
        for record in records
    )
    notes = (
        "largest class: share of rows that have the commonest label",
        "groups: users, source posts, dialogues; their rows lie in one split, except where the YAML cuts them",
        "posts cut: longer than the tokens read (MiniLM's tokenizer)",
        "length alone, label words alone: balanced accuracy of a cross-validated classifier that sees nothing else, "
        "with that of always saying the commonest class; bold where a model could learn it instead of the post",
    )
    return Table("Sizes, balance, length and shortcuts", columns, rows, notes)


def damage_table(records: Sequence[Record]) -> Table:
    """Return repetition, leaks across given splits, conflicts, encoding, identifiers and evidence."""
    columns = (
        Column("set"),
        Column("repeated rows", "right"),
        Column("near or contained", "right"),
        Column("validation rows met in train", "right"),
        Column("test rows met before", "right"),
        Column("label conflicts", "right"),
        Column("repaired", "right"),
        Column("still broken", "right"),
        Column("may identify", "right"),
        Column("left out", "right"),
        Column("evidence found", "right"),
        Column("evidence cut off", "right"),
        Column("published rule differs", "right"),
    )
    rows = tuple(
        (
            record["name"],
            _count(record["within"]["exact"]),
            _count(record["within"]["near"] + record["within"]["contained"]),
            _leak(record, "validation"),
            _leak(record, "test"),
            record["label_conflicts"],
            _share(record["repaired"], _size(record)),
            record["damaged"],
            record["identifying"],
            sum(record["left_out"].values()),
            f"{_count(record['evidence_located'])} of {_count(record['evidence_parts'])}"
            if record["evidence_columns"]
            else None,
            f"{record['read']['evidence_lost']:.1%}" if record["read"] and record["evidence_columns"] else None,
            record["published_rule_differs"],
        )
        for record in records
    )
    notes = (
        "repeated rows: the letters and digits of post and context stand more than once",
        "near or contained: first 400 letters and digits or 70 % of the three-word sequences shared with a post of "
        "another group, or one part of the other",
        "met: equal + near + contained; equal ones are dropped from the earlier part before training",
        "may identify: posts with what looks like a web address, a phone number or a user name after masking",
        "evidence found: pieces of expert evidence located in the repaired post; cut off: share of its characters "
        "behind the tokens read",
        "published rule differs: answers out of which the published code reads another label than is there, or none",
    )
    return Table("Repetition, leaks, damage and evidence", columns, rows, notes)


def shared_table(shared: Sequence[Record]) -> Table:
    """Return the pairs of sets that share posts, the largest share first."""
    columns = (
        Column("test set"),
        Column("training side of"),
        Column("test posts", "right"),
        Column("equal", "right"),
        Column("share", "right"),
        Column("alike (rows)", "right"),
        Column("declared"),
    )
    found = [item for item in shared if item["equal"] or item["alike"]] or list(shared)
    found = sorted(found, key=lambda item: (-item["equal"] / item["posts"], item["test"], item["train"]))
    rows = tuple(
        (
            item["test"],
            item["train"],
            _count(item["posts"]),
            _count(item["equal"]),
            _share(item["equal"], item["posts"]),
            _count(item["alike"]),
            "yes" if item["declared"] else "no",
        )
        for item in found
    )
    notes = (
        "equal: different test posts among the train and validation posts of the other set (first 400 letters and "
        "digits, after repair)",
        "alike: test rows that equal, nearly repeat, contain or stand in such a post",
        "`--audit.against NAME` drops them from the training side",
    )
    return Table("Posts that sets share", columns, rows, notes)


def _size(record: Record) -> int:
    return int(sum(record["rows"].values()))


def _count(number: int | None) -> str:
    return "0" if not number else f"{number:,}"


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.0%}" if not part or part / whole >= 0.01 else f"{part / whole:.1%}"


def _leak(record: Record, split: str) -> Cell:
    leak = record["leaks"].get(split)
    if leak is None:
        return None
    return " + ".join(_count(leak[kind]) for kind in ("exact", "near", "contained"))


def _shortcut(record: Record, name: str) -> Cell:
    found = next((item for item in record["shortcuts"] if item["name"] == name), None)
    if found is None or found["score"] is None:
        return None
    text = f"{format_number(found['score'], 2)} ({format_number(found['majority'], 2)})"
    return Strong(text) if found["suspicious"] else text
