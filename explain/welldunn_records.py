"""The records of the WellDunn replay: one number a line, without a word of a post."""

import dataclasses
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mhclf.errors import DataError
from mhclf.results.files import write_text


@dataclass(frozen=True)
class ReplayRecord:
    """One number.

    Attributes
    ----------
    dataset, method, encoder : str
    family : str
        `split`, `classes`, `overlap`, `rank` or `coverage`.
    setting : str
        `sound`, the name of a defect, or all of the family's together.
    split_seed : int
    measure : str
    value, ci_low, ci_high : float or None
        With its 95 % interval over groups; None where it is not defined.
    n : int
        Posts behind it.
    change, change_low, change_high : float or None
        Paired difference on the same posts: to `sound` (of `leaked_split` on a set that has `random_cut`: to that).
    """

    dataset: str
    method: str
    encoder: str
    family: str
    setting: str
    split_seed: int
    measure: str
    value: float | None
    ci_low: float | None
    ci_high: float | None
    n: int
    change: float | None = None
    change_low: float | None = None
    change_high: float | None = None

    @property
    def key(self) -> tuple[str, str, int]:
        """What is replayed at once: data set, encoder, split seed."""
        return self.dataset, self.encoder, self.split_seed


def write_replay(path: Path, records: Sequence[ReplayRecord]) -> Path:
    """Write records in the order of data sets and seeds, one JSON object a line."""
    ordered = sorted(records, key=lambda item: item.key)
    lines = [json.dumps(dataclasses.asdict(item), ensure_ascii=False, allow_nan=False) for item in ordered]
    return write_text(path, "".join(f"{line}\n" for line in lines))


def read_replay(path: Path) -> list[ReplayRecord]:
    """Read records; none where the file is missing.

    Raises
    ------
    DataError
        If a line is no record.
    """
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(ReplayRecord(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise DataError(f"{path}, line {number}: is no record of the replay ({error}).") from error
    return found


def merge_replay(earlier: Iterable[ReplayRecord], newer: Sequence[ReplayRecord]) -> list[ReplayRecord]:
    """Replace the earlier records of the data sets and seeds that the newer ones hold."""
    replaced = {item.key for item in newer}
    return [item for item in earlier if item.key not in replaced] + list(newer)
