"""Small changes to posts that should not change their label: typos, case, dropped words, contractions.

Each change is drawn from a seed and the post's id alone, and its edits are kept, so that evidence spans move along.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mhclf.data.repair import Rationale
from mhclf.data.spans import Edit, Span, letters_and_digits, merge_spans, move_spans, words
from mhclf.data.table import PostTable
from mhclf.registry import Registry

Replacement = tuple[int, int, str]
"""Start, end, and what stands there instead."""

Noise = Callable[[str, np.random.Generator, float], list[Replacement]]
NOISES: Registry[Noise] = Registry("noise")


@dataclass(frozen=True)
class NoisyText:
    """A changed text and the edits that made it, in order."""

    text: str
    edits: tuple[Edit, ...]


def add_noise(text: str, kind: str, strength: float, generator: np.random.Generator) -> NoisyText:
    """Change a text.

    Parameters
    ----------
    text : str
    kind : str
        A name in `NOISES`.
    strength : float
        Share of words (or chances) that are changed, in [0, 1].
    generator : numpy.random.Generator
    """
    parts, edits, at = [], [], 0
    for start, end, new in sorted(NOISES.get(kind)(text, generator, strength)):
        parts += [text[at:start], new]
        edits.append(Edit(start, end, len(new)))
        at = end
    changed = "".join([*parts, text[at:]])
    if letters_and_digits(text) and not letters_and_digits(changed):
        # A post never loses its last word.
        return NoisyText(text, ())
    return NoisyText(changed, tuple(edits))


def noisy_table(table: PostTable, kind: str, strength: float, seed: int) -> PostTable:
    """Return the same rows with changed posts; evidence spans move along, contexts stay."""
    found = [
        add_noise(text, kind, strength, _generator(seed, kind, identifier))
        for identifier, text in zip(table.frame["id"].astype(str), table.texts, strict=True)
    ]
    rationales = tuple(
        _moved(rationale, noisy.edits) for rationale, noisy in zip(table.rationales, found, strict=False)
    )
    return replace(table, frame=table.frame.assign(text=[noisy.text for noisy in found]), rationales=rationales)


def _generator(seed: int, kind: str, identifier: str) -> np.random.Generator:
    digest = hashlib.sha256(f"{seed}:{kind}:{identifier}".encode("utf-8", "surrogatepass")).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "big"))


def _moved(rationale: Rationale, edits: tuple[Edit, ...]) -> Rationale:
    def move(spans: tuple[Span, ...]) -> tuple[Span, ...]:
        return tuple(merge_spans(move_spans(spans, edits)))

    by_label = tuple((label, move(spans)) for label, spans in rationale.by_label)
    return replace(rationale, spans=move(rationale.spans), by_label=by_label)


_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_NEAR = {
    letter: {
        other
        for row in range(max(0, number - 1), min(3, number + 2))
        for other in _ROWS[row][max(0, place - 1) : place + 2]
    }
    - {letter}
    for number, keys in enumerate(_ROWS)
    for place, letter in enumerate(keys)
}
"""Keys beside each key of an English keyboard."""


@NOISES.register("typos")
def typos(text: str, generator: np.random.Generator, strength: float) -> list[Replacement]:
    """One slip in each chosen word of four letters or more: a swap, a loss, a doubling, or a key beside the right one.

    The first letter stays.
    """
    found = []
    for start, end in _chosen(text, generator, strength, lambda word: len(word) >= 4 and word.isalpha()):
        place = start + 1 + int(generator.integers(end - start - 2))
        here, after = text[place], text[place + 1]
        kind = int(generator.integers(4))
        near = sorted(_NEAR.get(here.lower(), ()))
        if kind == 0 and here != after:
            found.append((place, place + 2, after + here))
        elif kind == 1:
            found.append((place, place + 1, ""))
        elif kind == 2 or not near:
            found.append((place, place + 1, here * 2))
        else:
            key = near[int(generator.integers(len(near)))]
            found.append((place, place + 1, key.upper() if here.isupper() else key))
    return found


@NOISES.register("lower_case")
def lower_case(text: str, generator: np.random.Generator, strength: float) -> list[Replacement]:
    """Every letter small; `strength` has no say."""
    return [
        (start, end, text[start:end].lower())
        for start, end in words(text)
        if text[start:end].lower() != text[start:end]
    ]


@NOISES.register("upper_case")
def upper_case(text: str, generator: np.random.Generator, strength: float) -> list[Replacement]:
    """Each chosen word in capitals, as in shouting."""
    chosen = _chosen(text, generator, strength, lambda word: word.upper() != word)
    return [(start, end, text[start:end].upper()) for start, end in chosen]


@NOISES.register("dropped_words")
def dropped_words(text: str, generator: np.random.Generator, strength: float) -> list[Replacement]:
    """Each chosen word is left out, with the white space behind it."""
    found = []
    for start, end in _chosen(text, generator, strength, str.isalnum):
        while end < len(text) and text[end].isspace():
            end += 1
        found.append((start, end, ""))
    return found


_CONTRACTIONS = {
    "i am": "i'm", "i have": "i've", "i will": "i'll", "i would": "i'd", "you are": "you're", "we are": "we're",
    "they are": "they're", "it is": "it's", "that is": "that's", "he is": "he's", "she is": "she's",
    "there is": "there's", "what is": "what's", "do not": "don't", "does not": "doesn't", "did not": "didn't",
    "is not": "isn't", "are not": "aren't", "was not": "wasn't", "were not": "weren't", "have not": "haven't",
    "has not": "hasn't", "had not": "hadn't", "will not": "won't", "would not": "wouldn't", "could not": "couldn't",
    "should not": "shouldn't", "cannot": "can't", "let us": "let's",
}  # fmt: skip
_EXPANSIONS = {short: long for long, short in _CONTRACTIONS.items()}
_SWITCHES = re.compile(
    r"(?<!\w)(?:" + "|".join(re.escape(form) for form in [*_CONTRACTIONS, *_EXPANSIONS]) + r")(?![\w'])",
    re.IGNORECASE,
)


@NOISES.register("contractions")
def contractions(text: str, generator: np.random.Generator, strength: float) -> list[Replacement]:
    """Each chosen English contraction is written out, and each chosen long form contracted."""
    found = []
    # A typographic apostrophe counts as a plain one; lengths stay equal.
    for match in _SWITCHES.finditer(text.replace("’", "'")):
        if generator.random() < strength:
            form = match[0].lower()
            new = _CONTRACTIONS.get(form) or _EXPANSIONS[form]
            found.append((*match.span(), new[0].upper() + new[1:] if match[0][0].isupper() else new))
    return found


def _chosen(text: str, generator: np.random.Generator, strength: float, fits: Callable[[str], bool]) -> list[Span]:
    """Return the words that fit and that chance chooses."""
    candidates = [(start, end) for start, end in words(text) if fits(text[start:end])]
    return [span for span, draw in zip(candidates, generator.random(len(candidates)), strict=True) if draw < strength]
