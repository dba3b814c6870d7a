"""What the audit counts, and what it drops, on tables small enough to count by hand."""

from dataclasses import replace

import numpy as np
import pytest
from transformers import AutoTokenizer

from mhclf.data.audit import drop_shared, findings_of, survey
from mhclf.data.audit.between import shared_posts
from mhclf.data.audit.reading import read_share
from mhclf.data.audit.survey import Repetition, meeting_rows, telling_posts
from mhclf.data.repair import Rationale

LONG = "the night was long and i could not sleep because the rain was loud on the old tin roof"
NEAR = "the night was long and i could not sleep because the rain was loud on the old tin roofs"
PART = "i could not sleep because the rain was loud"
OTHER = "my brother called from the harbour and told me about his new boat and the storm"


def test_repetition_within_and_across(make_table):
    texts = [LONG, NEAR, PART, OTHER, OTHER.upper() + "!", "soup for lunch", "soup for lunch"]
    names = ["train", "test", "test", "train", "train", "train", "validation"]
    numbers = survey(make_table(texts, [0, 1, 0, 1, 0, 1, 1], splits=names))
    assert numbers.rows == {"train": 4, "validation": 1, "test": 2}
    assert numbers.within == Repetition(exact=4, near=2, contained=1)
    assert numbers.leaks == {"validation": Repetition(1, 0, 0), "test": Repetition(0, 1, 1)}
    assert numbers.label_conflicts == 1
    assert numbers.words[2] == 16
    found = {(item.check, item.count): item.severity for item in findings_of(numbers)}
    assert found[("near_duplicate", 1)] == found[("contained", 1)] == found[("label_conflict", 1)] == "warning"


def test_posts_of_one_group_may_be_alike(make_table):
    table = make_table([LONG, NEAR, PART, OTHER], [0, 1, 0, 1], ["g", "g", "g", "h"], "train")
    assert survey(table).within == Repetition(0, 0, 0)


def test_short_posts_tell_no_origin(make_table):
    names = ["train", "train", "test"]
    assert survey(make_table(["okay then", "okay then yes", "okay"], [0, 1, 0], splits=names)).leaks == {
        "test": Repetition(0, 0, 0)
    }


def test_equal_posts_in_other_contexts_are_no_repetition(make_table):
    table = make_table(["yes", "yes", "yes"], [0, 1, 0], splits=["train", "train", "test"])
    assert survey(table).within.exact == 3
    config = replace(table.config, columns=replace(table.config.columns, context="before"))
    table = replace(table, config=config, frame=table.frame.assign(context=["cold?", "warm?", "cold?"]))
    numbers = survey(table)
    assert numbers.within.exact == 2 and numbers.leaks["test"].exact == 1 and numbers.label_conflicts == 0


def test_a_shortcut_is_a_finding(make_table):
    generator = np.random.default_rng(0)
    targets = [0, 1] * 60
    texts = [" ".join(generator.choice(list("xyzuvw"), 4 + 30 * target)) for target in targets]
    numbers = survey(make_table(texts, targets, splits="train"))
    (length,) = (item for item in numbers.shortcuts if item.name == "length")
    assert length.score == 1.0 and length.suspicious
    messages = [item.message for item in findings_of(numbers) if item.check == "shortcut"]
    assert messages == [
        "Length alone reaches a balanced accuracy of 1.00 (majority 0.50): a model may learn that instead."
    ]
    assert numbers.as_json()["shortcuts"][0]["suspicious"] is True


def test_what_is_read(encoder_folder):
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder("bert"))
    texts = ["my knee hurts", "my knee hurts when the stairs are wet"]
    whole = read_share(texts, (), tokenizer, "tiny", 64)
    assert (whole.posts_cut, whole.characters_lost, whole.evidence_lost) == (0, 0.0, 0.0)
    special = tokenizer.num_special_tokens_to_add()
    first = len(tokenizer(texts[0], add_special_tokens=False)["input_ids"])
    evidence = (Rationale(((0, 7),), 1, 1), Rationale(((3, 7), (18, 37)), 2, 2))
    cut = read_share(texts, evidence, tokenizer, "tiny", first + special)
    assert cut.posts_cut == 1
    assert cut.characters_lost == pytest.approx((37 - 13) / (13 + 37))
    assert cut.evidence_lost == pytest.approx(19 / 30)
    assert (whole.unknown_tokens, cut.unknown_tokens) == (0.0, 0.0)


