"""Content words: what is left of a text without the words of grammar, in a light common form."""

import re
from itertools import pairwise

from mhclf.cjk import CJK

_APOSTROPHES = re.compile("[\u2018\u2019\u02bc\u0060\u00b4]")
_WORD = re.compile(r"[^\W_]+(?:'[^\W_]+)*")
_CJK_RUN = re.compile(f"[{CJK}]+")

_GRAMMAR = """
a about above across after again against all almost along already also although always am among an and another any
anyone anything are around as at away back be because been before being below between both but by can cannot could
did do does doing done down during each either else enough even ever every everyone everything few for from further
get gets getting give given go goes going got had has have having he her here hers herself him himself his how
however i if in indeed instead into is it its itself just least less let like likely made make makes many may maybe
me might mine more most much must my myself near neither never no nobody none nor not nothing now of off often on
once one only onto or other others our ours ourselves out over own per perhaps put quite rather really same say says
she should since so some someone something sometimes somewhat still such than that the their theirs them themselves
then there therefore these they thing things this those though through thus to together too toward towards under
until up upon us use used very was we well were what when where whether which while who whom whose why will with
within without would yet you your yours yourself yourselves
"""
_BEFORE_APOSTROPHE = "isn aren wasn weren don doesn didn hasn haven hadn won wouldn couldn shouldn can mustn ain"
STOP_WORDS = frozenset(_GRAMMAR.split())
"""English words of grammar. Contractions with an apostrophe (`don't`, `i've`) are left out by their first part."""

_CONTRACTED = frozenset(_BEFORE_APOSTROPHE.split())
_CHINESE_STOP_SIGNS = frozenset("的了是在和也就都而及与着或一个我你他她它们这那有不很到说要去会对把被让给从向吗呢吧啊")


def content_words(text: str) -> list[str]:
    """Return the content words of a text in order, each in the form of `light_stem`.

    Notes
    -----
    English: lower case, without `STOP_WORDS`, single letters and contractions of them; numbers stay. Chinese, Japanese
    and Korean: pairs of neighbouring signs, since words are not written apart; signs of Chinese grammar (of, is, in,
    I, you ...) part the runs.
    """
    plain = _APOSTROPHES.sub("'", text.lower())
    found = [light_stem(word) for word in _WORD.findall(_CJK_RUN.sub(" ", plain)) if not _is_grammar(word)]
    for run in _CJK_RUN.findall(plain):
        found += [a + b for a, b in pairwise(run) if not {a, b} & _CHINESE_STOP_SIGNS]
    return found


def light_stem(word: str) -> str:
    """Return an English word in lower case without the endings of number, tense and adverb.

    Notes
    -----
    In turn: `'s`; then one of -ies, -ied (to y), -ing, -ed, -es, -s (not -ss, -us, -is), where three letters with a
    vowel remain; then -ly; a doubled last consonant (not l, s, z) is undone and a last e dropped. So `feeling`,
    `feels` and `feel` are one, and `hopes` and `hoping`; `felt` and `feel`, `sad` and `sadness` stay two. Lighter than
    Porter's (1980): it joins fewer words of different meaning.
    """
    stem = word.removesuffix("'s")
    if "'" in stem or not stem.isascii():
        return stem
    for ending, instead in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", "")):
        left = stem.removesuffix(ending)
        if left == stem or len(left) < 3 or not re.search("[aeiouy]", left) or stem.endswith(("ss", "us", "is")):
            continue
        stem = left + instead
        break
    if stem.endswith("ly") and len(stem) > 4:
        stem = stem[:-2]
    if len(stem) > 3 and stem[-1] == stem[-2] and stem[-1] not in "aeioulsz":
        stem = stem[:-1]
    return stem[:-1] if len(stem) > 3 and stem.endswith("e") else stem


def _is_grammar(word: str) -> bool:
    first = word.partition("'")[0]
    return (
        word in STOP_WORDS or (len(word) == 1 and not word.isdigit()) or ("'" in word and _is_contracted(first, word))
    )


def _is_contracted(first: str, word: str) -> bool:
    return first in STOP_WORDS or first in _CONTRACTED or (len(first) == 1 and not word.endswith("'s"))
