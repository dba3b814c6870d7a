"""What the linear baseline takes for words: as scikit-learn does, and each sign where no spaces are written."""

import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer

from mhclf.data.spans import CJK
from mhclf.models.linear import fit_linear

LABELS = ("calm", "sad")


def words_of(texts: list[str]) -> list[str]:
    """Return the single words that the baseline learnt."""
    model = fit_linear("multiclass", LABELS, texts, np.arange(len(texts)) % 2)
    return sorted(word for word in model.vocabulary if " " not in word)


@given(st.text(max_size=60).filter(lambda text: not re.search(f"[{CJK}]", text.lower())))
def test_words_are_those_of_scikit_learn_where_spaces_are_written(text):
    tokenize = TfidfVectorizer().build_tokenizer()
    assert words_of([text, text, text, text]) == sorted(set(tokenize(text.lower())))


def test_each_sign_is_a_word_where_no_spaces_are_written():
    assert words_of(["我今天OK了 a b"] * 2) == sorted(["我", "今", "天", "ok", "了"])
    model = fit_linear("multiclass", LABELS, ["我今天"] * 4, np.array([0, 1, 0, 1]))
    assert {"我 今", "今 天"} <= set(model.vocabulary)


def test_posts_without_spaces_can_be_told_apart():
    train = [
        "今天很难过",
        "他很难过啊",
        "我不难过了",
        "难过的一天",
        "今天很开心",
        "她很开心啊",
        "我真开心",
        "开心的一天",
    ]
    targets = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    model = fit_linear("multiclass", LABELS, train, targets)
    found = model.probabilities(["大家都难过", "大家都开心"])
    assert found.argmax(axis=1).tolist() == [1, 0]
    assert found.max(axis=1).min() > 0.6
