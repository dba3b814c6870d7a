"""From rationale cells of all kinds to character spans in the repaired text."""

import json
import re
from typing import Any

import pandas as pd

from mhclf.config.dataset import DatasetConfig
from mhclf.data.cells import as_list
from mhclf.data.repair import Rationale, locate_phrases, locate_span, repair_encoding
from mhclf.data.spans import merge_spans
from mhclf.errors import DataError


def read_rationales(
    config: DatasetConfig, raw: pd.DataFrame, originals: list[str], repaired: list[str], row_names: list[str]
) -> tuple[Rationale, ...]:
    """Return one rationale a row, in characters of the repaired text; nothing where the set has no rationales.

    Parameters
    ----------
    originals, repaired : list of str
        Texts before and after repair; spans of the file count in the first.
    row_names : list of str
        'file, row n' for messages.
    """
    if config.rationale is None:
        return ()
    kind, separators = config.rationale.kind, config.rationale.separators
    found = []
    for row, value in enumerate(raw[config.rationale.column]):
        where = f"{row_names[row]}, column '{config.rationale.column}'"
        if kind == "phrases":
            phrases = [value] if isinstance(value, str) else as_list(value)
            phrases = [repair_encoding(str(phrase)) if config.repair else str(phrase) for phrase in phrases]
            found.append(locate_phrases(repaired[row], phrases, separators))
        else:
            spans = _spans(value, where)
            if kind == "token_spans":
                spans = _token_to_characters(originals[row], spans, where)
            for start, end in spans:
                size = len(originals[row])
                if not 0 <= start < end <= size:
                    raise DataError(
                        f"{where}: the span [{start}, {end}] lies outside the {size} characters of the text."
                    )
            parts = [locate_span(originals[row], repaired[row], span) for span in spans]
            found.append(
                Rationale(
                    tuple(merge_spans(span for part in parts for span in part.spans)),
                    len(parts),
                    sum(part.located for part in parts),
                )
            )
    return tuple(found)


def _spans(value: Any, where: str) -> list[tuple[int, int]]:
    try:
        pairs = json.loads(value) if isinstance(value, str) and value.strip() else as_list(value)
        return [(int(start), int(end)) for start, end in pairs]
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise DataError(f"{where}: expected [start, end] pairs, such as [[0, 12], [20, 31]].") from error


def _token_to_characters(text: str, spans: list[tuple[int, int]], where: str) -> list[tuple[int, int]]:
    offsets = [match.span() for match in re.finditer(r"\S+", text)]
    for start, end in spans:
        if not 0 <= start < end <= len(offsets):
            raise DataError(
                f"{where}: the token span [{start}, {end}] lies outside the {len(offsets)} words of the text."
            )
    return [(offsets[start][0], offsets[end - 1][1]) for start, end in spans]
