"""Leaks that the audit mends or stops at: exact duplicates across splits, cut groups, posts of other test sets."""

from collections.abc import Mapping, Sequence

import numpy as np

from mhclf.data.audit.finding import Finding
from mhclf.data.audit.survey import shared_rows
from mhclf.data.spans import text_key
from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import AuditError


def audit(table: PostTable, on_leak: str = "drop") -> tuple[PostTable, list[Finding]]:
    """Check the splits and mend or stop.

    Parameters
    ----------
    table : PostTable
        With splits.
    on_leak : {'drop', 'stop', 'keep'}
        For posts that stand in train and in another split: drop them from train, stop, or keep them and warn.

    Returns
    -------
    table : PostTable
        Without the dropped rows.
    findings : list of Finding

    Raises
    ------
    AuditError
        If a group is cut by the splits, a split is empty, or a leak is found with `stop`.
    """
    table, findings = leaks_of(table, on_leak)
    stops = [item.message for item in findings if item.severity == "stop" or item.check == "test_part_only"]
    if stops:
        raise AuditError(f"{table.config.name}: the audit stopped the run. {' '.join(stops)}")
    return table, findings


def leaks_of(table: PostTable, on_leak: str = "drop") -> tuple[PostTable, list[Finding]]:
    """Do what `audit` does, but return what stops a run as findings."""
    table, findings = _leaks(table, on_leak)
    findings += _cut_groups(table)
    if set(table.frame["split"]) == {"test"}:
        message = "It has a test part only: train on another set, and use this one to evaluate."
        findings.append(Finding("test_part_only", "note", len(table), message))
    else:
        for split in SPLITS[:2]:
            if not (table.frame["split"] == split).any():
                findings.append(Finding("empty_split", "stop", 0, f"The {split} part is empty; change 'splits'."))
    return table, findings


def _leaks(table: PostTable, on_leak: str) -> tuple[PostTable, list[Finding]]:
    splits = table.frame["split"].to_numpy()
    # Numbers instead of hashes: numpy compares them fast.
    keys = np.unique([text_key(text) for text in table.texts_in_context], return_inverse=True)[1]
    findings = []
    keep = np.ones(len(table), dtype=bool)
    for inner, outer in (("train", "validation"), ("train", "test"), ("validation", "test")):
        shared = (splits == inner) & np.isin(keys, keys[splits == outer])
        count = int(shared.sum())
        if not count:
            continue
        done = {"drop": f"dropped from {inner}", "keep": "kept on request", "stop": "not accepted"}[on_leak]
        message = f"{count} {inner} rows have the text of a {outer} row: {done}."
        if on_leak == "stop":
            message += " Use --audit.on_leak drop to remove them."
        findings.append(Finding("exact_duplicate", "stop" if on_leak == "stop" else "warning", count, message))
        if on_leak == "drop":
            keep &= ~shared
    return (table if keep.all() else table.select(keep)), findings


def _cut_groups(table: PostTable) -> list[Finding]:
    spread = table.frame.groupby("group")["split"].nunique()
    cut = int((spread > 1).sum())
    if not cut:
        return []
    if table.config.splits.group_by is None:
        message = f"{cut} groups lie in more than one split, as 'splits: group_by: null' asks."
        return [Finding("cut_group", "warning", cut, message)]
    message = f"{cut} groups lie in more than one split. Split by group, or say 'splits: {{group_by: null}}'."
    return [Finding("cut_group", "stop", cut, message)]


def drop_shared(
    table: PostTable, others: Mapping[str, PostTable], held_out: Sequence[str] = ("test",)
) -> tuple[PostTable, list[Finding]]:
    """Drop train and validation rows that meet a held-out post of another set, so that its scores are honest.

    Parameters
    ----------
    table : PostTable
        The set to train on, split.
    others : mapping
        Name -> set on which the model will be tested.
    held_out : sequence of str
        Their splits that count as held out.

    Notes
    -----
    A row meets a post that it repeats, nearly repeats, contains, or is contained in.
    """
    findings = []
    for name, other in others.items():
        rows = np.flatnonzero((table.frame["split"] != "test").to_numpy())
        side = table.select(rows)
        tested = other.select(other.frame["split"].isin(list(held_out)).to_numpy())
        shared = sorted(shared_rows(side, tested))
        if shared:
            keep = np.ones(len(table), dtype=bool)
            keep[rows[shared]] = False
            table = table.select(keep)
            message = f"{len(shared)} train and validation rows meet a {' or '.join(held_out)} post of {name}: dropped."
            findings.append(Finding("shared_with_test_set", "warning", len(shared), message))
    return table, findings
