"""IMHI (MentaLLaMA): post, question, answer and explanation out of instruction and completion files."""

import re
from collections.abc import Iterable

import pandas as pd

from mhclf.errors import DataError

_QUERIES = (
    re.compile(r'^\s*Consider this post: "(?P<post>.*)" Question: (?P<question>.*)$', re.DOTALL),
    re.compile(r"^\s*Post: (?P<post>.*) Question: (?P<question>.*)$", re.DOTALL),
)
_ANSWERS = ("gpt-3.5-turbo", "response", "curie-instruct-beta")
_REASONING = "Reasoning:"


def parse_imhi(frame: pd.DataFrame, path: object) -> pd.DataFrame:
    """Return the columns `post`, `question`, `answer` (before "Reasoning:") and `explanation` (after it).

    Parameters
    ----------
    frame : pandas.DataFrame
        With `query`, or `post` and `question`, and with the answer in `gpt-3.5-turbo` (also where an expert wrote
        it) or `response`.
    path : object
        For messages.

    Raises
    ------
    DataError
        If a column is missing or a query does not parse.
    """
    answer_column = next((name for name in _ANSWERS if name in frame.columns), None)
    if answer_column is None or not ({"query"} <= set(frame.columns) or {"post", "question"} <= set(frame.columns)):
        raise DataError(
            f"{path}: an IMHI file has the columns 'query' (or 'post' and 'question') and one of {', '.join(_ANSWERS)}."
        )
    rows = []
    for number, row in enumerate(frame.to_dict("records"), start=1):
        if "query" in row:
            match = next(filter(None, (pattern.match(str(row["query"])) for pattern in _QUERIES)), None)
            if match is None:
                raise DataError(
                    f"{path}, row {number}, column 'query': holds no 'Consider this post:' and 'Question:'."
                )
            post, question = match["post"], match["question"]
        else:
            post, question = str(row["post"]), str(row["question"])
        answer, _, explanation = str(row[answer_column]).partition(_REASONING)
        rows.append(
            {
                "post": post.strip(),
                "question": question.strip(),
                "answer": answer.strip(),
                "explanation": explanation.strip(),
            }
        )
    return pd.DataFrame(rows, dtype=object)


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
