"""Where files of ours lie on this machine."""

import os
from pathlib import Path

from mhclf.errors import ConfigError
from mhclf.registry import mistyped


def cache_folder() -> Path:
    """Return `$MHCLF_CACHE`, by default `~/.cache/mhclf`."""
    return Path(os.environ.get("MHCLF_CACHE") or Path.home() / ".cache" / "mhclf")


def recipe_folder() -> Path:
    """Return the folder of the recipes: the checkout's, or the copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "experiments" / "recipes"
    return checkout if checkout.is_dir() else package / "recipes"


def check_run_folder(folder: Path) -> None:
    """Refuse a run folder that is not there: what was typed is wrong, not what a run has left.

    Raises
    ------
    ConfigError
        If there is no such folder; names one beside it that is called nearly so.
    """
    if folder.is_dir():
        return
    beside = sorted(path.name for path in folder.parent.iterdir()) if folder.parent.is_dir() else []
    meant = mistyped(folder.name, beside)
    hint = f"Did you mean '{folder.parent / meant}'?" if meant else "Give the folder that the run printed."
    raise ConfigError(f"run: there is no folder '{folder}'. {hint}")
