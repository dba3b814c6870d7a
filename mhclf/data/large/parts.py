"""Train, validation and test without a list of all rows: each group drawn by a hash, repetitions found by hashes."""

import hashlib

import numpy as np
import numpy.typing as npt

from mhclf.config.dataset import DatasetConfig, SplitsConfig
from mhclf.data.splits import no_train
from mhclf.data.table import SPLITS
from mhclf.errors import AuditError, DataError

_TRAIN, _VALIDATION, _TEST, _SPARE = range(4)
"""Parts of rows, in the order of `SPLITS`; spare rows are validation where none is given, else train."""


def part_of(rule: SplitsConfig, given: str, unit: str) -> int:
    """Return the part of a row by its given split, or by its group (its id, where groups may be cut)."""
    if rule.kind == "given":
        part = SPLITS.index(given)
    else:
        low, high = (0.0, rule.test) if rule.kind == "ratio" else (rule.fold / rule.folds, (rule.fold + 1) / rule.folds)
        part = _TEST if low <= draw("test", rule.seed, unit) < high else _TRAIN
    return _SPARE if part == _TRAIN and draw("validation", rule.seed, unit) < rule.validation else part


def draw(stream: str, seed: int, unit: str) -> float:
    """Return a number from 0 to below 1 that never changes."""
    digest = hashlib.sha256(f"{stream} {seed} {unit}".encode()).digest()
    return int.from_bytes(digest[:6], "big") / 2**48


def settle_spare(config: DatasetConfig, parts: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Make spare rows validation where no row is, else train."""
    if config.splits.kind == "given" and not (np.isin(parts, (_TRAIN, _SPARE)).any() or (parts == _TEST).all()):
        raise no_train(config)
    spare = _TRAIN if (parts == _VALIDATION).any() else _VALIDATION
    found = np.where(parts == _SPARE, np.uint8(spare), parts)
    drawn = [_TRAIN, _VALIDATION, _TEST] if config.splits.kind != "given" else [_TRAIN, _VALIDATION]
    if not (found == _TEST).all() and not all((found == part).any() for part in drawn):
        raise DataError(
            f"{config.name}: {len(parts)} rows are too few to draw parts by the hash of their group; one is empty. "
            "Use load_table (load_dataset without 'large'), or another 'splits: seed'."
        )
    return found


def repeating_rows(parts: npt.NDArray[np.uint8], texts: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
    """Return the train rows with the text of a validation or test row, and validation rows with that of a test row."""
    found: npt.NDArray[np.bool_] = np.isin(texts, np.unique(texts[parts != _TRAIN])) & (parts == _TRAIN)
    found |= np.isin(texts, np.unique(texts[parts == _TEST])) & (parts == _VALIDATION)
    return found


def refuse_leaks(config: DatasetConfig, parts: npt.NDArray[np.uint8], groups: npt.NDArray[np.uint64]) -> None:
    """Stop at what `mhclf.data.audit.audit` stops at: cut groups and empty splits."""
    stops = []
    if len(groups) and config.splits.group_by:
        each = np.concatenate([np.unique(groups[parts == part]) for part in range(len(SPLITS))])
        cut = int((np.unique(each, return_counts=True)[1] > 1).sum())
        if cut:
            stops.append(
                f"{cut} groups lie in more than one split. Split by group, or say 'splits: {{group_by: null}}'."
            )
    if (parts == _TEST).all():
        stops.append("It has a test part only: train on another set, and use this one to evaluate.")
    else:
        empty = [split for part, split in enumerate(SPLITS[:2]) if not (parts == part).any()]
        stops += [f"The {split} part is empty; change 'splits'." for split in empty]
    if stops:
        raise AuditError(f"{config.name}: the audit stopped the run. {' '.join(stops)}")
