"""The rows of the WellDunn replay against what the published notebook prints; no post is shown."""

import numpy as np
import pytest

from explain.welldunn import PUBLISHED, kept_rows, published_cut
from mhclf.data.load import load_table

pytestmark = pytest.mark.data


def test_the_sampled_rows_are_those_of_the_published_notebook(data_root):
    # Its report of seed 200 supports the classes with 144, 110, 233 and 130 posts: the last row was lost, and sorted by
    # the last class's gold it is one of that class.
    table = load_table("wellxplain", data_root=data_root)
    _, held = published_cut(len(table), 200, PUBLISHED)
    assert np.bincount(table.targets[held]).tolist() == [144, 110, 233, 131]
    kept = kept_rows(np.zeros(len(held)), table.targets[held], 4, 1.0, PUBLISHED)
    assert np.bincount(table.targets[held][kept]).tolist() == [144, 110, 233, 130]
    # The file is in the order of its classes: the leak leaves few train rows of the first.
    train, _ = published_cut(len(table), 200, PUBLISHED)
    assert np.bincount(table.targets[train]).tolist() == [160, 591, 1137, 586]


def test_the_published_supports_at_lower_coverages(data_root):
    table = load_table("wellxplain", data_root=data_root)
    _, held = published_cut(len(table), 200, PUBLISHED)
    gold = table.targets[held]
    found = [
        np.bincount(gold[kept_rows(np.zeros(len(held)), gold, 4, coverage, PUBLISHED)], minlength=4).tolist()
        for coverage in (0.95, 0.9, 0.85, 0.8, 0.75)
    ]
    assert found == [
        [144, 110, 233, 99],
        [144, 110, 233, 68],
        [144, 110, 233, 37],
        [144, 110, 233, 6],
        [138, 104, 220, 0],
    ]
