"""Labels out of generated text: ordered parsers, each with a name that the results keep."""

import functools
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mhclf.data.answers import published_label
from mhclf.generation.questions import LETTERS, Question

REASONING = "Reasoning:"
"""What stands between label and explanation in IMHI's form."""

_MARKER = re.compile(
    r"(?:answers?|labels?|verdict|decision|答案|标签|判断)\s*(?:is|are|=|:|：|是|为)+\s*(?P<rest>[^\n。]+)",
    re.IGNORECASE,
)
_NEGATORS = re.compile(
    r"(?:\b(?:no|not|never|without|neither|nor|cannot|rather than|instead of)|n['’]t)\b(?:\s+(?!but\b)\w+){0,3}\s*$"
    r"|(?:不|没|无|未)\w{0,4}\s*$"
    r"|\bnone of (?:them|these|those|the above|the following)\b[^.!?\n]*$",
    re.IGNORECASE,
)
_LISTED = re.compile(r"\s*(?:,|、|,?\s*(?P<last>\b(?:or|nor)\b|或者?))\s*", re.IGNORECASE)
"""What stands between the members of a list of alternatives; `last` before the last one."""
# "no" before a noun is no answer ("has no friends"); nor is a Chinese sign inside a word (是 in 可是).
_ANSWERS_ONLY_ALONE = {
    "no": re.compile(
        r"(?<![\w'’])no(?!\w)(?!\s+(?!because|since|as|the|this|that|there|it|he|she|they|based|but)\w)", re.IGNORECASE
    ),
    "是": re.compile(r"(?<!\w)是的?(?!\w)"),
    "否": re.compile(r"(?<!\w)(?:否|不是)(?!\w)"),
    "无": re.compile(r"(?<!\w)无(?!\w)"),
}
_EDGES = "\"'“”‘’`*.。:：()（）[]?？!！ "
"""Signs round an answer that are no part of it."""
_NEAR = 200
"""Characters before a label in which a negator may stand."""
_NONE_OF = re.compile(r"\bnone of (?:them|these|those|the above|the following)\b", re.IGNORECASE)
_NONE = re.compile(r"^\W*(?:none|none of (?:them|these|the above)|no label|无|都不符合|没有)\b\W*", re.IGNORECASE)


@dataclass(frozen=True)
class Parsed:
    """What an answer says.

    Attributes
    ----------
    options : tuple of int, or None
        Numbers of the named answers, one for a question with one answer; None where the text names none, or several
        where one is asked for.
    parser : str
        Which rule read it; `unparsed` for None.
    """

    options: tuple[int, ...] | None
    parser: str


UNPARSED = Parsed(None, "unparsed")
PUBLISHED_OTHERWISE = "published_otherwise"
"""Names the rule of an answer that names no label and becomes one all the same, as in the published code."""


def parse_answer(text: str, question: Question) -> Parsed:
    """Read a generated answer by the first rule that finds one.

    Parameters
    ----------
    text : str
        What the model said, with or without an explanation behind `REASONING`.
    question : Question

    Notes
    -----
    Rules in order: `json` (an object with "label" or "answer"), `exact` (the text before the explanation is an
    answer), `letter`, `marker` ("the answer is ..."; the last one counts), `first_line`, `mention` (the answers that
    stand anywhere in the text before the explanation). Words count as a whole and in any case, a label inside a
    longer one that stands there does not, and one behind a negation ("not X") does not.
    """
    said = text.partition(REASONING)[0]
    for name, rule in _RULES:
        found = rule(said, question)
        if found is not None:
            return Parsed(found, name)
    return UNPARSED


def parse_published(text: str, rule: Sequence[tuple[str, ...]], labels: Sequence[str]) -> Parsed:
    """Read an answer as the published code of MentaLLaMA does, for comparison.

    The first (part, label) of `rule` whose part stands anywhere before "Reasoning:" in the lowered text. An answer
    without any becomes the label of the pair with an empty part, else class 0; its parser is `PUBLISHED_OTHERWISE`.
    """
    told = text.partition(REASONING)[0]
    found = published_label(told, [pair for pair in rule if pair[0]])
    if found is not None:
        return Parsed((labels.index(found),), "published")
    otherwise = next((label for part, label in rule if not part), labels[0])
    return Parsed((labels.index(otherwise),), PUBLISHED_OTHERWISE)


def explanation_of(text: str) -> str:
    """Return what stands behind `REASONING`, '' where it does not occur."""
    return text.partition(REASONING)[2].strip()


