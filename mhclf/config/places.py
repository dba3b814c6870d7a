"""Where files of ours lie on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `$MHCLF_CACHE`, by default `~/.cache/mhclf`."""
    return Path(os.environ.get("MHCLF_CACHE") or Path.home() / ".cache" / "mhclf")


def recipe_folder() -> Path:
    """Return the folder of the recipes: the checkout's, or the copy inside an installed package."""
    package = Path(__file__).resolve().parent.parent
    checkout = package.parent / "experiments" / "recipes"
    return checkout if checkout.is_dir() else package / "recipes"
