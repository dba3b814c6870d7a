"""Bytes of a file to text."""

import codecs
import gzip
import zlib
from pathlib import Path

from mhclf.errors import ConfigError, DataError


def _single_byte(error: UnicodeError) -> tuple[str, int]:
    """Read what is not UTF-8 as Windows-1252, or as Latin-1 where that has no sign."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    broken = error.object[error.start : error.end]
    try:
        return broken.decode("cp1252"), error.end
    except UnicodeDecodeError:
        return broken.decode("latin-1"), error.end


codecs.register_error("mhclf_single_byte", _single_byte)


def read_text(path: Path, encoding: str = "utf-8") -> str:
    """Return the file's text (gzip by ending), stripping a byte order mark.

    Parameters
    ----------
    path : Path
    encoding : str
        Python's name of it, or `mixed`: UTF-8 with single Windows-1252 bytes among it.

    Raises
    ------
    DataError
        If the file cannot be opened or decoded; names the line.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix.lower() == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise unreadable(path, error) from error
    name, errors = codec_of(encoding)
    try:
        return raw.decode(name, errors=errors)
    except UnicodeDecodeError as error:
        # `error.object` lacks the byte order mark, and `error.start` counts in it.
        row = error.object[: error.start].count(b"\n") + 1
        raise undecodable(path, row, name) from error


def codec_of(encoding: str) -> tuple[str, str]:
    """Return what Python's decoders take for an `encoding` of the YAML: its name and the way to treat errors."""
    mixed = encoding == "mixed"
    name = "utf-8-sig" if mixed or codecs_name(encoding) == "utf-8" else encoding
    return name, "mhclf_single_byte" if mixed else "strict"


def undecodable(path: Path, line: int, name: str) -> DataError:
    """Return the error for bytes that are no text in the encoding that `codec_of` named."""
    kind = "UTF-8" if name == "utf-8-sig" else name
    return DataError(
        f"{path}, line {line}: not {kind} text. Save the file as UTF-8 (a spreadsheet: 'CSV UTF-8'; or iconv), or "
        "give its encoding in a YAML, as in 'source: {files: {path: my.csv, encoding: cp1252}}' "
        "(datasets_cfg/_template.yaml shows the rest)."
    )


def unreadable(path: Path, error: Exception) -> DataError:
    """Return the error for a file that cannot be opened or unpacked."""
    reason = getattr(error, "strerror", None) or str(error)
    return DataError(f"{path}: cannot be read ({reason}). Check the file and its permissions.")


def codecs_name(encoding: str) -> str:
    """Return Python's own name of an encoding.

    Raises
    ------
    ConfigError
        If there is none of that name.
    """
    try:
        found = codecs.lookup(encoding)
        # Some of Python's codecs turn text into text, or bytes into bytes, and one refuses everything.
        known = "a".encode(encoding).decode(encoding) == "a"
    except (LookupError, ValueError):
        known = False
    if not known:
        raise ConfigError(f"source: encoding: '{encoding}' is no encoding that Python knows, such as utf-8.")
    return found.name
