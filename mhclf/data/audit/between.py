"""Posts that data sets share: what training on one and testing on another must leave out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from mhclf.data.audit.overlap import post_key
from mhclf.data.audit.survey import meeting_rows, telling_posts
from mhclf.data.table import PostTable


@dataclass(frozen=True)
class SharedPosts:
    """Test posts of one set that the training side of another holds.

    Attributes
    ----------
    test, train : str
        Names of the sets.
    posts : int
        Different test posts (first 400 letters and digits).
    equal : int
        Those of them among the train and validation posts of `train`.
    alike : int or None
        Test rows that nearly repeat, contain, or stand in such a post, equal ones included; None where it was not
        asked for.
    declared : bool
        Whether one of the two YAMLs says so under `shares_text_with`.
    """

    test: str
    train: str
    posts: int
    equal: int
    alike: int | None
    declared: bool


def shared_posts(
    tables: Mapping[str, PostTable],
    alike: Literal["likely", "all", "none"] = "likely",
    watch: Callable[[list[tuple[str, str]]], Iterable[tuple[str, str]]] = iter,
) -> list[SharedPosts]:
    """Compare the test posts of every set with the training side of every other.

    Parameters
    ----------
    tables : mapping
        Name -> split table.
    alike : {'likely', 'all', 'none'}
        Also look for posts that nearly repeat or contain each other: in pairs that share posts or are declared to, in
        all pairs (slow for many sets), or nowhere.
    watch : callable
        Goes round the pairs of names; a progress bar, for example.

    Returns
    -------
    list of SharedPosts
        Pairs that share something or are declared to, in the order of `tables`.
    """
    tests = {name: table.part("test") for name, table in tables.items()}
    sides = {name: training_side(table) for name, table in tables.items()}
    test_keys = {name: [post_key(text) for text in part.texts] for name, part in tests.items()}
    tested = {name: set(keys) for name, keys in test_keys.items()}
    trained = {name: {post_key(text) for text in side.texts} for name, side in sides.items()}
    tested_posts = {name: telling_posts(part) for name, part in tests.items()}
    trained_posts = {name: telling_posts(side) for name, side in sides.items()}
    pairs = [(test, train) for test in tables for train in tables if test != train and trained[train] and tested[test]]
    found = []
    for test, train in watch(pairs):
        shares = tables[test].config.shares_text_with, tables[train].config.shares_text_with
        declared = train in shares[0] or test in shares[1]
        equal = len(tested[test] & trained[train])
        if equal or declared or alike == "all":
            near = None
            if alike != "none":
                # Short posts are equal too, but tell no more than that.
                rows = {row for row, key in enumerate(test_keys[test]) if key in trained[train]}
                near = len(rows.union(*meeting_rows(tested_posts[test], trained_posts[train])))
            found.append(SharedPosts(test, train, len(tested[test]), equal, near, declared))
    return found


def training_side(table: PostTable) -> PostTable:
    """Return the train and validation rows."""
    return table.select((table.frame["split"] != "test").to_numpy())
