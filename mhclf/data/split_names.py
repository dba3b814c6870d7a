"""The names that splits have in other people's files."""

from collections.abc import Iterable

_NAMES = {
    "train": "train", "training": "train",
    "validation": "validation", "valid": "validation", "val": "validation", "dev": "validation", "eval": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip


def splits_of(names: Iterable[str]) -> dict[str, str]:
    """Return name -> `train`, `validation` or `test` for the names that are understood, in any case.

    `eval` is the validation part, unless the names hold another one of it: then it may be the test part, and stays out.
    """
    folded = {name: name.strip().casefold() for name in names}
    found = {name: _NAMES[key] for name, key in folded.items() if key in _NAMES}
    others = [name for name, split in found.items() if split == "validation" and folded[name] != "eval"]
    return {name: split for name, split in found.items() if not (others and folded[name] == "eval")}
