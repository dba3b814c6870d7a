"""The audit before training: exact duplicates across splits, cut groups, label conflicts."""

import hashlib
import re
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np

from mhclf.data.table import SPLITS, PostTable
from mhclf.errors import AuditError


@dataclass(frozen=True)
class Finding:
    """One thing the audit found; `message` holds no post text."""

    check: str
    severity: Literal["note", "warning", "stop"]
    count: int
    message: str


def text_key(text: str) -> str:
    """Return a hash of the text's letters and digits in lower case: equal for posts that differ in signs only."""
    folded = re.sub(r"[\W_]+", "", text.lower())
    return hashlib.sha256((folded or text).encode("utf-8")).hexdigest()


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
    findings = _label_conflicts(table)
    table, leaks = _leaks(table, on_leak)
    findings += leaks + _cut_groups(table)
    if set(table.frame["split"]) == {"test"}:
        message = "It has a test part only: train on another set, and use this one to evaluate."
        findings.append(Finding("empty_split", "stop", 0, message))
    else:
        for split in SPLITS[:2]:
            if not (table.frame["split"] == split).any():
                findings.append(Finding("empty_split", "stop", 0, f"The {split} part is empty; change 'splits'."))
    stops = [finding.message for finding in findings if finding.severity == "stop"]
    if stops:
        raise AuditError(f"{table.config.name}: the audit stopped the run. {' '.join(stops)}")
    return table, findings


def _label_conflicts(table: PostTable) -> list[Finding]:
    labels = defaultdict(set)
    for text, target in zip(table.texts_in_context, table.targets, strict=True):
        labels[text_key(text)].add(tuple(np.atleast_1d(target)))
    conflicts = sum(len(values) > 1 for values in labels.values())
    if not conflicts:
        return []
    return [
        Finding("label_conflict", "warning", conflicts, f"{conflicts} posts stand more than once with other labels.")
    ]


def _leaks(table: PostTable, on_leak: str) -> tuple[PostTable, list[Finding]]:
    splits = table.frame["split"].to_numpy()
    # Numbers instead of hashes: numpy compares them fast.
    keys = np.unique([text_key(text) for text in table.texts], return_inverse=True)[1]
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


def findings_as_json(findings: list[Finding]) -> list[dict[str, Any]]:
    """Return the findings as plain mappings for the manifest."""
    return [asdict(finding) for finding in findings]
