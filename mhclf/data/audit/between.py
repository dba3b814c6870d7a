"""Posts that data sets share: what training on one and testing on another must leave out."""

from collections.abc import Mapping
from dataclasses import dataclass

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


def shared_posts(tables: Mapping[str, PostTable], alike: bool = True) -> list[SharedPosts]:
    """Compare the test posts of every set with the training side of every other.

    Parameters
    ----------
    tables : mapping
        Name -> split table.
    alike : bool
        Also look for posts that nearly repeat or contain each other, in pairs that share posts or are declared to.

    Returns
    -------
    list of SharedPosts
        Pairs that share something or are declared to, in the order of `tables`.
    """
    tests = {name: table.part("test") for name, table in tables.items()}
    sides = {name: training_side(table) for name, table in tables.items()}
    tested = {name: {post_key(text) for text in part.texts} for name, part in tests.items()}
    trained = {name: {post_key(text) for text in side.texts} for name, side in sides.items()}
    tested_posts = {name: telling_posts(part) for name, part in tests.items()}
    trained_posts = {name: telling_posts(side) for name, side in sides.items()}
    found = []
    for test, table in tables.items():
        for train, other in tables.items():
            if test == train or not trained[train] or not tested[test]:
                continue
            declared = train in table.config.shares_text_with or test in other.config.shares_text_with
            equal = len(tested[test] & trained[train])
            if equal or declared:
                near = len(set().union(*meeting_rows(tested_posts[test], trained_posts[train]))) if alike else None
                found.append(SharedPosts(test, train, len(tested[test]), equal, near, declared))
    return found


def training_side(table: PostTable) -> PostTable:
    """Return the train and validation rows."""
    return table.select((table.frame["split"] != "test").to_numpy())
