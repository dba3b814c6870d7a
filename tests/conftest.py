"""Fixtures that many tests need; the functions behind them are in support.py."""

import os
from collections.abc import Callable
from pathlib import Path

# Before torch is imported anywhere.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ["HF_HUB_OFFLINE"] = "1"
if "PYTEST_XDIST_WORKER" in os.environ:
    # Processes that share the cores do more with a thread each.
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from support import build_encoder_folder, write_tiny_dataset


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take back what a test sets in the environment: doors set variables for the process that they are."""
    monkeypatch.setattr("os.environ", dict(os.environ))


@pytest.fixture(scope="session")
def encoder_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Return the folder of a tiny encoder by family, built once."""
    built: dict[str, Path] = {}

    def folder(family: str = "bert") -> Path:
        if family not in built:
            built[family] = build_encoder_folder(tmp_path_factory.mktemp(f"tiny-{family}") / f"tiny-{family}", family)
        return built[family]

    return folder


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the YAML of a small multi-class set."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny-data"))


@pytest.fixture(scope="session")
def tiny_multilabel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the YAML of a small multi-label set."""
    return write_tiny_dataset(tmp_path_factory.mktemp("tiny-multilabel"), task="multilabel", name="tiny_multilabel")


@pytest.fixture(scope="session")
def data_root() -> str:
    """Return the folder of the real data sets, or skip."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    root = Path(os.environ.get("MHCLF_DATA") or beside)
    if not (root / "wellxplain").is_dir():
        pytest.skip("the real data sets are not here; give their folder in MHCLF_DATA")
    return str(root)
