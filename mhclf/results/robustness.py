"""How a run bears small changes of its test posts: `robustness/robustness.json`, written and read."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
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
    """

    strength: float
    seed: int
    kinds: Mapping[str, Flips]


def write_robustness(path: Path, found: Robustness) -> Path:
    """Write `robustness.json`."""
    content = {
        "strength": found.strength,
        "seed": found.seed,
        "kinds": {kind: asdict(item) for kind, item in found.kinds.items()},
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
        return Robustness(float(content["strength"]), int(content["seed"]), kinds) if kinds else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path}: holds no measured changes ({error}). Run experiments/evaluate.py --noise again."
        ) from error
