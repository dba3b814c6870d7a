"""Writing files so that a kill leaves the old file or the new one, never half of one; reading what may be damaged."""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from mhclf.errors import RunError


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path` atomically: a temporary file beside it, synchronised, then renamed over it.

    Parameters
    ----------
    path : pathlib.Path
        Target; its folder is made when missing. The mode of a new file follows the umask.
    content : bytes
        What the file will hold.

    Returns
    -------
    pathlib.Path
        `path`.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, temporary = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(temporary, path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def write_text(path: Path, content: str) -> Path:
    """Write `content` as UTF-8 with Unix line ends, atomically; a lone surrogate becomes a question mark."""
    return write_bytes(path, content.encode("utf-8", errors="replace"))


def _umask() -> int:
    """Return the process's file mode mask, which can be read only by setting it."""
    mask = os.umask(0o022)
    os.umask(mask)
    return mask


def remove_leftovers(folder: Path, name: str = "") -> None:
    """Remove what a kill left of half-written files in a folder that no other process writes.

    Parameters
    ----------
    folder : pathlib.Path
    name : str
        Only of the file of this name; of every file by default.
    """
    for path in folder.glob(".*.part"):
        if path.name.startswith(f".{name}." if name else "."):
            path.unlink(missing_ok=True)


def read_mapping(path: Path, advice: str = "Run it again with --overwrite.") -> dict[str, Any]:
    """Return a JSON file that holds an object.

    Raises
    ------
    RunError
        If it is missing or damaged; names the file and gives the advice.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{path}: cannot be read ({type(error).__name__}). {advice}") from error
    if not isinstance(content, dict):
        raise RunError(f"{path}: holds no JSON object. {advice}")
    return content
