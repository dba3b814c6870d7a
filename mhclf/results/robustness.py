"""How a run bears small changes of its test posts: `robustness/robustness.json`, written and read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mhclf.errors import DataError
from mhclf.evaluation.flips import Flips
from mhclf.results.files import write_text


@dataclass(frozen=True)
class Robustness:
    """Flips by kind of change.

    Attributes
    ----------
    strength : float
        Share of words that were changed, in [0, 1].
    seed : int
        Fixed the changes.
    kinds : mapping of str to Flips
    touched : mapping of str to float
        Share of the posts that a kind of change altered at all, in [0, 1]; without the kinds of older runs, which did
        not count it.
    """

    strength: float
    seed: int
    kinds: Mapping[str, Flips]
    touched: Mapping[str, float] = field(default_factory=dict)


def write_robustness(path: Path, found: Robustness) -> Path:
    """Write `robustness.json`."""
    content = {
        "strength": found.strength,
        "seed": found.seed,
        "kinds": {kind: asdict(item) for kind, item in found.kinds.items()},
        "touched": dict(found.touched),
    }
    return write_text(path, json.dumps(content, indent=1) + "\n")


def read_robustness(path: Path) -> Robustness | None:
    """Read `robustness.json`; None where the file is absent or holds no kind.

    Raises
    ------
    DataError
        Where it is damaged or of another form.
    """
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        kinds = {str(kind): Flips(**item) for kind, item in content["kinds"].items()}
        touched = {str(kind): float(share) for kind, share in content.get("touched", {}).items()}
        return Robustness(float(content["strength"]), int(content["seed"]), kinds, touched) if kinds else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: holds no measured changes ({error}). Run experiments/evaluate.py --noise again."
        ) from error
