"""ROUGE, BLEU, chrF and variety against torchmetrics, sacrebleu, brute force and hand-computed examples."""

import math
import subprocess
import sys

import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st

from mhclf.errors import DataError, MissingDependencyError
from mhclf.evaluation.text_overlap import (
    ROUGE,
    bleu,
    bleu_tokenizer,
    chrf,
    corpus_bleu,
    corpus_chrf,
    corpus_distinct,
    distinct,
    lengths,
    longest_common_subsequence,
    rouge,
)
from mhclf.evaluation.text_tokens import tokenize

CANDIDATES = [
    "The poster can't sleep, and feels tired all day.",
    "No. There is no sign of stress; the poster sounds calm and hopeful!",
    "tired",
    "the the the the",
]
REFERENCES = [
    "The poster says they feel tired all day because they can't sleep at night.",
    "The poster sounds calm.",
    "The writer is worn out",
    "the cat is on the mat",
]


def test_rouge_by_hand():
    found = rouge(["the cat sat"], ["the cat was sat on"])
    # One-word runs: 3 shared of 3 and 5; pairs: `the cat` of 2 and 4; subsequence `the cat sat`.
    assert found["rouge1"] == pytest.approx([2 * 3 / 8])
    assert found["rouge2"] == pytest.approx([2 * 1 / 6])
    assert found["rougeL"] == pytest.approx([2 * 3 / 8])


def test_rouge_counts_a_repeated_word_as_often_as_the_poorer_text_and_chinese_by_sign():
    assert rouge(["the the the the"], ["the cat the mat"])["rouge1"] == pytest.approx([2 * 2 / 8])
    chinese = rouge(["我睡不着"], ["我不着急"])
    assert chinese["rouge1"] == pytest.approx([2 * 3 / 8])
    assert chinese["rouge2"] == pytest.approx([2 * 1 / 6])
    assert rouge(["!"], ["one two"])["rouge1"] == 0 and rouge(["one"], ["one"])["rouge2"] == 0


def test_rouge_equals_torchmetrics():
    from torchmetrics.text.rouge import ROUGEScore

    found = rouge(CANDIDATES, REFERENCES)
    for row, (candidate, reference) in enumerate(zip(CANDIDATES, REFERENCES, strict=True)):
        oracle = ROUGEScore(rouge_keys=ROUGE)(candidate, reference)
        for name in ROUGE:
            assert found[name][row] == pytest.approx(float(oracle[f"{name}_fmeasure"]), abs=1e-6), (row, name)


WORDS = st.lists(st.sampled_from("abcd"), max_size=9)


@given(WORDS, WORDS)
@settings(deadline=None)
def test_common_subsequence_equals_the_table_of_wagner_and_fischer(first, second):
    table = np.zeros((len(first) + 1, len(second) + 1), dtype=int)
    for i, a in enumerate(first):
        for j, b in enumerate(second):
            table[i + 1, j + 1] = table[i, j] + 1 if a == b else max(table[i, j + 1], table[i + 1, j])
    assert longest_common_subsequence(first, second) == table[-1, -1]


@given(st.text(max_size=30), st.text(max_size=30))
@settings(deadline=None)
def test_rouge_is_symmetric_and_in_range(first, second):
    one, other = rouge([first], [second]), rouge([second], [first])
    for name in ROUGE:
        assert 0 <= one[name][0] <= 1 and one[name] == pytest.approx(other[name])


@given(st.text(max_size=40))
@settings(deadline=None)
def test_words_stand_where_they_say(text):
    assert all(text[token.start : token.end].lower() == token.text for token in tokenize(text))


def test_bleu_and_chrf_are_those_of_sacrebleu():
    assert bleu(CANDIDATES, REFERENCES) == pytest.approx(
        [sacrebleu.sentence_bleu(c, [r]).score for c, r in zip(CANDIDATES, REFERENCES, strict=True)]
    )
    assert corpus_bleu(CANDIDATES, REFERENCES) == pytest.approx(sacrebleu.corpus_bleu(CANDIDATES, [REFERENCES]).score)
    assert chrf(CANDIDATES, REFERENCES) == pytest.approx(
        [sacrebleu.sentence_chrf(c, [r]).score for c, r in zip(CANDIDATES, REFERENCES, strict=True)]
    )
    assert corpus_chrf(CANDIDATES, REFERENCES) == pytest.approx(sacrebleu.corpus_chrf(CANDIDATES, [REFERENCES]).score)
    assert bleu(["Same words in both texts here."], ["Same words in both texts here."]) == pytest.approx([100])


def test_chinese_bleu_takes_signs_for_words():
    assert bleu_tokenizer(["no sign", "睡"]) == "zh" and bleu_tokenizer(["no sign"]) == "13a"
    # 3 of 4 signs, 1 of 3 pairs; no triple: smoothed by 1/2 of 1/2; then 1/4 of 1/1.
    expected = 100 * (3 / 4 * 1 / 3 * 1 / 4 * 1 / 4) ** 0.25
    assert bleu(["我睡不着"], ["我不着急"]) == pytest.approx([expected])


def test_without_sacrebleu_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    for measure in (bleu, chrf, corpus_bleu, corpus_chrf):
        with pytest.raises(MissingDependencyError) as error:
            measure(["a"], ["b"])
        assert str(error.value).startswith("chrF and BLEU need sacrebleu. Run: pip install 'mhclf[generate]'")


def test_variety_and_length_by_hand():
    texts = ["a b a b", "a", "!"]
    assert distinct(texts, 1) == pytest.approx([2 / 4, 1, math.nan], nan_ok=True)
    assert distinct(texts, 2) == pytest.approx([2 / 3, math.nan, math.nan], nan_ok=True)
    assert corpus_distinct(texts, 1) == pytest.approx(2 / 5)
    assert corpus_distinct(texts, 2) == pytest.approx(2 / 3)
    assert math.isnan(corpus_distinct(["!"], 1))
    assert lengths(["I don't, really.", "我睡不着", ""]).tolist() == [3, 4, 0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["a"], ["a", "b"]), "candidates has 1 texts, references 2; give one for each"),
        (([], []), "candidates is empty: there is nothing to score"),
        ((["a", None], ["a", "b"]), "candidates must hold texts; row 1 is a NoneType"),
        (("a", ["a"]), "candidates must be a list of texts, got one text"),
    ],
)
def test_wrong_texts_are_refused(arguments, message):
    for measure in (rouge, chrf, bleu, corpus_bleu, corpus_chrf):
        with pytest.raises(DataError) as error:
            measure(*arguments)
        assert str(error.value) == message


def test_wrong_n_is_refused():
    with pytest.raises(DataError, match="n must be at least 1, got 0"):
        distinct(["a"], 0)


def test_text_measures_leave_torch_alone():
    code = (
        "import mhclf.evaluation.text_overlap, mhclf.evaluation.grounding, sys; "
        "sys.exit(bool({'torch', 'sacrebleu'} & set(sys.modules)))"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
