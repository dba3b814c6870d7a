"""Labels out of answers in words, by our rule and by the published one."""

import re
from collections.abc import Iterable


def label_of_answer(answer: str, labels: Iterable[str]) -> str | None:
    """Return the one label whose words stand in the answer, or None where none or several do.

    Notes
    -----
    Whole words, in any case. A label inside a longer one that stands there too ("work" in "social work") does not
    count. The published rule (`published_label`) takes any part of a word, and the first in its own order.
    """
    found = [
        (*match.span(), label)
        for label in labels
        for match in re.finditer(rf"(?<!\w){re.escape(label)}(?!\w)", answer, re.IGNORECASE)
    ]
    whole = {
        label
        for start, end, label in found
        if not any(a <= start and end <= b and (a, b) != (start, end) for a, b, _ in found)
    }
    return whole.pop() if len(whole) == 1 else None


def published_label(answer: str, rule: Iterable[tuple[str, ...]]) -> str | None:
    """Return the label that the published code reads: the first (part, label) whose part occurs, else None."""
    lowered = answer.lower()
    return next((label for part, label in rule if part in lowered), None)
