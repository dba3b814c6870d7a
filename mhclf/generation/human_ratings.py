"""Explanations rated by people: the files of IMHI's human evaluation on Depression Reddit (Yang et al. 2023)."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mhclf.data.readers.imhi import parse_imhi
from mhclf.data.readers.tables import read_csv
from mhclf.data.spans import text_key
from mhclf.errors import DataError

DIMENSIONS = ("fluency", "completeness", "reliability", "overall")
HIGHEST = 3
FOLDER = "imhi/human_evaluation/DR_annotation"
SILVER = "imhi/test_data/test_instruction/DR.csv.gz"
EXPLANATION_COLUMNS = {
    "chatgpt": ("chatgpt_data.csv", "gpt-3.5-turbo"),
    "chatgpt_false": ("chatgpt_false_data.csv", "gpt-3.5-turbo"),
    "gpt3": ("gpt3_data.csv", "curie-instruct-beta"),
}
"""Name of each part -> its file and the column with the explanation."""


@dataclass(frozen=True)
class RatedExplanations:
    """Explanations of one system with the ratings of several people.

    Attributes
    ----------
    name : str
        A key of `EXPLANATION_COLUMNS`.
    posts, explanations : tuple of str (n,)
        The explanation as it was rated: with the answer that it begins with, if any.
    ratings : dict of array (n, raters)
        For each of `DIMENSIONS`, whole numbers from 0 to 3.
    """

    name: str
    posts: tuple[str, ...]
    explanations: tuple[str, ...]
    ratings: dict[str, npt.NDArray[np.int64]]

    @property
    def post_keys(self) -> tuple[str, ...]:
        """A hash of each post's letters and digits: equal for one post in different files."""
        return tuple(text_key(post) for post in self.posts)


def read_rated_explanations(data_root: str | None = None) -> tuple[RatedExplanations, ...]:
    """Read the rated explanations of all systems, in the order of `EXPLANATION_COLUMNS`.

    Parameters
    ----------
    data_root : str, optional
        Folder of the data sets; by default `$MHCLF_DATA`, then `data`.

    Raises
    ------
    DataError
        If a file or column is missing, a text is empty, or a rating is no list of as many whole numbers from 0 to 3 as
        in the first row; names file, row and column, and shows no text.
    """
    folder = _root(data_root) / FOLDER
    return tuple(read_rated_file(folder / file, name, column) for name, (file, column) in EXPLANATION_COLUMNS.items())


def read_rated_file(path: Path, name: str, column: str) -> RatedExplanations:
    """Read one file of rated explanations; `column` holds the explanations. Errors as `read_rated_explanations`."""
    if not path.is_file():
        raise DataError(
            f"{path}: was not found. Give the folder of the data sets with --data-root DIR or the environment variable "
            "MHCLF_DATA; the file is part of github.com/SteveKGYang/MentalLLaMA (human_evaluation)."
        )
    frame = read_csv(path)
    missing = [wanted for wanted in ("text", column, *DIMENSIONS) if wanted not in frame.columns]
    if missing:
        raise DataError(f"{path}: the column(s) {', '.join(missing)} are missing. Take the file as published.")
    if frame.empty:
        raise DataError(f"{path}: has no rows. Take the file as published.")
    for wanted in ("text", column):
        for row, cell in enumerate(frame[wanted], start=1):
            if not str(cell).strip():
                raise DataError(f"{path}, row {row}, column '{wanted}': is empty. Take the file as published.")
    ratings = {}
    raters = None
    for dimension in DIMENSIONS:
        rows = []
        for row, cell in enumerate(frame[dimension], start=1):
            given = _ratings(str(cell), f"{path}, row {row}, column '{dimension}'", raters)
            raters = len(given)
            rows.append(given)
        ratings[dimension] = np.array(rows, dtype=np.int64)
    return RatedExplanations(name, tuple(map(str, frame["text"])), tuple(map(str, frame[column])), ratings)


def read_silver_references(data_root: str | None = None) -> dict[str, str]:
    """Return the machine-written explanations of IMHI's DR test posts, which a model wrote that was shown the label.

    Returns
    -------
    dict: `mhclf.data.spans.text_key` of the post -> explanation

    Raises
    ------
    DataError
        If the file is missing or is no IMHI file.
    """
    path = _root(data_root) / SILVER
    if not path.is_file():
        raise DataError(
            f"{path}: was not found. Give the folder of the data sets with --data-root DIR or the environment variable "
            "MHCLF_DATA."
        )
    frame = parse_imhi(read_csv(path), path)
    return {text_key(post): text for post, text in zip(frame["post"], frame["explanation"], strict=True) if text}


def _root(data_root: str | None) -> Path:
    return Path(data_root or os.environ.get("MHCLF_DATA") or "data")


def _ratings(cell: str, where: str, raters: int | None) -> list[int]:
    wanted = f"{raters or 'two or more'} whole numbers from 0 to {HIGHEST}, such as [3, 2, 3]"
    try:
        given = json.loads(cell)
    except ValueError:
        given = None
    whole = isinstance(given, list) and all(type(number) is int and 0 <= number <= HIGHEST for number in given)
    if not isinstance(given, list) or not whole or len(given) < 2 or len(given) != (raters or len(given)):
        raise DataError(f"{where}: holds no list of {wanted}. Mend the cell, or remove the row.")
    return given
