"""What a classifier looked at in the posts that a language model explained: to hold what the text cites against it."""

from io import BytesIO
from pathlib import Path

import numpy as np

from explain.methods import attribute, check_method
from mhclf.data.manifest import content_hash
from mhclf.generation.added_measures import Attributed
from mhclf.generation.measured_run import explained_rows
from mhclf.results.files import write_bytes
from mhclf.training.saved import load_run

_SCORES = 2
"""Counts the times that a method came to give other scores: those kept before are then made anew."""


def attribute_explained(folder: Path, classifier: Path, method: str, data_root: str | None = None) -> Attributed:
    """Attribute the posts that a prompting or a joint run explained, for the label that it explains.

    Parameters
    ----------
    folder : Path
        Run folder with explanations.
    classifier : Path
        Run folder of a classifier of the same labels; a joint run is one, too.
    method : str
        A method of `explain.attribute`.
    data_root : str, optional

    Returns
    -------
    Attributed
        For a post without a decided label the classifier's most probable one is explained. Kept in the classifier's
        folder under `attributions/`, so that the same question costs nothing twice.

    Raises
    ------
    MhclfError
        If the method does not exist, or the classifier does not know the labels.
    """
    check_method(method)
    rows = explained_rows(folder, data_root)
    key = content_hash([method, _SCORES, rows.ids, rows.texts, rows.contexts or [], rows.labels])[:12]
    kept = classifier / "attributions" / f"{method}-{key}.npz"
    if kept.is_file():
        with np.load(kept, allow_pickle=False) as found:
            scores = [found[f"row{number}"] for number in range(len(rows.ids))]
    else:
        named = attribute(load_run(classifier), rows.texts, method, rows.labels, contexts=rows.contexts)
        scores = [np.asarray(one.scores, dtype=np.float64) for one in named]
        packed = BytesIO()
        np.savez(packed, **{f"row{number}": one for number, one in enumerate(scores)})
        write_bytes(kept, packed.getvalue())
    return Attributed(classifier.name, method, dict(zip(rows.ids, scores, strict=True)))
