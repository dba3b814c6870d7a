"""From rationale cells of all kinds to character spans in the repaired text."""

import json
import re
from collections.abc import Sequence
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
    rule = config.rationale
    labels = [label for label, _ in rule.columns]
    by_column = [
        _read_column(raw[column], column, config, originals, repaired, row_names) for _, column in rule.columns
    ]
    if labels == [None]:
        return tuple(by_column[0])
    return tuple(_joined(labels, row) for row in zip(*by_column, strict=True))


def _joined(labels: Sequence[str | None], evidence: Sequence[Rationale]) -> Rationale:
    """Return the evidence of all labels of one row together."""
    return Rationale(
        tuple(merge_spans(span for item in evidence for span in item.spans)),
        sum(item.parts for item in evidence),
        sum(item.located for item in evidence),
        tuple((str(label), item.spans) for label, item in zip(labels, evidence, strict=True) if item.parts),
    )


def _read_column(
    cells: "pd.Series[Any]",
    column: str,
    config: DatasetConfig,
    originals: list[str],
    repaired: list[str],
    row_names: list[str],
) -> list[Rationale]:
    rule = config.rationale
    assert rule is not None
    kind = rule.kind
    found = []
    for row, value in enumerate(cells):
        where = f"{row_names[row]}, column '{column}'"
        if kind == "phrases":
            phrases = [str(phrase) for phrase in ([value] if isinstance(value, str) else as_list(value))]
            found.append(_locate_repaired(originals[row], repaired[row], phrases, rule.separators, config.repair))
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
    return found


def _locate_repaired(original: str, repaired: str, phrases: list[str], separators: str, repair: bool) -> Rationale:
    """Find phrases in the repaired text, or where fewer of them are there, in the text as the file holds it.

    A phrase that was cut off in the middle of a broken sign cannot be repaired, but stands in the broken text.
    """
    found = locate_phrases(repaired, [repair_encoding(phrase) for phrase in phrases] if repair else phrases, separators)
    if found.located == found.parts or original == repaired:
        return found
    before = locate_phrases(original, phrases, separators)
    moved = [locate_span(original, repaired, span) for span in before.spans]
    if before.located <= found.located or not all(part.located for part in moved):
        return found
    spans = tuple(merge_spans(span for part in moved for span in part.spans))
    return Rationale(spans, before.parts, before.located)


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
