"""The published protocol against numbers computed by hand, defect by defect."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from explain.structure import published_rank
from explain.welldunn import (
    OVERLAP_DEFECTS,
    PUBLISHED,
    SEEDS,
    SOUND,
    Defects,
    decide_labels,
    kept_rows,
    published_cut,
)
from explain.welldunn_attention import (
    TokenScores,
    attention_overlap,
    attention_rank,
    attention_received,
    overlap_of_post,
)
from mhclf.errors import ConfigError, DataError

# "tired" stands twice, "sleepless" is split, the expert marked "So tired" and "sleepless tired"; signs are glued on.
TEXT = "So tired and sleepless, tired again"
MARKED = ((0, 8), (13, 29))
PHRASE = "So tired, sleepless, tired"
POST = TokenScores(
    TEXT,
    ("[CLS]", "so", "tired", "and", "sleep", "##less", ",", "tired", "again", "[SEP]", "[PAD]", "[PAD]"),
    ((0, 0), (0, 2), (3, 8), (9, 12), (13, 18), (18, 22), (22, 23), (24, 29), (30, 35), (0, 0), (0, 0), (0, 0)),
    np.array([0.30, 0.05, 0.20, 0.03, 0.06, 0.07, 0.02, 0.01, 0.04, 0.10, 0.08, 0.04]),
)
PADDED = POST
BARE = TokenScores(TEXT, POST.tokens[:-2], POST.spans[:-2], POST.scores[:-2])


def share(defects, post=BARE, top=4):
    found = overlap_of_post(post, MARKED, PHRASE, defects, top)
    return found.share, found.hit


def test_the_sound_form():
    # The expert's words: So, tired (1st), sleepless, tired (2nd): 4. Words by score: tired .20, sleepless .13, So .05,
    # again .04, and .03, tired (2nd) .01. Among the 4 highest: So, tired, sleepless.
    assert share(SOUND) == (0.75, True)
    assert share(SOUND, PADDED) == (0.75, True)


def test_each_defect_alone():
    # Strings: tired has its last score .01: sleepless, So, again, and are the highest 4; So and sleepless are found.
    assert share(Defects.only("string_keys")) == (0.5, False)
    # Pieces: tired .20, ##less .07, sleep .06, so .05 are the highest 4. Of 'So', 'tired,', 'sleepless,', 'tired' only
    # the last is a token.
    assert share(Defects.only("word_pieces")) == (0.25, False)
    # As many as the expert marked is 4 here; the 2 highest are tired and sleepless.
    assert share(Defects.only("fixed_top"), top=2) == (0.5, False)
    # [PAD] .08 and .04 compete: tired, sleepless, [PAD], So.
    assert share(Defects.only("kept_specials"), PADDED) == (0.75, True)
    assert share(Defects.only("kept_specials", "fixed_top"), PADDED, top=3) == (0.5, False)
    assert share(Defects.only("kept_specials", "fixed_top"), top=3) == (0.75, True)


def test_all_together_as_published():
    # The dictionary without [CLS] and [SEP]: so .05, tired .01, and .03, sleep .06, ##less .07, ',' .02, again .04,
    # [PAD] .04 (its last). The 4 highest: ##less, sleep, so, and the earlier of again and [PAD]. None is 'So',
    # 'tired,', 'sleepless,' or 'tired'.
    assert share(PUBLISHED, PADDED) == (0.0, False)
    # An expert phrase as the tokenizer spells it: 'so' and 'sleep' are found, 2 of 3.
    found = overlap_of_post(PADDED, MARKED, "so sleep tired", PUBLISHED)
    assert (found.share, found.hit) == (pytest.approx(2 / 3), True)
    # A repeated word of the phrase counts each time: so, so, tired.
    assert overlap_of_post(PADDED, MARKED, "so so tired", PUBLISHED).share == pytest.approx(2 / 3)
    # Eight distinct words can never have more than half among four.
    eight = TokenScores("a b c d e f g h", tuple("abcdefgh"), tuple((2 * k, 2 * k + 1) for k in range(8)), np.ones(8))
    assert overlap_of_post(eight, ((0, 15),), "a b c d e f g h", PUBLISHED).hit is False
    assert overlap_of_post(eight, ((0, 15),), "a b c d e f g h", SOUND).hit is True


def test_the_published_rule_equals_a_literal_dictionary():
    generator = np.random.default_rng(0)
    vocabulary = ["[CLS]", "[SEP]", "[PAD]", "<s>", "sad", "##ly", "not", "at", "all", "i"]
    for _ in range(200):
        tokens = tuple(generator.choice(vocabulary, size=12))
        scores = generator.integers(1, 6, size=12) / 10
        phrase = " ".join(generator.choice(["sad", "not", "at", "all", "sadly", "I"], size=generator.integers(1, 6)))
        kept = {}
        for token, score in zip(tokens, scores, strict=True):
            kept[token] = score
        kept = {token: score for token, score in kept.items() if token not in ("[SEP]", "[CLS]")}
        top = [token for token, _ in sorted(kept.items(), key=lambda item: item[1], reverse=True)][:4]
        expected = sum(word in top for word in phrase.split()) / len(phrase.split())
        special = {"[CLS]", "[SEP]", "[PAD]", "<s>"}
        spans = tuple((0, 0) if token in special else (number, number + 1) for number, token in enumerate(tokens))
        found = overlap_of_post(TokenScores("x" * 12, tokens, spans, scores), (), phrase, PUBLISHED)
        assert found.share == pytest.approx(expected)
        assert found.hit == (expected > 0.5)


def test_other_families_special_tokens_are_left_in_by_the_published_rule_alone():
    post = TokenScores(
        "so sad", ("<s>", "\u0120so", "\u0120sad", "</s>"), ((0, 0), (0, 2), (3, 6), (0, 0)), np.array([5.0, 1, 2, 4])
    )
    assert overlap_of_post(post, ((3, 6),), "sad", SOUND).share == 1
    assert overlap_of_post(post, ((3, 6),), "sad", Defects.only("kept_specials")).share == 0
    # A byte-level piece carries the space before it: no expert word is ever spelt so.
    assert overlap_of_post(post, ((3, 6),), "sad", Defects.only("word_pieces", "fixed_top")).share == 0


def test_posts_without_an_experts_word_do_not_count():
    assert overlap_of_post(BARE, (), "", SOUND) is None
    assert overlap_of_post(BARE, ((22, 23),), "", SOUND) is None
    assert overlap_of_post(BARE, MARKED, "  ", PUBLISHED) is None
    found = attention_overlap(
        [overlap_of_post(BARE, MARKED, PHRASE, SOUND), None, overlap_of_post(BARE, ((9, 12),), "and", SOUND)]
    )
    assert found.score == 0.5 and found.n == 2
    assert np.nansum(found.shares) == 0.75


def test_attention_received():
    weights = np.array(
        [[[0.2, 0.8, 0.0], [0.6, 0.4, 0.0], [1.0, 0.0, 0.0]], [[0.5, 0.5, 0.0], [0.1, 0.9, 0.0], [0.3, 0.7, 0.0]]]
    )
    real = [True, True, False]
    np.testing.assert_allclose(attention_received(weights, real, SOUND), [0.35, 0.65, 0])
    np.testing.assert_allclose(attention_received(weights, real, Defects.only("one_head")), [0.4, 0.6, 0])
    np.testing.assert_allclose(attention_received(weights, real, Defects.only("padding")), [1.35 / 3, 1.65 / 3, 0])
    np.testing.assert_allclose(attention_received(weights, real, PUBLISHED), [0.6, 0.4, 0])


def test_the_leaked_split_has_the_shares_that_were_found_in_the_published_data():
    shares = []
    for seed in SEEDS:
        train, validation = published_cut(3092, seed, PUBLISHED)
        sound, same = published_cut(3092, seed, Defects.only("random_cut"))
        assert np.array_equal(validation, same) and len(train) == len(sound) == 3092 - 618
        assert not np.isin(sound, validation).any()
        assert np.array_equal(np.sort(np.concatenate([sound, same])), np.arange(3092))
        shares.append(round(100 * float(np.isin(validation, train).mean()), 1))
    assert shares == [79.6, 78.0, 77.3]


def test_the_leaked_split_equals_the_index_slip():
    frame = pd.DataFrame({"row": np.arange(50)})
    held = frame.sample(frac=0.2, random_state=345).reset_index(drop=True)
    kept = frame.drop(held.index).reset_index(drop=True)
    train, validation = published_cut(50, 345, PUBLISHED)
    assert list(train) == list(kept["row"]) and list(validation) == list(held["row"])


def test_the_golds_number_of_labels():
    probabilities = [[0.9, 0.6, 0.2], [0.4, 0.1, 0.3], [0.7, 0.8, 0.9]]
    gold = [[1, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert decide_labels(probabilities, gold, SOUND).tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 1]]
    assert decide_labels(probabilities, gold, PUBLISHED).tolist() == [[1, 0, 0], [1, 0, 1], [0, 0, 0]]
    with pytest.raises(DataError, match=r"must both be \(n, labels\), got \(1, 2\) and \(1, 3\)"):
        decide_labels([[0.1, 0.2]], [[1, 0, 1]], SOUND)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 8), st.integers(2, 6), st.integers(0, 1000))
def test_the_published_decisions_have_the_golds_number(n, labels, seed):
    generator = np.random.default_rng(seed)
    gold = generator.integers(0, 2, size=(n, labels))
    found = decide_labels(generator.random((n, labels)), gold, PUBLISHED)
    assert np.array_equal(found.sum(axis=1), gold.sum(axis=1))


def test_the_coverage_curve_sorted_by_the_wrong_column():
    reservation = [0.9, 0.1, 0.5, 0.3, 0.2]
    gold = [0, 2, 1, 2, 0]
    assert kept_rows(reservation, gold, 3, 0.6, SOUND).tolist() == [1, 4, 3]
    # Rows of the last class go last, in their order; the reservation says nothing.
    assert kept_rows(reservation, gold, 3, 0.6, Defects.only("gold_column")).tolist() == [0, 2, 4]
    # The published row: predictions (3), targets (3), reservation; sorted by item 2 * 3 - 1.
    rows = [[0, 0, 0, *np.eye(3)[label], unsure] for label, unsure in zip(gold, reservation, strict=True)]
    order = sorted(range(5), key=lambda number: rows[number][5])[: round(1.0 * 5 - 1)]
    assert kept_rows(reservation, gold, 3, 1.0, PUBLISHED).tolist() == order
    assert len(kept_rows(reservation, gold, 3, 1.0, Defects.only("lost_row"))) == 4
    with pytest.raises(ConfigError, match="coverage: is 0, expected above 0"):
        kept_rows(reservation, gold, 3, 0, SOUND)
    with pytest.raises(DataError, match="must be of the same posts"):
        kept_rows(reservation, gold[:4], 3, 1, SOUND)


def test_the_rank():
    generator = np.random.default_rng(0)
    one = generator.dirichlet(np.ones(4), size=4).astype(np.float32)
    flat = np.full((4, 4), 0.25, dtype=np.float32)
    value, ranks = attention_rank([one, one, flat], SOUND)
    assert ranks.tolist() == [4, 4, 1] and value == 3
    # Two different rows of singular values.
    assert attention_rank([one, one, flat], Defects.only("value_table"))[0] == 2
    assert attention_rank([one, one, flat], PUBLISHED)[0] == published_rank(np.stack([one, one, flat]))
    # Posts of other lengths: their values are filled up with 0.
    assert attention_rank([one, flat[:2, :2] * 2], Defects.only("value_table"))[0] == 2


def test_every_defect_has_its_switch():
    names = {item.name for item in fields(Defects)}
    assert set(OVERLAP_DEFECTS) < names
    assert all(getattr(PUBLISHED, name) and not getattr(SOUND, name) for name in names)
    assert Defects.only("padding") == Defects(padding=True)
    with pytest.raises(ConfigError, match="Unknown defect 'paddin'. Did you mean 'padding'?"):
        Defects.only("paddin")
