"""`generations.jsonl` of a run folder, read back: what a model decided and said about each row."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mhclf.data.table import PostTable
from mhclf.errors import RunError
from mhclf.generation.wording import wording_of


@dataclass(frozen=True)
class GeneratedRow:
    """One line of the file, and where its post stands.

    Attributes
    ----------
    row : int
        Of the split's table.
    id : str
    label : str, or None
        The label that a yes-or-no question was about.
    answer : tuple of str, or None
        The decided answers in words; None where none could be read.
    parsers : tuple of str
        Which rule read each sample.
    explanation : str
        '' for none.
    """

    row: int
    id: str
    label: str | None
    answer: tuple[str, ...] | None
    parsers: tuple[str, ...]
    explanation: str


def read_generated(folder: Path, part: PostTable) -> list[GeneratedRow]:
    """Return the lines of a run folder's `generations.jsonl`, in their order.

    Raises
    ------
    RunError
        If the file is missing or damaged, or speaks of a row that the data set does not have.
    """
    path = folder / "generations.jsonl"
    if not path.is_file():
        raise RunError(f"{folder}: holds no generations.jsonl. Give the folder that generate.py prompt printed.")
    places = {str(identifier): row for row, identifier in enumerate(part.frame["id"])}
    found = []
    with path.open(encoding="utf-8") as lines:
        for number, line in enumerate(lines, start=1):
            content = _content(line, f"{path}, line {number}")
            if content["id"] not in places:
                raise RunError(f"{folder}: a row of the run is not in the data set. Use the data it was made from.")
            answer = content["answer"]
            found.append(
                GeneratedRow(
                    places[content["id"]],
                    content["id"],
                    content["label"],
                    None if answer is None else tuple(answer),
                    tuple(content["parsers"]),
                    content["explanation"],
                )
            )
    return found


def decision_words(row: GeneratedRow, part: PostTable) -> str:
    """Return what was decided in words: `work`, `body, work`, `work: yes`; '' where it could not be read."""
    if row.answer is None:
        return ""
    wording = wording_of(part.config.language)
    words = wording.separator.join(row.answer) or wording.none
    return words if row.label is None else f"{part.config.prompt.label_words.get(row.label, row.label)}: {words}"


def gold_words(row: GeneratedRow, part: PostTable) -> str:
    """Return the right decision in the same words."""
    wording = wording_of(part.config.language)
    gold = part.gold_names()[row.row]
    names = [gold] if isinstance(gold, str) else list(gold)
    spoken = part.config.prompt.label_words
    if row.label is not None:
        answer = wording.yes if row.label in names else wording.no
        return f"{spoken.get(row.label, row.label)}: {answer}"
    return wording.separator.join(spoken.get(name, name) for name in names) or wording.none


def _content(line: str, where: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{where}: is no JSON. Prompt again with --overwrite; cached answers are used.") from error
    keys = {"id", "label", "answer", "parsers", "explanation"}
    if not isinstance(content, dict) or not keys <= set(content):
        raise RunError(f"{where}: lacks {', '.join(sorted(keys))}. Prompt again with --overwrite.")
    return content
