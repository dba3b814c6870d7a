"""The real data sets, against the counts in their READMEs; no post is shown."""

import numpy as np
import pytest

from mhclf.data.audit import audit
from mhclf.data.audit.between import shared_posts, training_side
from mhclf.data.audit.overlap import contained_posts
from mhclf.data.load import load_table
from mhclf.data.locate import dataset_names, find_dataset
from mhclf.data.spans import letters_and_digits

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
    assert table.counts["rationales_located_fully"] >= 3068
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


SIZES = {
    "irf": (1972, 493, 1057),
    "cams": (1457, 0, 370),
    "cams_625": (4355, 0, 625),
    "sdcnl": (1516, 0, 379),
    "goemotions_single": (23485, 2956, 2984),
    "hatexplain": (5514, 1922, 1924),
    "cbt_bench_distortions": (20, 0, 146),
    "cbt_bench_core_major": (20, 0, 184),
    "cbt_bench_core_fine": (20, 0, 112),
    "psysuicide": (1480, 0, 1485),
    "imhi_dr": (1003, 430, 405),
    "imhi_dreaddit": (2837, 300, 414),
    "imhi_sad": (5547, 616, 684),
    "imhi_multiwd": (6 * 2624, 1500, 2441),
    "imhi_irf": (2 * 1972, 985, 2113),
    "imhi_cams": (0, 0, 625),
    "imhi_loneliness": (0, 0, 528),
    "imhi_tsid": (0, 0, 959),
    "imhi_swmh": (0, 0, 35),
    "wellxplain_augmented": (3092 + 4376 - 2912, 0, 0),
    "depression_severity": (3553, 0, 0),
    "epitome_emotional_reactions": (3084, 0, 0),
    "annomi_therapist": (4882, 0, 0),
    "annomi_client": (4817, 0, 0),
    "cssrs500": (472, 0, 0),
}
"""Rows as the READMEs count them; 0 where a part is not given and is cut from those before it."""


@pytest.mark.parametrize("name", SIZES)
def test_sizes(load, name):
    train, validation, test = SIZES[name]
    counts = load(name).frame["split"].value_counts()
    found = {split: int(counts.get(split, 0)) for split in ("train", "validation", "test")}
    if test:
        assert found["test"] == test
        if validation:
            assert (found["train"], found["validation"]) == (train, validation)
        else:
            assert found["train"] + found["validation"] == train
            assert train == 0 or found["validation"] == pytest.approx(train * 0.1, rel=0.1, abs=1)
    else:
        assert sum(found.values()) == train and min(found.values()) > 0


CLASSES = {
    "depression_severity": {"minimum": 2587, "mild": 290, "moderate": 394, "severe": 282},
    "depression_severity_binary": {"not depressed": 2587, "depressed": 966},
    "epitome_emotional_reactions": {"none": 2037, "weak": 895, "strong": 152},
    "epitome_interpretations": {"none": 1626, "weak": 114, "strong": 1344},
    "epitome_explorations": {"none": 2604, "weak": 104, "strong": 376},
    "annomi_therapist": {"question": 1386, "reflection": 1296, "therapist_input": 614, "other": 1586},
    "annomi_client": {"change": 1174, "neutral": 3102, "sustain": 541},
    "sdcnl": {"depression": 915, "suicide": 980},
    "hatexplain": {"non-toxic": 2219 + 781 + 782, "toxic": 3295 + 1141 + 1142},
    "irf": {"thwarted belongingness": 1927, "perceived burdensomeness": 1147},
    "imhi_tsid": {"none": 501, "suicide or self-harm": 253, "depression": 154, "PTSD": 51},
    "imhi_swmh": {"depression": 6, "suicide": 4, "anxiety": 9, "bipolar": 7, "none": 9},
    "imhi_dr": {"not depressed": 202 + 100 + 98, "depressed": 801 + 330 + 307},
    "cbt_bench_core_major": {"helpless": 179, "unlovable": 113, "worthless": 90},
}


@pytest.mark.parametrize("name", CLASSES)
def test_classes(load, name):
    assert class_counts(load(name), "train", "validation", "test") == CLASSES[name]


def test_expert_and_silver_explanations_are_kept_apart(load):
    names = ["dr", "dreaddit", "sad", "multiwd", "irf", "cams", "loneliness", "tsid"]
    for name in names:
        expert, silver = load(f"imhi_{name}_expert"), load(f"imhi_{name}")
        assert (expert.config.explanations, silver.config.explanations) == ("expert", "silver")
        assert len(expert) == 35 and (expert.frame["explanation"] != "").all()
        assert expert.labels == silver.labels
    assert load("imhi_swmh").config.explanations == "expert"
    flattened = load("imhi_multiwd").frame
    assert (flattened.loc[flattened["split"].isin(["validation", "test"]), "explanation"] != "").all()
    # Train is made from the human-annotated set, which has no explanations.
    assert (flattened.loc[flattened["split"] == "train", "explanation"] == "").all()


