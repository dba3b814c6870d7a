"""Where the cells of a suite lie, and how far each is, without running one."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from mhclf.config.dataset import DatasetConfig
from mhclf.config.structure import to_mapping
from mhclf.config.suite import PlannedCell
from mhclf.models.weights import EncoderSource
from mhclf.training.failure import Failure, attempt
from mhclf.training.folder import RunFolder
from mhclf.training.prepared import prepare_data
from mhclf.training.run import checked_source, folder_of, lacks_report

CellState = Literal["complete", "begun", "missing", "refused", "recorded"]

_DATA_KEYS = ("data", "data_root", "mask", "split_seed", "fold", "audit", "subset", "limit", "protocol", "auxiliary",
              "columns")  # fmt: skip
"""The settings on which the rows of a run depend."""


@dataclass(frozen=True)
class LocatedCell:
    """A cell, its run folder, and how far the run is.

    Attributes
    ----------
    cell : PlannedCell
    folder : RunFolder or None
        None where the cell is refused.
    state : str
        `complete`, `begun`, `missing`, or `refused`: settings, data or a damaged folder keep it from starting.
        `recorded`: its results are committed, and it is not asked to run (`keep_recorded`).
    failure : Failure or None
        Why it is refused.
    encoder : str
        Name of the encoder in records.
    rows : mapping of str to int
        Rows per split.
    seconds : float
        What the run took so far.
    cost : float or None
        Weights of the encoder's layers in units of its width squared: what a token costs, but for a factor.
    """

    cell: PlannedCell
    folder: RunFolder | None
    state: CellState
    failure: Failure | None = None
    dataset: str = ""
    encoder: str = ""
    rows: dict[str, int] | None = None
    seconds: float = 0.0
    cost: float | None = None

    @property
    def to_run(self) -> bool:
        """Whether the cell has to run, from its start or from where it stopped."""
        return self.state in ("begun", "missing")


def locate(cells: Sequence[PlannedCell], on_cell: Callable[[int], None] = lambda number: None) -> list[LocatedCell]:
    """Find the run folder of every cell.

    Parameters
    ----------
    cells : sequence of PlannedCell
    on_cell : callable
        Called with the number of cells found after each: reading the data takes time.

    Notes
    -----
    The name of a folder holds a hash of the rows, so the data must be read; sets that several cells use are read once.
    """
    known: dict[str, tuple[DatasetConfig, dict[str, Any]]] = {}
    found = []
    for number, cell in enumerate(cells, start=1):
        place = attempt(_locate, cell, known)
        found.append(LocatedCell(cell, None, "refused", place) if isinstance(place, Failure) else place)
        on_cell(number)
    return found


def _locate(cell: PlannedCell, known: dict[str, tuple[DatasetConfig, dict[str, Any]]]) -> LocatedCell:
    config = cell.config
    source = checked_source(config)
    settings = to_mapping(config)
    shuffled = config.seed if config.shuffle_labels else None
    key = json.dumps({name: settings[name] for name in _DATA_KEYS} | {"shuffled": shuffled}, sort_keys=True)
    if key not in known:
        data = prepare_data(config)
        known[key] = data.table.config, data.manifest
    dataset, manifest = known[key]
    config, folder = folder_of(config, source, dataset, manifest)
    status = folder.status()
    state: CellState = "begun" if status else "missing"
    if folder.complete and not lacks_report(config, folder):
        state = "complete"
    seconds = float(status.get("seconds", 0.0))
    return LocatedCell(
        cell, folder, state, None, dataset.name, source.name, manifest["rows"], seconds, encoder_cost(source)
    )


def encoder_cost(source: EncoderSource) -> float | None:
    """Return layers times width squared of an encoder whose `config.json` lies here; None where it does not say."""
    path = Path(source.location) / "config.json"
    if not source.location or not path.is_file():
        return None
    config = json.loads(path.read_text(encoding="utf-8"))
    layers = next((config[key] for key in ("num_hidden_layers", "n_layers", "n_layer") if key in config), None)
    width = next((config[key] for key in ("hidden_size", "dim", "d_model") if key in config), None)
    return None if layers is None or width is None else float(layers * width**2)
