"""Emotion words of a post: the lexicon cues of emotion-enhanced prompts."""

import functools
import re
from pathlib import Path

from mhclf.config.structure import read_yaml

_FILE = Path(__file__).resolve().parent / "emotion_words.yaml"


@functools.cache
def _patterns(language: str) -> dict[str, re.Pattern[str]]:
    words: dict[str, list[str]] = read_yaml(_FILE)[language]
    border = "" if language == "zh" else r"\b"
    return {
        emotion: re.compile(border + "(?:" + "|".join(map(re.escape, listed)) + ")" + border, re.IGNORECASE)
        for emotion, listed in words.items()
    }


def emotion_words(text: str, language: str) -> dict[str, tuple[str, ...]]:
    """Return the emotions whose words stand in a text, each with these words: lowered, in order, each once.

    The list is short and says nothing about negation: a cue for a prompt, not a measure of emotion.
    """
    found = {
        emotion: tuple(dict.fromkeys(word.lower() for word in pattern.findall(text)))
        for emotion, pattern in _patterns(language).items()
    }
    return {emotion: words for emotion, words in found.items() if words}
