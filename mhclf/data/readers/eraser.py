"""ERASER: annotations with token evidence in one file, tokenised documents in another."""

from pathlib import Path
from typing import Any

import pandas as pd

from mhclf.data.readers.json_files import read_json, read_jsonl
from mhclf.errors import DataError


def read_eraser(path: Path, documents: Path, encoding: str = "utf-8") -> pd.DataFrame:
    """Read annotations and join each to its document (DeYoung et al. 2020, arXiv:1911.03429).

    Parameters
    ----------
    path : Path
        A JSON list, or jsonl, of `annotation_id`, `classification`, `evidences` (groups of `docid`, `start_token`,
        `end_token`; end excluded).
    documents : Path
        jsonl with `docid` and `text`, tokens parted by blanks.
    encoding : str

    Returns
    -------
    pandas.DataFrame
        `id`, `text`, `label`, `rationale` (list of [start, end] tokens).

    Raises
    ------
    DataError
        If an annotation has no document, or evidence in another than its own.
    """
    jsonl = any(ending.lower() == ".jsonl" for ending in path.suffixes)
    annotations = (read_jsonl if jsonl else read_json)(path, encoding).to_dict("records")
    texts = {str(row.get("docid")): row.get("text") for row in read_jsonl(documents, encoding).to_dict("records")}
    rows = []
    for number, annotation in enumerate(annotations, start=1):
        where = f"{path}, row {number}"
        for key in ("annotation_id", "classification", "evidences"):
            if key not in annotation:
                raise DataError(f"{where}: has no '{key}', which every ERASER annotation needs.")
        spans = _evidence(annotation["evidences"], where)
        named = {docid for docid, _ in spans} or {str(annotation["annotation_id"])}
        if len(named) > 1:
            raise DataError(f"{where}: has evidence in {len(named)} documents; one document a row can be read.")
        docid = named.pop()
        if docid not in texts:
            raise DataError(f"{where}: its document '{docid[:40]}' is not in {documents}.")
        rows.append(
            {
                "id": annotation["annotation_id"],
                "text": texts[docid],
                "label": annotation["classification"],
                "rationale": [span for _, span in spans],
            }
        )
    return pd.DataFrame(rows, dtype=object)


def _evidence(groups: Any, where: str) -> list[tuple[str, list[int]]]:
    """Return (document, [start, end]) of all pieces of evidence."""
    try:
        return [
            (str(piece["docid"]), [int(piece["start_token"]), int(piece["end_token"])])
            for group in groups
            for piece in group
        ]
    except (TypeError, KeyError, ValueError, OverflowError) as error:
        raise DataError(
            f"{where}: 'evidences' does not hold groups of docid, start_token and end_token as ERASER has them."
        ) from error