def test_labels_that_the_published_rule_reads_otherwise(load):
    key = "labels_read_otherwise_by_the_published_rule"
    found = {name: load(f"imhi_{name}").counts[key] for name in ("dr", "dreaddit", "sad", "multiwd", "irf", "tsid")}
    # SAD: "emotion turmoil" (674 + 59 + 66) and "other stress causes" (709 + 75 + 76) are never found.
    assert found == {"dr": 0, "dreaddit": 0, "sad": 1659, "multiwd": 0, "irf": 0, "tsid": 0}
    assert load("imhi_cams").counts[key] == 107


@pytest.mark.parametrize(
    ("name", "located", "parts"),
    [("irf", 2823, 3073), ("epitome_emotional_reactions", 1231, 1243), ("epitome_interpretations", 1598, 1614),
     ("epitome_explorations", 524, 525), ("cams", 3150, 4874), ("hatexplain", 8307, 8307)],
)  # fmt: skip
def test_evidence_is_located_as_often_as_the_readmes_say(load, name, located, parts):
    rationales = load(name).rationales
    assert sum(item.located for item in rationales) >= located
    assert sum(item.parts for item in rationales) == pytest.approx(parts, rel=0.01)


def test_evidence_by_label(load):
    table = load("irf")
    belong = [dict(item.by_label).get("thwarted belongingness") for item in table.rationales]
    burden = [dict(item.by_label).get("perceived burdensomeness") for item in table.rationales]
    assert sum(item is not None for item in belong) == 1066 + 279 + 585
    assert sum(item is not None for item in burden) == 634 + 185 + 324


def test_damaged_users_are_listed(load):
    table = load("cssrs500")
    assert len(table.left_out["damaged_text"]) == table.counts["rows_left_out_damaged_text"] == 28
    assert class_counts(table, "train", "validation", "test")["Attempt"] <= 45


def test_turns_before_are_the_context(load):
    table = load("annomi_client")
    lines = [text.split("\n") if text else [] for text in table.contexts]
    assert max(map(len, lines)) >= 3
    first_words = {line.split(":")[0] for context in lines for line in context if ":" in line}
    assert {"therapist", "client"} <= first_words
    # Two client turns may follow each other, but mostly the therapist spoke last.
    last = [context[-1].startswith("therapist:") for context in lines if context]
    assert np.mean(last) > 0.9


@pytest.mark.parametrize("name", [name for name in SIZES if name != "wellxplain_augmented"])
def test_no_group_is_cut(load, name):
    table = load(name)
    if set(table.frame["split"]) != {"test"}:
        table, _ = audit(table)
    assert table.frame.groupby("group")["split"].nunique().max() == 1


def test_every_set_says_how_to_get_it():
    for name in dataset_names():
        config = find_dataset(name).config
        assert config.title and config.licence and config.access and config.citation and config.ethics, name
        assert config.name == name
        assert set(config.shares_text_with) <= set(dataset_names()), name


def test_the_overlaps_that_are_known(load):
    names = ("multiwd", "irf", "cams", "sdcnl", "imhi_loneliness", "imhi_dr")
    found = {(pair.test, pair.train): pair.equal for pair in shared_posts({name: load(name) for name in names}, "none")}
    assert found["multiwd", "irf"] == 468 and found["irf", "multiwd"] == 793
    assert (found["multiwd", "cams"], found["multiwd", "sdcnl"]) == (186, 184)
    assert (found["irf", "cams"], found["irf", "sdcnl"]) == (289, 284)
    assert (found["cams", "multiwd"], found["cams", "irf"]) == (188, 183)
    loneliness = [found["imhi_loneliness", train] for train in ("multiwd", "irf", "cams", "sdcnl")]
    assert loneliness == [389, 372, 155, 151]
    assert not any("imhi_dr" in pair for pair in found)


def test_wellxplain_was_cut_from_multiwd(load):
    """The README counts 2,189 of the 2,852 longer sentences: those in multiwd's train part."""
    sentences = [text for text in load("wellxplain").texts if len(letters_and_digits(text)) > 25]
    assert len(sentences) == 2852
    train = training_side(load("multiwd")).texts
    equal = {letters_and_digits(text) for text in train}
    inside = {row for row, _ in contained_posts(sentences, train)}
    inside |= {row for row, text in enumerate(sentences) if letters_and_digits(text) in equal}
    assert len(inside) == pytest.approx(2189, rel=0.02)
