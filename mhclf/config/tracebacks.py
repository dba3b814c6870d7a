"""Errors of other libraries as they may be shown: their messages quote values, and a value may be a post."""

import re
import traceback

_LONGEST = 300


def without_quotes(message: str) -> str:
    """Return the first line of a message, with everything between its first and last quote left out."""
    first = message.strip().splitlines()[0] if message.strip() else ""
    # A value may hold quotes itself, or the end of a quoted value may lie in a later line.
    found = re.search("[\"'`‘“]", first)
    if found:
        end = max(first.rfind(sign) for sign in "\"'`’”")
        closed = end > found.start() and len(message.strip().splitlines()) == 1
        first = first[: found.start()] + "'...'" + (first[end + 1 :] if closed else "")
    return first if len(first) <= _LONGEST else first[:_LONGEST] + "..."


def traceback_without_values(error: BaseException) -> str:
    """Return the places in the code that an error passed, and its message without what stands between quotes.

    Of errors behind it (`raise ... from ...`) only the kinds are named.
    """
    lines = ["Traceback (most recent call last):\n", *traceback.format_tb(error.__traceback__)]
    lines.append(f"{type(error).__name__}: {without_quotes(str(error))}\n")
    behind, known = error.__cause__ or error.__context__, {id(error)}
    while behind is not None and id(behind) not in known:
        known.add(id(behind))
        lines.append(f"  after {type(behind).__name__}\n")
        behind = behind.__cause__ or behind.__context__
    return "".join(lines)
