"""Fetches a data file from a public address once, and keeps it in the cache under its SHA-256."""

import hashlib
import logging
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from mhclf.config.places import cache_folder
from mhclf.errors import ConfigError, DataError

_TIMEOUT = 30.0
"""Seconds without an answer, and between two pieces of a file, until a server counts as gone."""
_PIECE = 1 << 18
"""Bytes that are written at once."""

_log = logging.getLogger(__name__)


_ON = {"1", "ON", "YES", "TRUE"}
"""What Hugging Face takes for a set variable; one switch keeps both roads off the network."""


def fetch_file(url: str, sha256: str, *, cache: Path | None = None) -> Path:
    """Return the path of a file from a public address, fetching it where the cache does not hold it whole.

    Parameters
    ----------
    url : str
        An http or https address; the ending of its file name decides the format.
    sha256 : str
        Of the file as the server sends it, 64 hexadecimal digits. A packed file stays packed.
    cache : Path, optional
        Folder to keep it in; `$MHCLF_CACHE/data`, by default `~/.cache/mhclf/data`.

    Raises
    ------
    ConfigError
        If the address is none of http or https, or the hash is malformed.
    DataError
        If the file cannot be fetched or kept, or is another than the hash says. Nothing half or wrong is kept.
    """
    expected = sha256.lower()
    if not re.fullmatch("[0-9a-f]{64}", expected):
        raise ConfigError(f"{url}: '{sha256}' is no SHA-256. Give its 64 hexadecimal digits (sha256sum prints them).")
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise ConfigError(f"'{url}' is no valid address ({error}). Mend it in the data set's YAML.") from error
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise ConfigError(f"'{url}' is no http or https address. Give one, or a file on disk with 'source: files'.")
    # An address may hide slashes and worse behind percent signs; the end of a long name is what tells the format.
    name = re.sub("[^A-Za-z0-9._-]", "_", unquote(PurePosixPath(parts.path).name))[-100:] or "file"
    path = (cache or cache_folder() / "data").expanduser() / f"{expected[:12]}-{name}"
    kept = _sha256(path)
    if kept == expected:
        return path
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in _ON:
        raise DataError(f"{url}: is not in the cache, and HF_HUB_OFFLINE is set. Unset it, or {_elsewhere(name)}")
    try:
        _download(url, expected, path, name)
    except DataError as error:
        if kept is None:
            raise
        changed = f"{path}: was changed in the cache (SHA-256 {kept}, expected {expected})"
        raise DataError(f"{changed} and could not be fetched anew. {error}") from error
    return path


def _elsewhere(name: str) -> str:
    return (
        f"get the file '{name}' another way and give its folder with --data-root DIR or the environment variable "
        "MHCLF_DATA."
    )


def _sha256(path: Path) -> str | None:
    """Return the SHA-256 of a cached file, or None where there is none."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _cache_error(path, "read", error) from error


def _download(url: str, expected: str, path: Path, name: str) -> None:
    """Fetch `url` to `path`: into a temporary file beside it, which takes its name once the hash is right."""
    import pooch
    import requests

    # It has a handler of its own, which would print the paths of this machine to the terminal.
    pooch.get_logger().setLevel(logging.WARNING)
    terminal = sys.stderr.isatty()
    _log.log(logging.DEBUG if terminal else logging.INFO, "downloading %s", url)
    get = pooch.HTTPDownloader(
        progressbar=terminal,
        chunk_size=_PIECE,
        timeout=_TIMEOUT,
        headers={"Accept-Encoding": "identity"},
        hooks={"response": _keep_packed} if name.lower().endswith(".gz") else {},
    )

    def get_and_check(address: str, file: str, _: object) -> None:
        get(address, file, None)
        found = _sha256(Path(file))
        if found != expected:
            raise DataError(
                f"{url}: {Path(file).stat().st_size} bytes came with SHA-256 {found}, expected {expected}. "
                "Nothing was kept. The file there was changed, or something on the way answered in its place: "
                "compare with what its owners publish before you change the hash in the data set's YAML."
            )

    elsewhere = _elsewhere(name)
    try:
        pooch.retrieve(url, known_hash=expected, fname=path.name, path=path.parent, downloader=get_and_check)
    except requests.HTTPError as error:
        answer: Any = error.response
        advice = f"Check the address in the data set's YAML, or {elsewhere}"
        if answer.status_code in (401, 403):
            advice = f"The file is not public: ask its owners for access, then {elsewhere}"
        raise DataError(f"{url}: the server answered {answer.status_code} {answer.reason}. {advice}") from error
    except requests.exceptions.ChunkedEncodingError as error:
        raise DataError(f"{url}: the download broke off ({_amount(error)}). Try again, or {elsewhere}") from error
    except requests.Timeout as error:
        raise DataError(
            f"{url}: cannot be reached (no answer in {_TIMEOUT:.0f} seconds). Check the network, or {elsewhere}"
        ) from error
    except requests.RequestException as error:
        raise DataError(f"{url}: cannot be reached ({_reason(error)}). Check the network, or {elsewhere}") from error
    except OSError as error:
        raise _cache_error(path.parent, "written", error) from error


def _keep_packed(response: Any, **_: object) -> None:
    """Stop `requests` from unpacking: some servers call a packed file a transfer encoding."""
    response.raw.headers.pop("Content-Encoding", None)


def _cache_error(path: Path, verb: str, error: OSError) -> DataError:
    return DataError(
        f"{path}: the cache cannot be {verb} ({_reason(error)}). Name another folder in the environment variable "
        "MHCLF_CACHE."
    )


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and those that it arose from."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__


def _reason(error: BaseException) -> str:
    """Return what the operating system said, which libraries wrap in several layers, else the first line."""
    words = [cause.strerror for cause in _causes(error) if isinstance(cause, OSError) and cause.strerror]
    return words[-1] if words else str(error).splitlines()[0]


def _amount(error: BaseException) -> str:
    """Return how much of a body came."""
    for cause in _causes(error):
        came, missing = getattr(cause, "partial", None), getattr(cause, "expected", None)
        if isinstance(came, int) and isinstance(missing, int):
            return f"{came} of {came + missing} bytes came"
    return _reason(error)