def test_an_encoder_of_another_language_is_a_finding(encoder_folder, make_table):
    tokenizer = AutoTokenizer.from_pretrained(encoder_folder("bert"))
    texts = ["my knee hurts", "\u6211 \u4eca \u5929 my knee"]
    read = read_share(texts, (), tokenizer, "tiny", 64)
    known = len(tokenizer("my knee hurts my knee", add_special_tokens=False)["input_ids"])
    assert read.unknown_tokens == pytest.approx(3 / (known + 3))

    def said(share):
        found = findings_of(survey(make_table(texts, [0, 1]), share))
        return [item for item in found if item.check == "unknown_tokens"]

    (finding,) = said(read)
    assert finding.severity == "warning"
    assert finding.message == (
        f"{read.unknown_tokens:.0%} of the tokens are unknown to tiny: it can hardly read these posts. "
        "Choose an encoder that knows their language (--encoder)."
    )
    # Here and there a sign that the tokenizer lacks, such as an emoji, is nothing to say.
    assert said(replace(read, unknown_tokens=0.02)) == []


def test_posts_that_two_sets_share(make_table):
    first = make_table([LONG, OTHER, "a b c"], [0, 1, 0], splits=["test", "train", "train"])
    second = make_table(
        [LONG + "!", PART, "x y z", OTHER], [0, 1, 0, 1], splits=["train", "train", "test", "validation"]
    )
    found = {(pair.test, pair.train): pair for pair in shared_posts({"one": first, "two": second})}
    assert set(found) == {("one", "two")}
    pair = found["one", "two"]
    assert (pair.posts, pair.equal, pair.alike, pair.declared) == (1, 1, 1, False)


def test_training_posts_that_meet_another_test_set_are_dropped(make_table):
    train = make_table([LONG, NEAR, PART, OTHER, "quiet"], [0, 1, 0, 1, 0], splits=["train"] * 4 + ["test"])
    other = make_table([LONG.title(), OTHER], [0, 1], splits=["test", "train"])
    kept, findings = drop_shared(train, {"other": other})
    assert kept.texts == [OTHER, "quiet"]
    assert [item.message for item in findings] == ["3 train and validation rows meet a test post of other: dropped."]
    assert meeting_rows(telling_posts(train), telling_posts(other.part("test"))) == (
        {0, 1},
        {1, 2},
    )  # the second also contains the test post


def test_posts_that_differ_after_400_letters_nearly_repeat(make_table):
    head = " ".join(f"word{number}" for number in range(90))
    table = make_table([head + " rain", head + " sun", OTHER], [0, 1, 0], splits=["train", "test", "train"])
    numbers = survey(table)
    assert numbers.leaks["test"] == Repetition(0, 1, 0) and numbers.within == Repetition(0, 2, 0)
    assert numbers.label_conflicts == 0
    assert findings_of(numbers)[0].message == "1 test rows nearly repeat a post of an earlier part."
    kept, _ = drop_shared(table, {"other": table})
    assert kept.texts == [head + " sun", OTHER]


def test_long_contexts_do_not_hide_the_posts(make_table):
    table = make_table([LONG, OTHER, "tea"], [0, 1, 0], splits=["train", "train", "test"])
    config = replace(table.config, columns=replace(table.config.columns, context="before"))
    before = " ".join(f"word{number}" for number in range(90))
    numbers = survey(replace(table, config=config, frame=table.frame.assign(context=before)))
    assert numbers.within == Repetition(0, 0, 0) and numbers.label_conflicts == 0


def test_sets_that_only_contain_each_other_are_seen_where_asked(make_table):
    cut = make_table([PART, "quiet"], [0, 1], splits=["test", "train"])
    whole = make_table([LONG, OTHER], [0, 1], splits=["train", "test"])
    assert shared_posts({"cut": cut, "whole": whole}) == []
    found = shared_posts({"cut": cut, "whole": whole}, "all")
    assert [(pair.test, pair.train, pair.equal, pair.alike) for pair in found] == [
        ("cut", "whole", 0, 1), ("whole", "cut", 0, 0)
    ]  # fmt: skip


def test_short_posts_that_another_set_tests_on_are_dropped_too(make_table):
    train = make_table(["okay", "fine", "well"], [0, 1, 0], splits="train")
    kept, _ = drop_shared(train, {"other": make_table(["Okay!", "x"], [0, 1], splits=["test", "train"])})
    assert kept.texts == ["fine", "well"]


def test_a_part_without_evidence_is_a_finding(make_table):
    table = make_table([LONG, OTHER], [0, 1], splits=["train", "test"])
    table = replace(table, rationales=(Rationale(((0, 9),), 1, 1), Rationale()))
    messages = [item.message for item in findings_of(survey(table))]
    assert "The test part has no expert evidence, although another part has." in messages
