"""Looking into a trained run: which parts, from which files, written where."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

# Parts register themselves when their files are imported.
import explain.examined_attributions
import explain.examined_network  # noqa: F401
from explain.examination import EXAMINATIONS, METHODS, Finding, Material, Posts
from explain.model import Precision
from explain.run import fitting_methods
from mhclf.errors import ConfigError, MhclfError, RunError
from mhclf.results.escape import guard_formula, plain
from mhclf.results.files import read_mapping, write_text
from mhclf.results.pages import data_uri, picture_size, render_page
from mhclf.results.style import save
from mhclf.training.prepared import prepare_data
from mhclf.training.saved import load_run, trained_hash

logger = logging.getLogger(__name__)

TEMPLATES = Path(__file__).resolve().parent / "templates"
PARTS = ("agreement", "curves", "randomisation", "sensitivity", "structure", "layers", "geometry")
"""All parts in the order of the page."""


def examine(material: Material, parts: Sequence[str]) -> tuple[dict[str, Finding], dict[str, str]]:
    """Carry out parts by name; return what was found, and for parts that do not fit the run the reason.

    Raises
    ------
    ConfigError
        On an unknown name.
    """
    chosen = [EXAMINATIONS.get(name) for name in parts]
    found: dict[str, Finding] = {}
    unfit: dict[str, str] = {}
    for name, work in zip(parts, chosen, strict=True):
        logger.info("examine: %s", name)
        try:
            found[name] = work(material)
        except MhclfError as error:
            unfit[name] = str(error)
    return found, unfit


def material_of(
    folder: Path,
    beside: Sequence[Path] = (),
    methods: Sequence[str] = (),
    few: int = 50,
    seed: int = 0,
    data_root: str | None = None,
    precision: Precision = "fp32",
) -> Material:
    """Read a finished run and its data.

    Raises
    ------
    RunError
        If the data are not those of the run.
    ConfigError
        If a run beside has other posts or labels.
    """
    run = load_run(folder)
    config = run.config if data_root is None else replace(run.config, data_root=data_root)
    prepared = prepare_data(config)
    if prepared.manifest["hashes"]["data"] != trained_hash(folder):
        raise RunError(f"{folder}: the data set is not the one that the run was trained on. Train it again.")
    others = []
    for path in beside:
        # Train labels may differ: a run on shuffled ones is what an explanation should not look like.
        if _posts_hashes(path) != _posts_hashes(folder):
            raise ConfigError(f"{path}: was trained on other posts than {folder}. Give runs on the same posts.")
        other = load_run(path)
        if other.labels != run.labels:
            raise ConfigError(f"{path}: has other labels than {folder}. Give runs on the same data.")
        others.append(other)
    test = Posts.of(prepared.table.part("test"))
    return Material(
        run,
        Posts.of(prepared.table.part("train")),
        test,
        test.first(few),
        tuple(others),
        tuple(methods) or fitting_methods(run.config, METHODS),
        seed,
        precision,
    )


def _posts_hashes(folder: Path) -> list[object]:
    """Return the hashes of a run's rows, texts and parts."""
    path = folder / "data_manifest.json"
    hashes = read_mapping(path, "Give a finished run, or train it again.").get("hashes")
    if not isinstance(hashes, dict):
        raise RunError(f"{path}: has no hashes of the data. Give a finished run, or train it again.")
    return [hashes.get(name) for name in ("ids", "texts", "splits")]


def write_examination(folder: Path, found: dict[str, Finding], unfit: dict[str, str]) -> Path:
    """Write `examination.html`, `examination/*.csv` and `figures/*.png` into a run folder; none holds post text."""
    (folder / "examination").mkdir(exist_ok=True)
    (folder / "figures").mkdir(exist_ok=True)
    parts = []
    for name, finding in found.items():
        for file, frame in finding.frames.items():
            _guarded(frame).to_csv(folder / "examination" / f"{file}.csv", index=False, float_format="%.6g")
        pictures = []
        for file, figure in finding.figures.items():
            path = save(figure, folder / "figures" / f"{file}.png")
            width, height = picture_size(path)
            says = f"{finding.title}: {file.replace('_', ' ')}"
            pictures.append({"source": data_uri(path), "width": width, "height": height, "says": says})
        parts.append({"name": name, "finding": finding, "pictures": pictures})
    page = render_page(
        "examination.html.j2",
        folders=[TEMPLATES],
        title=f"Examination of {folder.resolve().name}",
        parts=parts,
        unfit=list(unfit.items()),
    )
    return write_text(folder / "examination.html", page)


def _guarded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose words no spreadsheet takes for a formula."""
    return frame.map(lambda cell: guard_formula(plain(cell)) if isinstance(cell, str) else cell)
