"""JSON: a list of objects, or one object a line."""

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from mhclf.data.readers.text import read_text
from mhclf.errors import DataError

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")


def read_jsonl(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read one JSON object a line; blank lines are skipped."""
    rows = []
    # Not splitlines(): JSON strings may hold U+2028 and its like unescaped.
    for number, line in enumerate(read_text(path, encoding).split("\n"), start=1):
        if line.strip():
            rows.append(json_object(line, f"{path}, line {number}"))
    if not rows:
        raise DataError(f"{path}: is empty. Give one JSON object a line.")
    return pd.DataFrame(rows, dtype=object)


def read_json(path: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read a JSON list of objects."""
    content = _parse_json(read_text(path, encoding), str(path))
    if not isinstance(content, list) or not content or not all(isinstance(item, dict) for item in content):
        raise DataError(f"{path}: expected a JSON list of objects, one for each row.")
    return pd.DataFrame(content, dtype=object)


def _parse_json(text: str, where: str) -> object:
    try:
        content = json.loads(text)
        return _without_surrogates(content) if _SURROGATE.search(text) else content
    except RecursionError as error:
        raise DataError(f"{where}: not valid JSON: nested too deep.") from error
    except ValueError as error:
        raise DataError(f"{where}: not valid JSON: {getattr(error, 'msg', 'a number has too many digits')}.") from error


def _without_surrogates(value: Any) -> Any:
    """Replace halves of cut emoji, which no encoding can hold, by U+FFFD; lengths stay."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
    return value


def json_object(line: str, where: str) -> dict[str, object]:
    """Parse one line that holds a JSON object."""
    row = _parse_json(line, where)
    if not isinstance(row, dict):
        raise DataError(f"{where}: holds no JSON object. Each line is one {{...}}.")
    return row
