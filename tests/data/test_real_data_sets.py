"""The real data sets, against the counts in their READMEs; no post is shown."""

import numpy as np
import pytest

from mhclf.data.audit import audit
from mhclf.data.load import load_table

pytestmark = pytest.mark.data


@pytest.fixture(scope="module")
def load(data_root):
    tables = {}

    def load(name):
        if name not in tables:
            tables[name] = load_table(name, data_root=data_root)
        return tables[name]

    return load


def class_counts(table, *splits):
    rows = table.frame["split"].isin(splits).to_numpy()
    targets = table.targets[rows]
    counts = targets.sum(axis=0) if targets.ndim == 2 else np.bincount(targets, minlength=len(table.labels))
    return dict(zip(table.labels, counts.tolist(), strict=True))


def test_dreaddit(load):
    table = load("dreaddit")
    assert class_counts(table, "train", "validation") == {"not stressed": 1350, "stressed": 1488}
    assert class_counts(table, "test") == {"not stressed": 346, "stressed": 369}
    _, findings = audit(table)
    assert [(finding.check, finding.severity) for finding in findings if finding.severity == "stop"] == []


def test_multiwd(load):
    table = load("multiwd")
    train = {"Spiritual": 164, "Physical": 725, "Intellectual": 514, "Social": 1711, "Vocational": 453,
             "Emotional": 1336}  # fmt: skip
    test = {"Spiritual": 37, "Physical": 198, "Intellectual": 137, "Social": 419, "Vocational": 97, "Emotional": 326}
    assert class_counts(table, "train", "validation") == train
    assert class_counts(table, "test") == test
    assert table.frame["split"].isin(["train", "validation"]).sum() == 2624
    assert (table.frame["split"] == "test").sum() == 657
    assert (table.targets.sum(axis=1) == 0).sum() == 3
    assert table.counts["texts_repaired"] == 651 + 196


@pytest.mark.parametrize("name", ["wellxplain", "wellxplain_random"])
def test_wellxplain(load, name):
    table = load(name)
    assert class_counts(table, "train", "validation", "test") == {
        "physical": 740, "intellectual and vocational": 592, "social": 1139, "spiritual and emotional": 621
    }  # fmt: skip
    assert table.counts["texts_repaired"] == 438
    assert table.counts["rationales"] == 3092
    assert table.counts["rationales_located_fully"] >= 3067
    located = [item for item in table.rationales if item.located]
    lengths = [len(text) for text in table.texts]
    assert all(0 <= a < b <= size for size, item in zip(lengths, table.rationales, strict=True) for a, b in item.spans)
    assert len(located) == 3092 - table.counts["rationales_not_located"]


def test_wellxplain_rows_share_posts(load):
    groups = load("wellxplain").frame["group"]
    assert groups.duplicated(keep=False).mean() == pytest.approx(0.44, abs=0.005)
    grouped = load("wellxplain").frame.groupby("group")["split"].nunique()
    random = load("wellxplain_random").frame.groupby("group")["split"].nunique()
    assert grouped.max() == 1 and random.max() > 1


def test_the_sound_and_the_random_cut_have_the_same_sizes(load):
    for name in ("wellxplain", "wellxplain_random"):
        counts = load(name).frame["split"].value_counts()
        assert (counts["test"], counts["validation"]) == (619, 248)
        test = class_counts(load(name), "test")
        assert test["social"] / 619 == pytest.approx(1139 / 3092, abs=0.02)


@pytest.mark.parametrize("name", ["dreaddit", "multiwd", "wellxplain"])
def test_nothing_broken_is_left(load, name):
    texts = load(name).texts
    assert sum("‚Ä" in text or "√©" in text or "â€" in text for text in texts) == 0
