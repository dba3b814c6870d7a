"""Overlap of generated texts with references, and their variety: one value a text, and values of a corpus.

Words are those of `mhclf.evaluation.text_tokens`: in Chinese each character is one. Means over texts come with an
interval from `mhclf.evaluation.averages.average`.
"""

from collections import Counter
from collections.abc import Sequence
from types import ModuleType

import numpy as np

from mhclf.errors import DataError, MissingDependencyError
from mhclf.evaluation.text_tokens import count_words, has_cjk, ngrams, words_of
from mhclf.evaluation.validation import FloatArray

ROUGE = ("rouge1", "rouge2", "rougeL")


def rouge(candidates: Sequence[str], references: Sequence[str]) -> dict[str, FloatArray]:
    """ROUGE-1, ROUGE-2 and ROUGE-L of each text (Lin 2004), as F1.

    Parameters
    ----------
    candidates, references : sequences of str (n,)
        Generated texts, and one reference for each.

    Returns
    -------
    dict: name of `ROUGE` -> array (n,) in [0, 1]
        F1 of the n-grams that both hold, each as often as in the poorer text, or of the longest common subsequence
        of words. 0 where either text has no such n-gram.

    Raises
    ------
    DataError
        If the lengths differ, nothing is given, or an entry is no text.

    Notes
    -----
    No stemming; the same as `rouge_score` and torchmetrics on ASCII text. ROUGE-L takes the text as one sentence.
    """
    _check_pairs(candidates, references)
    values: dict[str, list[float]] = {name: [] for name in ROUGE}
    for candidate, reference in zip(candidates, references, strict=True):
        ours, theirs = words_of(candidate), words_of(reference)
        for n in (1, 2):
            found, wanted = Counter(ngrams(ours, n)), Counter(ngrams(theirs, n))
            values[f"rouge{n}"].append(_f1((found & wanted).total(), found.total(), wanted.total()))
        values["rougeL"].append(_f1(longest_common_subsequence(ours, theirs), len(ours), len(theirs)))
    return {name: np.array(found) for name, found in values.items()}


def longest_common_subsequence(first: Sequence[str], second: Sequence[str]) -> int:
    """Return the length of the longest common subsequence, by one whole-number operation a word (Hyyrö 2004)."""
    places: dict[str, int] = {}
    for number, word in enumerate(first):
        places[word] = places.get(word, 0) | 1 << number
    full = (1 << len(first)) - 1
    row = full
    for word in second:
        matches = row & places.get(word, 0)
        row = ((row + matches) | (row - matches)) & full
    return len(first) - row.bit_count()


def chrf(candidates: Sequence[str], references: Sequence[str]) -> FloatArray:
    """Return chrF2 of each text (Popović 2015) by sacrebleu, (n,) in [0, 100]: F2 of character n-grams up to 6.

    Raises
    ------
    DataError
        As in `rouge`.
    MissingDependencyError
        Without sacrebleu.
    """
    _check_pairs(candidates, references)
    metric = _sacrebleu().CHRF()
    pairs = zip(candidates, references, strict=True)
    return np.array([metric.sentence_score(candidate, [reference]).score for candidate, reference in pairs])


def corpus_chrf(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return chrF2 of the n-grams of all texts together, in [0, 100]; errors as in `chrf`."""
    _check_pairs(candidates, references)
    return float(_sacrebleu().CHRF().corpus_score(list(candidates), [list(references)]).score)


def bleu(candidates: Sequence[str], references: Sequence[str]) -> FloatArray:
    """Return BLEU of each text (Papineni et al. 2002) by sacrebleu, (n,) in [0, 100].

    Raises
    ------
    DataError
        As in `rouge`.
    MissingDependencyError
        Without sacrebleu.

    Notes
    -----
    Exponential smoothing, and only the orders that the text has. BLEU is made for a corpus: prefer `corpus_bleu`
    where one number is wanted. Words as in `bleu_tokenizer`.
    """
    _check_pairs(candidates, references)
    metric = _sacrebleu().BLEU(tokenize=bleu_tokenizer(references), effective_order=True)
    pairs = zip(candidates, references, strict=True)
    return np.array([metric.sentence_score(candidate, [reference]).score for candidate, reference in pairs])


def corpus_bleu(candidates: Sequence[str], references: Sequence[str]) -> float:
    """Return BLEU of the n-grams of all texts together, in [0, 100]; words and errors as in `bleu`."""
    _check_pairs(candidates, references)
    metric = _sacrebleu().BLEU(tokenize=bleu_tokenizer(references))
    return float(metric.corpus_score(list(candidates), [list(references)]).score)


def bleu_tokenizer(references: Sequence[str]) -> str:
    """Return sacrebleu's name of the words of BLEU: `zh` (characters) if any reference holds a CJK sign, else `13a`."""
    return "zh" if any(has_cjk(reference) for reference in references) else "13a"


def distinct(texts: Sequence[str], n: int) -> FloatArray:
    """Return the share of different n-grams among the n-grams of each text (Li et al. 2016), (texts,) in (0, 1].

    NaN for a text of fewer than n words. It falls with length: compare texts of like length.

    Raises
    ------
    DataError
        If n is below 1, nothing is given, or an entry is no text.
    """
    return np.array([_share_distinct(Counter(ngrams(words, n))) for words in _words_of_all(texts, n)])


def corpus_distinct(texts: Sequence[str], n: int) -> float:
    """Return the share of different n-grams among the n-grams of all texts; NaN without any. Errors as `distinct`."""
    return _share_distinct(Counter(gram for words in _words_of_all(texts, n) for gram in ngrams(words, n)))


def lengths(texts: Sequence[str]) -> FloatArray:
    """Return the number of words of each text, (texts,): `don't` is one, each Chinese character one."""
    _check_texts(texts, "texts")
    return np.array([count_words(text) for text in texts], dtype=np.float64)


def _words_of_all(texts: Sequence[str], n: int) -> list[list[str]]:
    if n < 1:
        raise DataError(f"n must be at least 1, got {n}")
    _check_texts(texts, "texts")
    return [words_of(text) for text in texts]


def _share_distinct(counts: "Counter[tuple[str, ...]]") -> float:
    return len(counts) / counts.total() if counts else float("nan")


def _f1(shared: int, found: int, wanted: int) -> float:
    return 2 * shared / (found + wanted) if shared else 0.0


def _check_texts(texts: Sequence[str], name: str) -> None:
    if isinstance(texts, str):
        raise DataError(f"{name} must be a list of texts, got one text")
    if len(texts) == 0:
        raise DataError(f"{name} is empty: there is nothing to score")
    for row, text in enumerate(texts):
        if not isinstance(text, str):
            raise DataError(f"{name} must hold texts; row {row} is a {type(text).__name__}")


def _check_pairs(candidates: Sequence[str], references: Sequence[str]) -> None:
    _check_texts(candidates, "candidates")
    _check_texts(references, "references")
    if len(candidates) != len(references):
        raise DataError(f"candidates has {len(candidates)} texts, references {len(references)}; give one for each")


def _sacrebleu() -> ModuleType:
    try:
        import sacrebleu.metrics
    except ImportError as error:
        raise MissingDependencyError(
            "chrF and BLEU need sacrebleu. Run: pip install 'mhclf[generate]' (or pip install sacrebleu)"
        ) from error
    return sacrebleu.metrics
