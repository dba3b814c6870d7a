"""Which posts repeat or contain one another, inside one list or between two lists of texts.

Nothing here is quadratic in the number of twins: equal posts are compared once, and every post keeps only so many
partners. All results are exact; no hash collision or random draw can hide a pair.
"""

import hashlib
from collections.abc import Sequence
from functools import lru_cache

from mhclf.data.spans import letters_and_digits

_folded = lru_cache(maxsize=100_000)(letters_and_digits)
"""Posts of one set are compared with those of many."""

_KEY_LENGTH = 400
"""Letters and digits that `post_key` reads; the published overlap counts of these data sets were made so."""


def post_key(text: str) -> str:
    """Return a hash of the first 400 letters and digits in lower case; of the raw text where it has none."""
    return hashlib.sha256(opening(text).encode("utf-8", "surrogatepass")).hexdigest()


def opening(text: str) -> str:
    """Return the first 400 letters and digits in lower case, or the raw text where it has none."""
    return _folded(text)[:_KEY_LENGTH] or text


def contained_posts(
    texts: Sequence[str], others: Sequence[str] | None = None, shortest: int = 25, most: int = 20
) -> list[tuple[int, int]]:
    """Find posts that stand inside longer posts, by letters and digits.

    Parameters
    ----------
    texts : sequence of str
        The posts that may be contained.
    others : sequence of str, optional
        The posts that may contain them; `texts` themselves when not given.
    shortest : int
        Letters and digits that a contained post has at least. 25 fits English; Chinese says as much in about 10.
    most : int
        Containers reported for a row, in order.

    Returns
    -------
    list of (row, container)
        Sorted. The container is strictly longer than the row. Every row is reported, also each of several equal ones;
        of equal containers only the first is. So there are at most `most` pairs a row.

    Notes
    -----
    Only the first `shortest` characters of each row are indexed; the containers are read through once and every hit is
    compared in full. Memory grows with the number of rows, time with the length of the containers.
    """
    if shortest < 1:
        raise ValueError(f"shortest must be at least 1, not {shortest}.")
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}.")
    folded = [_folded(text) for text in texts]
    equal_rows: dict[str, list[int]] = {}
    for row, text in enumerate(folded):
        if len(text) >= shortest:
            equal_rows.setdefault(text, []).append(row)
    index: dict[str, list[str]] = {}
    for text in equal_rows:
        index.setdefault(text[:shortest], []).append(text)
    found: dict[str, list[int]] = {text: [] for text in equal_rows}
    containers: dict[str, int] = {}
    for row, text in enumerate(folded if others is None else [_folded(text) for text in others]):
        containers.setdefault(text, row)
    for container, row in containers.items():
        seen: set[str] = set()
        # A post of this length has no room for a strictly shorter one.
        last = len(container) - shortest if len(container) > shortest else -1
        for start in [start for start in range(last + 1) if container[start : start + shortest] in index]:
            for text in index[container[start : start + shortest]]:
                if len(text) < len(container) and text not in seen and container.startswith(text, start):
                    seen.add(text)
                    if len(found[text]) < most:
                        found[text].append(row)
    return sorted((row, container) for text, rows in equal_rows.items() for row in rows for container in found[text])
