"""Scores out of generated text: ordered parsers, each with a name that the results keep."""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_LARGEST = 1e300
_NUMBER = r"(?<![\w.,/+-])\d{1,3}(?:\.\d+)?(?![^\W_]|[/%]|[.,]\d)"
_MARKER = re.compile(
    r"(?P<start>^[\s\"'*_#>-]*)?(?<!\w)(?:(?:overall |final |corrected )?(?:scores?|ratings?)|rated?(?: (?:it|this))?)"
    rf"(?!\w)[\"'*_]*\s*(?:is|of|as|with|=|:|：)*\s*[\"'*_\[(]*(?P<value>{_NUMBER})"
    r"|(?P<begin>^[\s\"'*_#>-]*)?(?:得分|评分|分数|打分)[\"'*_]*\s*(?:是|为|=|:|：)*\s*[\"'*_\[(（]*"
    r"(?P<zh>(?<![\w.,/+-])?\d{1,3}(?:\.\d+)?(?![\d/%]|[.,]\d))",
    re.IGNORECASE | re.MULTILINE,
)
_OUT_OF = re.compile(r"(?<![\w.,/])(\d{1,9}(?:\.\d+)?)\s*(?:/|out of|of)\s*(\d{1,9})(?![\w/]|[.,]\d)", re.IGNORECASE)
_RANGE = re.compile(
    r"(?<![\w.,/])(\d{1,9})\s*(?:-|–|—|to|or|and|through|到|至|或)\s*(\d{1,9})(?![^\W_]|/|[.,]\d)", re.IGNORECASE
)
_FIRST = re.compile(rf"[\s\"'“‘`*(\[]*(?P<value>{_NUMBER})[\"'”’`*)\]]*\s*(?:$|[.,:;：，。–—-])", re.MULTILINE)


@dataclass(frozen=True)
class Reading:
    """The score that an answer gives.

    Attributes
    ----------
    value : float or None
        None where no score of the scale could be read.
    parser : str
        Which rule read it; `unread` for None, `scored` for probabilities.
    """

    value: float | None
    parser: str


UNREAD = Reading(None, "unread")


def parse_score(text: str, lowest: int, highest: int, criterion: str = "") -> Reading:
    """Read the score of a generated answer by the first rule that finds one.

    Parameters
    ----------
    text : str
    lowest, highest : int
        Ends of the scale. The first rule that finds a number decides: is that outside the scale, the answer is unread,
        never clipped.
    criterion : str
        A key of this name in a JSON object counts as `score`.

    Notes
    -----
    Rules in order: `json` (an object with "score" or "rating"), `exact` (the answer is a number), `marker` ("score: 2";
    one that begins a line goes before others), `first_line` and `last_line` (a number begins the answer, or is its last
    line). A rule that finds different numbers finds none. `2/3` and `2 out of 3` are 2 where the scale ends at 3, and
    no score where it does not; a range such as `0 to 3` is none; a number amid a sentence is none, because posts and
    explanations hold numbers. Numbers with decimals are scores, too.
    """
    plain = _without_scale(text, highest)
    for name, rule in _RULES:
        found = rule(text if name == "json" else plain, criterion)
        if found is not None:
            return Reading(found, name) if lowest <= found <= highest else UNREAD
    return UNREAD


def _without_scale(text: str, highest: int) -> str:
    """Return the text without ranges, and with `2/3` as its first number where the second one ends the scale."""
    plain = _OUT_OF.sub(lambda match: match[1] if int(match[2]) == highest else " … ", text)
    return _RANGE.sub(lambda match: " … " if int(match[1]) < int(match[2]) else match[0], plain)


def _one(found: Sequence[float | None]) -> float | None:
    """Return what all of them are, None where they differ or there is none."""
    return found[0] if found and len(set(found)) == 1 else None


def _json(text: str, criterion: str) -> float | None:
    known = {"score", "rating", *([criterion.casefold()] if criterion else [])}
    found = []
    for match in re.finditer(r"\{[^{}]*\}", text):
        try:
            content = json.loads(match[0])
        except (ValueError, RecursionError):
            continue
        found += [_number(value) for key, value in content.items() if key.casefold() in known]
    return _one(found)


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        # Whole numbers of JSON may be longer than any float.
        return float(value) if abs(value) < _LARGEST else _LARGEST
    return float(value) if isinstance(value, str) and re.fullmatch(r"\s*\d{1,3}(\.\d+)?\s*", value) else None


def _exact(text: str, criterion: str) -> float | None:
    return _number(text.strip().strip("\"'“”‘’`*.。:：()（）[] "))


def _marker(text: str, criterion: str) -> float | None:
    matches = list(_MARKER.finditer(text))
    values = [float(match["value"] or match["zh"]) for match in matches]
    lines = [
        value
        for match, value in zip(matches, values, strict=True)
        if match["start"] is not None or match["begin"] is not None
    ]
    return _one(lines or values)


def _first_line(text: str, criterion: str) -> float | None:
    # An answer that repeats the scale, or is a list, has numbers before other lines, too.
    lines = [_FIRST.match(line) for line in text.strip().splitlines()]
    found = [float(match["value"]) for match in lines if match]
    return _one(found) if lines and lines[0] else None


def _last_line(text: str, criterion: str) -> float | None:
    lines = text.strip().splitlines()
    return _exact(lines[-1], criterion) if lines else None


_RULES: tuple[tuple[str, Callable[[str, str], float | None]], ...] = (
    ("json", _json),
    ("exact", _exact),
    ("marker", _marker),
    ("first_line", _first_line),
    ("last_line", _last_line),
)