def mentioned(text: str, words: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers of the words that stand in a text: whole, not inside a longer one, not negated.

    A negation reaches over a list of alternatives: `not X, Y or Z`.
    """
    spans = [
        (match.start(), match.end(), number)
        for number, word in enumerate(words)
        for match in _whole(word).finditer(text)
    ]
    # What holds a span comes before it.
    spans.sort(key=lambda span: (span[0], -span[1], span[2]))
    negated = _negated(text, sorted({(start, end) for start, end, _ in spans}))
    found = set()
    before, reach, furthest = (-1, -1), -1, -1
    for start, end, number in spans:
        if (start, end) != before:
            before, furthest = (start, end), max(furthest, reach)
            reach = end
        if end > furthest and (start, end) not in negated:
            found.add(number)
    return tuple(sorted(found))


def _negated(text: str, spans: Sequence[tuple[int, int]]) -> set[tuple[int, int]]:
    """Return the places behind a negator, and those that stand behind one of these in a list that ends in `or`."""
    # A negator inside another label ("no causes", 自杀未遂) negates nothing behind it.
    signs = list(text)
    for start, end in spans:
        signs[start:end] = ";" * (end - start)
    blank = "".join(signs)
    found = {span for span in spans if _NEGATORS.search(blank, max(0, span[0] - _NEAR), span[0])}
    chain: list[tuple[int, int]] = []
    for span in spans:
        between = _LISTED.fullmatch(text, chain[-1][1], span[0]) if chain and chain[-1][1] <= span[0] else None
        chain = [*chain, span] if between else [span]
        if between and between["last"] and chain[0] in found:
            found.update(chain)
    return found


def _whole(word: str) -> re.Pattern[str]:
    """Return a pattern of a word that is not part of a longer one; Chinese has no spaces between words."""
    if word.casefold() in _ANSWERS_ONLY_ALONE:
        return _ANSWERS_ONLY_ALONE[word.casefold()]
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in word)
    return re.compile(re.escape(word) if chinese else rf"(?<!\w){re.escape(word)}(?!\w)", re.IGNORECASE)


def _json(text: str, question: Question) -> tuple[int, ...] | None:
    match = re.search(r"\{[^{}]*\}", text)
    if not match:
        return None
    try:
        content = json.loads(match[0])
    except (ValueError, RecursionError):
        return None
    value = next((content[key] for key in content if key.casefold() in {"label", "labels", "answer"}), None)
    values = value if isinstance(value, list) else [value]
    numbers = [_number(item, question) if isinstance(item, str) else None for item in values]
    known = [number for number in numbers if number is not None]
    return _fitting(known, question) if len(known) == len(numbers) else None


def _exact(text: str, question: Question) -> tuple[int, ...] | None:
    number = _number(text, question)
    if number is not None:
        return (number,)
    return () if question.joint and _NONE.fullmatch(text.strip()) else None


def _letter(text: str, question: Question) -> tuple[int, ...] | None:
    found = _letters_meant(text, question)
    return _fitting(found, question) if found else None


def _letters_meant(text: str, question: Question) -> list[int]:
    """Return the answers whose letters a text names and does not deny; none where answers are no letters."""
    if not question.lettered:
        return []
    known = LETTERS[: len(question.answers)]
    spans = [match.span(match.lastgroup or 0) for match in _letters(known).finditer(text)]
    negated = _negated(text, spans)
    return [known.index(text[start].upper()) for start, end in spans if (start, end) not in negated]


@functools.cache
def _letters(known: str) -> re.Pattern[str]:
    """Return a pattern of a letter that answers: "a" inside a sentence is a word.

    It stands at an end, in brackets, before a full stop, bracket, colon or the next one of a list, before a reason or
    "is right", or behind the word "option".
    """
    reason = r"\s+(?:or|and|nor|because|since|as)\b|\s+is\s+(?:the\s+|my\s+)?(?:correct|right|best)\b"
    behind = rf"[.):）：,、/]|\s*$|\s*[或和]|{reason}"
    return re.compile(
        rf"(?:^|[\s(（/])(?P<plain>[{known}])(?={behind})|(?i:option|choice|选项)\s*[(（]?(?P<named>(?i:[{known}]))(?!\w)"
    )


def _marker(text: str, question: Question) -> tuple[int, ...] | None:
    matches = list(_MARKER.finditer(text))
    if not matches:
        return None
    # Several answers may stand on lines of their own; so do options that are but repeated.
    last, start = matches[-1], matches[-1].start("rest")
    below = question.lettered and "\n" in text[last.start() : start]
    rest = text[start:] if question.joint or below else last["rest"]
    for rule in (_exact, _letter, _mention):
        found = rule(rest, question)
        if found is not None:
            return found
    return None


def _first_line(text: str, question: Question) -> tuple[int, ...] | None:
    # Options that are repeated ("A. ...", "B. ...") are no answer.
    repeated = len(set(_letters_meant(text, question))) > 1
    lines = [] if question.joint or repeated else text.strip().splitlines()
    return _exact(re.split(r"[.。!,，:：]", lines[0])[0], question) if lines else None


def _mention(text: str, question: Question) -> tuple[int, ...] | None:
    # Options of a row are often whole sentences: their full stop need not be said.
    words = [_bare(word) for word in question.words] if question.by_row else question.words
    found = list(mentioned(text, words))
    if not found:
        said_none = _NONE.match(text.strip()) or _NONE_OF.search(text)
        return () if question.joint and said_none else None
    return _fitting(found, question)


def _number(text: str, question: Question) -> int | None:
    """Return the answer that a text is, but for quotation marks, full stops and case."""
    plain = text.strip().strip(_EDGES).casefold()
    for names in (question.answers, question.words):
        for number, name in enumerate(names):
            if plain == _bare(name).casefold():
                return number
    return None


def _bare(word: str) -> str:
    """Return a word without the signs round it; one of nothing else stays as it is."""
    return word.strip(_EDGES) or word


def _fitting(numbers: Sequence[int], question: Question) -> tuple[int, ...] | None:
    """Return distinct numbers in order; None where one is asked for and several are named."""
    distinct = tuple(sorted(set(numbers)))
    return distinct if question.joint or len(distinct) == 1 else None


_RULES: tuple[tuple[str, Callable[[str, Question], tuple[int, ...] | None]], ...] = (
    ("json", _json),
    ("exact", _exact),
    ("letter", _letter),
    ("marker", _marker),
    ("first_line", _first_line),
    ("mention", _mention),
)
