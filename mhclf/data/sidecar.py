"""Sidecar files: one text-free word a row (a group number, a split), tied to its rows by a hash of their texts."""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from mhclf.data.repair import mask_identifiers, repair_encoding
from mhclf.data.spans import letters_and_digits
from mhclf.errors import DataError

HEADER = "# texts sha256 "
"""First line: the rows that the words belong to."""


def texts_hash(texts: Iterable[str]) -> str:
    """Return a hash of texts that is the same before and after repair and masking."""
    folded = "\n".join(letters_and_digits(mask_identifiers(repair_encoding(text))[0]) for text in texts)
    return hashlib.sha256(folded.encode("utf-8")).hexdigest()


def write_sidecar(texts: Iterable[str], words: Iterable[object]) -> str:
    """Return the content of a sidecar file."""
    return f"{HEADER}{texts_hash(texts)}\n" + "".join(f"{word}\n" for word in words)


def read_sidecar(path: Path, texts: Sequence[str], what: str) -> list[str]:
    """Return the words of a sidecar file.

    Parameters
    ----------
    path : Path
    texts : sequence of str
        The rows' texts.
    what : str
        Plural, for messages: `group numbers`.

    Raises
    ------
    DataError
        If it cannot be read, or belongs to other rows.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise DataError(f"{path}: the file of {what} cannot be read ({reason}).") from error
    words = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if len(words) != len(texts):
        raise DataError(f"{path}: holds {len(words)} {what} for {len(texts)} rows. Make it again for these files.")
    stated = [line.removeprefix(HEADER).strip() for line in lines if line.startswith(HEADER)]
    if stated and stated[0] != texts_hash(texts):
        raise DataError(f"{path}: was made for other rows or another order. Make it again for these files.")
    return words
