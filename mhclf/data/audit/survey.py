"""All that the audit counts in one data set, as numbers without post text."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from mhclf.data.audit.damage import count_kinds, encoding_damage, identifier_kinds
from mhclf.data.audit.finding import Finding
from mhclf.data.audit.near import near_duplicates
from mhclf.data.audit.overlap import contained_posts, post_key
from mhclf.data.audit.reading import ReadShare
from mhclf.data.audit.shortcuts import Shortcut, shortcut_scores
from mhclf.data.spans import letters_and_digits, text_key, words
from mhclf.data.table import SPLITS, PostTable

_SHORTEST = {"zh": 10, "ja": 10, "ko": 10}
"""Letters that a post needs to tell its origin, where one says more than an English letter; elsewhere 25."""


MOST_UNKNOWN = 0.05
"""Share of unknown tokens from which an encoder is said not to fit: emoji and rare names stay far below it."""


@dataclass(frozen=True)
class Repetition:
    """Rows that meet another row of a set.

    Attributes
    ----------
    exact : int
        Rows whose letters and digits, with those of their context, stand elsewhere too.
    near : int
        Further rows that share their first 400 letters and digits, or 70 % of their three-word sequences, with a post
        of another group.
    contained : int
        Further rows that stand inside a longer post of another group, or around a shorter one.

    Notes
    -----
    Exact repetition counts the context too, where a set has one: "okay" in two conversations is no repetition. The
    other two count posts of 25 letters and digits or more (10 in Chinese, Japanese, Korean), since short ones are
    alike without a common origin, and pass over posts of one group, which no split ever parts.
    """

    exact: int
    near: int
    contained: int


@dataclass(frozen=True)
class Survey:
    """The numbers of one data set.

    Attributes
    ----------
    rows, groups : mapping
        Split -> count.
    classes : mapping
        Label -> rows.
    words : tuple of float
        5th, 25th, 50th, 75th and 95th percentile of the posts' words (Chinese: characters).
    within : Repetition
        Rows of the set that meet another of its rows (with the same context, where the set has contexts).
    leaks : mapping
        `validation`, `test` -> rows of that part that meet a row of an earlier part.
    label_conflicts : int
        Posts that stand more than once with different labels.
    identifiers : mapping
        Kind -> posts in which one may stand after masking; `identifying` counts posts with any.
    evidence_by_split : mapping
        Split -> rows with expert evidence.
    """

    name: str
    title: str
    task: str
    language: str
    rows: dict[str, int]
    groups: dict[str, int]
    all_groups: int
    classes: dict[str, int]
    words: tuple[float, ...]
    within: Repetition
    leaks: dict[str, Repetition]
    label_conflicts: int
    repaired: int
    damaged: int
    masked: int
    identifiers: dict[str, int]
    identifying: int
    evidence_by_split: dict[str, int]
    evidence_parts: int
    evidence_located: int
    left_out: dict[str, int]
    added: int
    published_rule_differs: int | None
    shortcuts: tuple[Shortcut, ...] = ()
    read: ReadShare | None = None
    evidence_columns: bool = field(default=False)

    def as_json(self) -> dict[str, Any]:
        """Return plain mappings for a file."""
        shortcuts = [asdict(item) | {"suspicious": item.suspicious} for item in self.shortcuts]
        return asdict(self) | {"shortcuts": shortcuts}


def survey(table: PostTable, read: ReadShare | None = None) -> Survey:
    """Count everything in a split table.

    Parameters
    ----------
    table : PostTable
        As `load_table` returns it: leaks still in it.
    read : ReadShare, optional
        What an encoder reads of it.
    """
    frame, config, texts = table.frame, table.config, table.texts
    splits = frame["split"].to_numpy()
    one_hot = table.targets if table.targets.ndim == 2 else np.eye(len(table.labels), dtype=int)[table.targets]
    lengths = [sum(text[start:end].isalnum() for start, end in words(text)) for text in texts]
    kinds = [identifier_kinds(text) for text in texts]
    counts = table.counts
    present = [split for split in SPLITS if (splits == split).any()]
    return Survey(
        name=config.name,
        title=config.title,
        task=config.task,
        language=config.language,
        rows={split: int((splits == split).sum()) for split in present},
        groups={split: int(frame.loc[splits == split, "group"].nunique()) for split in present},
        all_groups=int(frame["group"].nunique()),
        classes={label: int(n) for label, n in zip(table.labels, one_hot.sum(axis=0), strict=True)},
        words=tuple(np.percentile(lengths, (5, 25, 50, 75, 95)).tolist()),
        within=_within(table),
        leaks={
            split: _between(table.part(split), table.select(np.isin(splits, SPLITS[: SPLITS.index(split)])))
            for split in present
            if split != "train"
        },
        label_conflicts=count_label_conflicts(table),
        repaired=counts.get("texts_repaired", 0),
        damaged=len(encoding_damage(texts)),
        masked=counts.get("texts_masked", 0),
        identifiers=count_kinds(kinds),
        identifying=sum(map(bool, kinds)),
        evidence_by_split={
            split: sum(item.parts > 0 for item in table.part(split).rationales) for split in present if table.rationales
        },
        evidence_parts=sum(item.parts for item in table.rationales),
        evidence_located=sum(item.located for item in table.rationales),
        left_out={fault: len(rows) for fault, rows in table.left_out.items()},
        added=counts.get("rows_added_to_train", 0),
        published_rule_differs=counts.get("labels_read_otherwise_by_the_published_rule"),
        shortcuts=tuple(shortcut_scores(texts, table.targets, table.labels, groups=frame["group"].tolist())),
        read=read,
        evidence_columns=config.rationale is not None,
    )


@dataclass(frozen=True)
class TellingPosts:
    """The different posts of a table that are long enough to tell a common origin.

    Attributes
    ----------
    texts, keys : list of str
        One for each post, and what `post_key` makes of it.
    rows : list of list of int
        The rows of the table that hold it.
    shortest : int
        Letters and digits that each has at least.
    """

    texts: list[str]
    keys: list[str]
    rows: list[list[int]]
    shortest: int


def telling_posts(table: PostTable) -> TellingPosts:
    """Return the different posts of a table, without their contexts and without the short ones."""
    shortest = _SHORTEST.get(table.config.language, 25)
    rows: dict[str, list[int]] = {}
    first: dict[str, str] = {}
    for row, text in enumerate(table.texts):
        key = post_key(text)
        first.setdefault(key, text)
        rows.setdefault(key, []).append(row)
    kept = [key for key, text in first.items() if len(letters_and_digits(text)) >= shortest]
    return TellingPosts([first[key] for key in kept], kept, [rows[key] for key in kept], shortest)


def meeting_rows(posts: TellingPosts, others: TellingPosts) -> tuple[set[int], set[int]]:
    """Return the rows that repeat or nearly repeat one of the other posts, and those in or around one."""
    known = set(others.keys)
    near = {pair.first for pair in near_duplicates(posts.texts, others.texts)}
    near |= {index for index, key in enumerate(posts.keys) if key in known}
    inside = {index for index, _ in contained_posts(posts.texts, others.texts, posts.shortest)}
    around = {container for _, container in contained_posts(others.texts, posts.texts, posts.shortest)}
    nothing: set[int] = set()
    return (
        nothing.union(*(posts.rows[index] for index in near)),
        nothing.union(*(posts.rows[index] for index in inside | around)),
    )


def shared_rows(table: PostTable, others: PostTable) -> set[int]:
    """Return the rows that repeat, nearly repeat, contain, or stand in one of the other posts."""
    known = {text_key(text) for text in others.texts}
    equal = {row for row, text in enumerate(table.texts) if text_key(text) in known}
    return equal.union(*meeting_rows(telling_posts(table), telling_posts(others)))


def _within(table: PostTable) -> Repetition:
    keys = [text_key(text) for text in table.texts_in_context]
    often = Counter(keys)
    exact = {row for row, key in enumerate(keys) if often[key] > 1}
    groups, posts = table.frame["group"].tolist(), telling_posts(table)

    def between_groups(pairs: Iterable[tuple[int, int]]) -> set[int]:
        rows = [(posts.rows[first][0], posts.rows[second][0]) for first, second in pairs]
        return {row for pair in rows if groups[pair[0]] != groups[pair[1]] for row in pair}

    near = between_groups((pair.first, pair.second) for pair in near_duplicates(posts.texts))
    # One post in several groups: with other endings or in other contexts.
    near |= {row for rows in posts.rows if len({groups[row] for row in rows}) > 1 for row in rows}
    contained = between_groups(contained_posts(posts.texts, shortest=posts.shortest))
    return Repetition(len(exact), len(near - exact), len(contained - near - exact))


def _between(table: PostTable, earlier: PostTable) -> Repetition:
    """Count the rows of `table` that meet one of `earlier`."""
    known = {text_key(text) for text in earlier.texts_in_context}
    exact = {row for row, text in enumerate(table.texts_in_context) if text_key(text) in known}
    near, contained = meeting_rows(telling_posts(table), telling_posts(earlier))
    return Repetition(len(exact), len(near - exact), len(contained - near - exact))


def count_label_conflicts(table: PostTable) -> int:
    """Return the number of posts (with their context) that stand more than once with different labels."""
    labels: dict[str, set[tuple[int, ...]]] = {}
    for text, target in zip(table.texts_in_context, table.targets, strict=True):
        labels.setdefault(text_key(text), set()).add(tuple(np.atleast_1d(target).tolist()))
    return sum(len(values) > 1 for values in labels.values())


def findings_of(numbers: Survey) -> list[Finding]:
    """Return what a researcher should know before training, as sentences."""
    found: list[Finding] = []

    def say(check: str, severity: Any, count: int, message: str) -> None:
        if count:
            found.append(Finding(check, severity, count, f"{count} {message}"))

    for split, leak in numbers.leaks.items():
        say("near_duplicate", "warning", leak.near, f"{split} rows nearly repeat a post of an earlier part.")
        say("contained", "warning", leak.contained, f"{split} rows contain, or stand in, a post of an earlier part.")
    say("label_conflict", "warning", numbers.label_conflicts, "posts stand more than once with other labels.")
    say("encoding", "warning", numbers.damaged, "posts still look broken after repair.")
    for shortcut in numbers.shortcuts:
        if shortcut.suspicious and shortcut.score is not None and shortcut.majority is not None:
            message = (
                f"{shortcut.name.capitalize()} alone reaches a balanced accuracy of {shortcut.score:.2f} "
                f"(majority {shortcut.majority:.2f}): a model may learn that instead."
            )
            found.append(Finding("shortcut", "warning", 1, message))
    for split, count in numbers.evidence_by_split.items():
        if not count and any(numbers.evidence_by_split.values()):
            message = f"The {split} part has no expert evidence, although another part has."
            found.append(Finding("evidence", "warning", 1, message))
    lost = numbers.evidence_parts - numbers.evidence_located
    say("evidence", "note", lost, f"of {numbers.evidence_parts} pieces of evidence were not found in their posts.")
    for kind, count in numbers.identifiers.items():
        say("identifier", "note", count, f"posts may hold a {kind}.")
    for fault, count in numbers.left_out.items():
        say("left_out", "note", count, f"rows were left out ({fault.replace('_', ' ')}).")
    if numbers.read is not None:
        share = f"at {numbers.read.max_length} tokens ({numbers.read.characters_lost:.0%} of all characters)."
        say("truncation", "note", numbers.read.posts_cut, f"posts are cut {share}")
        unknown = numbers.read.unknown_tokens
        if unknown >= MOST_UNKNOWN:
            message = (
                f"{unknown:.0%} of the tokens are unknown to {numbers.read.tokenizer}: it can hardly read these posts. "
                "Choose an encoder that knows their language (--encoder)."
            )
            found.append(Finding("unknown_tokens", "warning", sum(numbers.rows.values()), message))
    return found
