"""Plain passages for pretraining: text files and train posts, minus what evaluation must not have been read from."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from mhclf.data.audit.survey import shared_rows
from mhclf.data.load import load_table
from mhclf.data.repair import repair_encoding
from mhclf.data.spans import text_key
from mhclf.data.table import PostTable
from mhclf.errors import DataError

HELD_OUT = ("validation", "test")


@dataclass(frozen=True)
class Passages:
    """Passages and what was left out of them.

    Attributes
    ----------
    texts : list of str
    counts : dict
        `read`, `repeated`, `held_out`: passages read, left out as repeats, left out because they meet a held-out post.
    """

    texts: list[str]
    counts: dict[str, int]


def read_passages(
    data: Sequence[str], files: Sequence[str], exclude: Sequence[str], data_root: str | None, mask: bool
) -> Passages:
    """Read train posts and text files.

    Parameters
    ----------
    data : sequence of str
        Data sets; their train posts are read, their validation and test posts held out.
    files : sequence of str
        `.txt` (a passage a line) or `.jsonl` (an object with the key `text` a line).
    exclude : sequence of str
        More data sets whose validation and test posts are held out.
    data_root : str, optional
    mask : bool
        Mask identifiers in the posts of data sets.

    Raises
    ------
    DataError
        If a file cannot be read (names file and line), or nothing is left.
    """
    tables = {name: load_table(name, data_root=data_root, mask=mask) for name in dict.fromkeys([*data, *exclude])}
    texts = [text for name in dict.fromkeys(data) for text in tables[name].part("train").texts]
    for file in files:
        texts += read_lines(Path(file))
    unique = list({text_key(text): text for text in reversed(texts)}.values())[::-1]
    kept = without_held_out(unique, tables.values())
    if not kept:
        raise DataError("pretrain: no passage is left after repeats and held-out posts. Give more texts.")
    counts = {"read": len(texts), "repeated": len(texts) - len(unique), "held_out": len(unique) - len(kept)}
    return Passages(kept, counts)


def without_held_out(texts: Sequence[str], tables: Iterable[PostTable]) -> list[str]:
    """Return the passages that do not repeat, nearly repeat, contain, or stand in a held-out post of any table."""
    kept = list(texts)
    for table in tables:
        held_out = table.select(table.frame["split"].isin(HELD_OUT).to_numpy())
        if not len(held_out) or not kept:
            continue
        shared = shared_rows(_as_table(kept, table), held_out)
        kept = [text for row, text in enumerate(kept) if row not in shared]
    return kept


def read_lines(path: Path) -> list[str]:
    """Return the passages of a `.txt` or `.jsonl` file, repaired; empty lines are left out.

    Raises
    ------
    DataError
        With file and line.
    """
    if path.suffix not in {".txt", ".jsonl"}:
        raise DataError(
            f"{path}: is no .txt or .jsonl file. Put one passage on a line, or one JSON object with 'text'."
        )
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8"
        raise DataError(f"{path}: cannot be read ({reason}).") from error
    found = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if path.suffix == ".jsonl":
            try:
                line = json.loads(line)["text"]
            except (json.JSONDecodeError, KeyError, TypeError) as error:
                raise DataError(f"{path}, line {number}: is no JSON object with the key 'text'.") from error
            if not isinstance(line, str):
                raise DataError(f"{path}, line {number}: 'text' is no text.")
        found.append(repair_encoding(line.strip()))
    return [text for text in found if text]


def _as_table(texts: Sequence[str], like: PostTable) -> PostTable:
    """Return passages as rows of one group each, for comparisons between tables."""
    numbers = [str(number) for number in range(len(texts))]
    frame = pd.DataFrame({"id": numbers, "text": list(texts), "group": numbers, "split": "train", "context": ""})
    return PostTable(like.config, frame, np.zeros(len(texts), dtype=np.int64))
