"""Where files of ours lie on this machine."""

import os
from pathlib import Path


def cache_folder() -> Path:
    """Return `$MHCLF_CACHE`, by default `~/.cache/mhclf`."""
    return Path(os.environ.get("MHCLF_CACHE") or Path.home() / ".cache" / "mhclf")
