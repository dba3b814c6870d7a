"""IMHI (MentaLLaMA): post, question, answer and explanation out of instruction and completion files."""

import re

import pandas as pd

from mhclf.data.cells import plain_cell
from mhclf.errors import DataError

_QUERIES = (
    re.compile(r'^\s*Consider this post: "(?P<post>.*)" Question:(?P<question>.*)$', re.DOTALL),
    re.compile(r"^\s*Post: (?P<post>.*) Question:(?P<question>.*)$", re.DOTALL),
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
            match = next(filter(None, (pattern.match(plain_cell(row["query"])) for pattern in _QUERIES)), None)
            if match is None:
                raise DataError(
                    f"{path}, row {number}, column 'query': holds no 'Consider this post:' and 'Question:'."
                )
            post, question = match["post"], match["question"]
        else:
            post, question = plain_cell(row["post"]), plain_cell(row["question"])
        answer, _, explanation = plain_cell(row[answer_column]).partition(_REASONING)
        rows.append(
            {
                "post": post.strip(),
                "question": question.strip(),
                "answer": answer.strip(),
                "explanation": explanation.strip(),
            }
        )
    return pd.DataFrame(rows, dtype=object)
