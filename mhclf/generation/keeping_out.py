"""Sets whose posts a generating model may not learn from: above all those with explanations by experts."""

from collections.abc import Sequence

from mhclf.config.dataset import DatasetConfig
from mhclf.data.locate import dataset_names, find_dataset

EXPERTS = "experts"
"""Stands for the sets that share posts with a data set, and whose explanations experts wrote."""


def sets_kept_out(dataset: DatasetConfig, names: Sequence[str]) -> list[str]:
    """Return the sets behind `names`, each once, without the data set itself.

    Notes
    -----
    Two sets share posts where the YAML of either names the other under `shares_text_with`.
    """
    found = [name for name in names if name != EXPERTS]
    if EXPERTS in names:
        found += [name for name in dataset.shares_text_with if find_dataset(name).config.explanations == "expert"]
        others = {name: find_dataset(name).config for name in dataset_names()}
        found += [
            name
            for name, other in others.items()
            if other.explanations == "expert" and dataset.name in other.shares_text_with
        ]
    return list(dict.fromkeys(name for name in found if name != dataset.name))
