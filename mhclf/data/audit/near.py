"""Which posts nearly repeat one another: exact Jaccard similarity of word shingles, without comparing all pairs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.sparse import csr_array

from mhclf.cjk import CJK
from mhclf.data.audit.overlap import opening

_SHINGLE = 3
"""Words in a shingle."""

# Chinese, Japanese and Korean characters stand for words; elsewhere a word is a run of letters and digits.
_WORD = re.compile(rf"[{CJK}]|[^\W_{CJK}]+")

_BLOCK = 256
"""Posts compared with all others at once: bounds the memory where nearly all posts are alike."""

_CHECKED = 20_000
"""Candidate pairs counted out at once."""

_MOST_NUMBERS = 2**62
"""Up to here the words of a shingle are written as digits of one number; beyond, shingles are numbered anew."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two posts that nearly repeat each other.

    Attributes
    ----------
    first, second : int
        Row numbers; inside one list `first < second`, between two lists `second` belongs to the other list.
    similarity : float
        Jaccard similarity of their shingles, above 0 and at most 1.
    """

    first: int
    second: int
    similarity: float


@dataclass(frozen=True, slots=True)
class _Shingles:
    """The shingles of texts; one that stands only once among all of them is counted, and no more.

    Attributes
    ----------
    common : csr_array
        0/1, shape (texts, shingles that stand more than once); rarer shingles have smaller numbers.
    sizes : array (texts,)
        Different shingles of each text, those that stand once among them.
    """

    common: Any
    sizes: npt.NDArray[np.int64]

    def rows(self, chosen: slice) -> "_Shingles":
        return _Shingles(self.common[chosen], self.sizes[chosen])


def near_duplicates(
    texts: Sequence[str], others: Sequence[str] | None = None, threshold: float = 0.7, most: int = 20
) -> list[Pair]:
    """Find posts that share most of their three-word sequences.

    Parameters
    ----------
    texts : sequence of str
        The posts.
    others : sequence of str, optional
        Compare `texts` with these; with each other when not given.
    threshold : float
        Least similarity, above 0 and at most 1.
    most : int
        Partners that a post keeps, the most similar ones first.

    Returns
    -------
    list of Pair
        Sorted by row numbers.

    Notes
    -----
    The similarity is |A ∩ B| / |A ∪ B| for the sets of lower-cased word 3-shingles (Broder, 1997). Apostrophes are
    taken out, so that `don't`, `don’t` and `dont` are one word. A text of one or two words is one shingle.

    Exact repeats (equal `post_key`) are left out, since they are counted apart: the first of them in each list stands
    for all, and a pair of two lists with equal keys is not reported. A pair is also left out where both posts have
    `most` partners at least as similar, so that the result never grows beyond `most` pairs a post, and every post
    with a partner stays visible.

    Candidates share one of the rarest shingles of both posts: of n shingles, the rarest n - ceil(threshold n) + 1
    cannot all miss those of a partner (prefix filter: Chaudhuri et al., 2006; Bayardo et al., 2007). Every candidate
    is then counted out.
    """
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold must be above 0 and at most 1, not {threshold}.")
    if most < 1:
        raise ValueError(f"most must be at least 1, not {most}.")
    first_rows, first_keys = _representatives(texts)
    second_rows, second_keys = (first_rows, first_keys) if others is None else _representatives(others)
    chosen = [texts[row] for row in first_rows]
    if others is None:
        both = _shingle_sets(chosen)
        left = right = both
    else:
        both = _shingle_sets(chosen + [others[row] for row in second_rows])
        left, right = both.rows(slice(len(chosen))), both.rows(slice(len(chosen), None))
    rows, columns, values, cut = _closest(left, right, _twins(first_keys, second_keys), threshold, most)
    if others is None:
        rows, columns = np.minimum(rows, columns), np.maximum(rows, columns)
    elif cut:
        # What a post of `texts` dropped may be the closest one to a post of `others`.
        twins = _twins(second_keys, first_keys)
        more_columns, more_rows, more_values, _ = _closest(right, left, twins, threshold, most)
        rows, columns = np.concatenate([rows, more_rows]), np.concatenate([columns, more_columns])
        values = np.concatenate([values, more_values])
    kept = np.unique(rows * max(1, len(right.sizes)) + columns, return_index=True)[1]
    return [
        Pair(first_rows[row], second_rows[column], value)
        for row, column, value in zip(rows[kept].tolist(), columns[kept].tolist(), values[kept].tolist(), strict=True)
    ]


def _representatives(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Return the first row of each set of equal posts, and what they have in common."""
    first: dict[str, int] = {}
    for row, text in enumerate(texts):
        first.setdefault(opening(text), row)
    return list(first.values()), list(first)


def _twins(keys: list[str], others: list[str]) -> npt.NDArray[np.int64]:
    """Return for each key its place among the others, or -1."""
    place = {key: index for index, key in enumerate(others)}
    return np.array([place.get(key, -1) for key in keys], dtype=np.int64)


