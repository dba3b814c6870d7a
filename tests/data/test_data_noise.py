"""Noise: what is changed, that it is repeatable, and that evidence moves along."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import write_tiny_dataset

from mhclf.data.load import load_table
from mhclf.data.noise import NOISES, add_noise, noisy_table
from mhclf.data.spans import letters_and_digits, move_spans, words
from mhclf.errors import ConfigError

TEXT = "I am tired and I don’t sleep; that's ALL it is, Nothing else."


def changed(kind, strength=1.0, text=TEXT, seed=0):
    return add_noise(text, kind, strength, np.random.default_rng(seed)).text


def test_case_and_contractions_by_hand():
    assert changed("lower_case") == TEXT.lower()
    assert changed("upper_case") == TEXT.upper()
    assert changed("contractions") == "I'm tired and I do not sleep; that is ALL it's, Nothing else."
    assert changed("dropped_words", text="one two, three") == "one two, three", "a post keeps its last words"


def test_typos_change_one_place_of_longer_words():
    found = changed("typos", text="nothing else but sleepless nights")
    for old, new in zip(["nothing", "else", "but", "sleepless", "nights"], found.split(), strict=True):
        assert new[0] == old[0]
        if len(old) < 4:
            assert new == old
        else:
            assert new != old and abs(len(new) - len(old)) <= 1
            assert sum(a != b for a, b in zip(sorted(old), sorted(new), strict=False)) <= len(old)


def test_strength_chooses_a_share_of_words():
    text = "word " * 2000
    dropped = len(changed("dropped_words", 0.3, text).split())
    assert 1300 < dropped < 1500
    assert all(changed(kind, 0.0) == TEXT for kind in NOISES if kind != "lower_case")


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80), st.sampled_from(list(NOISES)), st.floats(0, 1), st.integers(0, 99))
def test_any_text_keeps_its_words_where_the_edits_say(text, kind, strength, seed):
    noisy = add_noise(text, kind, strength, np.random.default_rng(seed))
    assert bool(letters_and_digits(noisy.text)) == bool(letters_and_digits(text))
    ends = [0, *[end for edit in noisy.edits for end in (edit.start, edit.end)]]
    assert ends == sorted(ends)
    untouched = [
        span for span in words(text) if all(edit.end <= span[0] or edit.start >= span[1] for edit in noisy.edits)
    ]
    for (start, end), (new_start, new_end) in zip(untouched, move_spans(untouched, noisy.edits), strict=True):
        assert noisy.text[new_start:new_end] == text[start:end]


def test_a_table_changes_by_post_and_seed_alone(tmp_path):
    table = load_table(str(write_tiny_dataset(tmp_path)))
    one = noisy_table(table, "typos", 0.5, seed=1)
    turned = noisy_table(table.select(np.arange(len(table))[::-1]), "typos", 0.5, seed=1)
    assert one.texts == turned.texts[::-1]
    assert one.texts != noisy_table(table, "typos", 0.5, seed=2).texts
    assert one.frame.drop(columns="text").equals(table.frame.drop(columns="text"))
    with pytest.raises(ConfigError) as error:
        noisy_table(table, "typo", 0.5, 1)
    assert str(error.value).startswith("Unknown noise 'typo'. Did you mean 'typos'?")


def test_evidence_moves_along():
    table = load_table("demo")
    assert any(rationale.spans for rationale in table.rationales)
    noisy = noisy_table(table, "contractions", 1.0, 0)
    moved = 0
    for old_text, old, new_text, new in zip(table.texts, table.rationales, noisy.texts, noisy.rationales, strict=True):
        edits = add_noise(old_text, "contractions", 1.0, np.random.default_rng(0)).edits
        for start, end in new.spans:
            assert 0 <= start < end <= len(new_text)
        if edits and len(new.spans) == len(old.spans):
            for (start, end), (new_start, new_end) in zip(old.spans, new.spans, strict=True):
                if not any(edit.start < end and edit.end > start for edit in edits):
                    assert new_text[new_start:new_end] == old_text[start:end]
                    moved += (start, end) != (new_start, new_end)
    assert moved
