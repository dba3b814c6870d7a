"""Which tokens of a long post are read: its start and end, or windows over all of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mhclf.config.model import LongPostsConfig
from mhclf.errors import ConfigError


@dataclass(frozen=True)
class Reading:
    """How posts are read: `max_length` tokens at once, special ones included, and what of longer posts."""

    max_length: int
    long: LongPostsConfig


def read_positions(special: Sequence[int], reading: Reading) -> list[list[int]]:
    """Return the token positions that are read, one list for each pass through the encoder.

    Parameters
    ----------
    special : sequence of int
        1 for each special token of the whole tokenised post, else 0.
    reading : Reading

    Returns
    -------
    list of list of int
        Each ascending, of at most `max_length` positions, with the special tokens at the post's ends. `head_tail`
        gives one list; `chunks` one or more, which together hold every position unless there are more than
        `max_chunks`.

    Raises
    ------
    ConfigError
        If `max_length` leaves no room for more than the special tokens and the overlap.
    """
    long, count = reading.long, len(special)
    if count <= reading.max_length:
        return [list(range(count))]
    before = next((place for place, mark in enumerate(special) if not mark), count)
    after = next((place for place, mark in enumerate(reversed(special)) if not mark), count)
    prefix, suffix = list(range(before)), list(range(count - after, count))
    room = reading.max_length - before - after
    if room <= long.overlap * (long.strategy == "chunks"):
        raise ConfigError(
            f"max_length: is {reading.max_length}, which leaves no room beside {before + after} special tokens and "
            f"--long.overlap {long.overlap}."
        )
    if long.strategy == "head":
        return [[*range(before + room), *suffix]]
    if long.strategy == "head_tail":
        head = min(max(1, round(room * long.head_share)), room - 1) if room > 1 else room
        tail = room - head
        return [[*prefix, *range(before, before + head), *range(count - after - tail, count - after), *suffix]]
    content = count - before - after
    windows = 1 + -(-(content - room) // (room - long.overlap))
    starts = np.linspace(0, content - room, min(windows, long.max_chunks)).round().astype(int)
    return [[*prefix, *range(before + start, before + start + room), *suffix] for start in starts.tolist()]