def _shingle_sets(texts: list[str]) -> _Shingles:
    vocabulary: dict[str, int] = {}
    flat: list[int] = []
    lengths = np.zeros(len(texts), dtype=np.int64)
    for row, text in enumerate(texts):
        found = _WORD.findall(text.lower().replace("'", "").replace("’", ""))
        # Filled up with a word that no text has, so that short texts make one shingle too.
        found += [""] * (_SHINGLE - len(found) if found else 0)
        flat += [vocabulary.setdefault(word, len(vocabulary)) for word in found]
        lengths[row] = len(found)
    codes = np.array(flat, dtype=np.int64)
    shingles, different = codes, len(vocabulary)
    for offset in range(1, _SHINGLE):
        if different * len(vocabulary) > _MOST_NUMBERS:
            uniques, shingles = np.unique(shingles, return_inverse=True)
            different = len(uniques)
        shingles = shingles[: max(0, len(codes) - offset)] * max(1, len(vocabulary)) + codes[offset:]
        different *= len(vocabulary)
    owner = np.repeat(np.arange(len(texts), dtype=np.int32), lengths)
    # A window that runs into the next text is no shingle.
    inside = owner[: len(shingles)] == owner[_SHINGLE - 1 :]
    owner, shingles = owner[: len(shingles)][inside], shingles[inside]
    ordered = np.sort(shingles)
    again, frequency = np.unique(ordered[1:][ordered[1:] == ordered[:-1]], return_counts=True)
    # Numbered by rarity, so that the start of each sorted row is its prefix.
    number = pd.Index(again[np.argsort(frequency, kind="stable")]).get_indexer(shingles)
    alone = number < 0
    shape = (len(texts), max(1, len(again)))
    matrix = csr_array((np.ones(int((~alone).sum()), np.int32), (owner[~alone], number[~alone])), shape=shape)
    # One that stands twice in a text was summed up.
    matrix.data[:] = 1
    matrix.sort_indices()
    return _Shingles(matrix, np.diff(matrix.indptr) + np.bincount(owner[alone], minlength=len(texts)))


def _prefixes(sets: _Shingles, threshold: float) -> Any:
    """Return the matrix with only what the rarest n - ceil(threshold n) + 1 shingles of each row hold of it."""
    matrix = sets.common
    counts = np.diff(matrix.indptr)
    # The small number keeps 0.7 * 10 = 7.000000000000001 from becoming 8.
    lengths = sets.sizes - np.ceil(threshold * sets.sizes - 1e-9).astype(np.int64) + 1
    # The rarest ones are those that stand once.
    lengths = np.clip(lengths - (sets.sizes - counts), 0, counts)
    place = np.arange(len(matrix.indices)) - np.repeat(matrix.indptr[:-1], counts)
    kept = place < np.repeat(lengths, counts)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    return csr_array((matrix.data[kept], matrix.indices[kept], starts), shape=matrix.shape)


def _closest(
    left: _Shingles, right: _Shingles, twins: npt.NDArray[np.int64], threshold: float, most: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64], bool]:
    """Find the `most` closest partners of each left row, its twin apart.

    Returns
    -------
    rows, columns, similarities : numpy.ndarray, shape (pairs,)
    cut : bool
        Whether any row had more partners.
    """
    left_sizes, right_sizes = left.sizes, right.sizes
    left_prefixes, right_prefixes = _prefixes(left, threshold), _prefixes(right, threshold).T.tocsr()
    found: list[tuple[Any, Any, Any]] = [(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))]
    cut = False
    for start in range(0, len(left_sizes), _BLOCK):
        candidates = (left_prefixes[start : start + _BLOCK] @ right_prefixes).tocoo()
        rows, columns = candidates.row.astype(np.int64) + start, candidates.col.astype(np.int64)
        smaller = np.minimum(left_sizes[rows], right_sizes[columns])
        larger = np.maximum(left_sizes[rows], right_sizes[columns])
        possible = (columns != twins[rows]) & (smaller / np.maximum(larger, 1) >= threshold)
        rows, columns = rows[possible], columns[possible]
        shared = np.zeros(len(rows), dtype=np.int64)
        for at in range(0, len(rows), _CHECKED):
            part = slice(at, at + _CHECKED)
            shared[part] = left.common[rows[part]].multiply(right.common[columns[part]]).sum(axis=1)
        similarity = shared / np.maximum(left_sizes[rows] + right_sizes[columns] - shared, 1)
        close = similarity >= threshold
        rows, columns, similarity = rows[close], columns[close], similarity[close]
        order = np.lexsort((columns, -similarity, rows))
        rows, columns, similarity = rows[order], columns[order], similarity[order]
        place = np.arange(len(rows)) - np.searchsorted(rows, rows)
        cut = cut or bool((place >= most).any())
        kept = place < most
        found.append((rows[kept], columns[kept], similarity[kept]))
    row_parts, column_parts, value_parts = zip(*found, strict=True)
    return np.concatenate(row_parts), np.concatenate(column_parts), np.concatenate(value_parts), cut
