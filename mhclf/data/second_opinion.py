"""What a second annotator marked, for a ceiling: how well people agree with each other."""

from mhclf.config.source import FileConfig
from mhclf.data.cells import as_list
from mhclf.data.locate import find_dataset, find_file
from mhclf.data.readers import read_table
from mhclf.data.repair import locate_phrases, repair_encoding
from mhclf.data.spans import Span
from mhclf.data.table import PostTable
from mhclf.errors import DataError


def second_spans(name: str, table: PostTable, data_root: str | None) -> dict[str, tuple[Span, ...]]:
    """Return the marked characters of a second annotator by post id; empty where the set has none.

    Parameters
    ----------
    name : str
        Data set as the run names it.
    table : PostTable
        Its rows, loaded.
    data_root : str, optional

    Raises
    ------
    DataError
        If the file lacks the id or the evidence column.
    """
    rule = table.config.rationale
    if rule is None or not rule.second:
        return {}
    located = find_dataset(name)
    path = find_file(FileConfig(path=rule.second), located.path, data_root, table.config.access)
    frame = read_table(path, "auto", "utf-8")
    identifier, column = table.config.columns.id or "id", rule.columns[0][1]
    for needed in (identifier, column):
        if needed not in frame.columns:
            raise DataError(
                f"{path}: has no column '{needed}'. A second annotator's file needs the first one's columns."
            )
    texts = dict(zip(table.frame["id"].astype(str), table.texts, strict=True))
    found = {}
    for post, cell in zip(frame[identifier].astype(str), frame[column], strict=True):
        if post in texts:
            phrases = [repair_encoding(str(phrase)) for phrase in ([cell] if isinstance(cell, str) else as_list(cell))]
            found[post] = locate_phrases(texts[post], phrases, rule.separators).spans
    return found
