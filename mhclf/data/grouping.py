"""Makes a group file: rows cut from the posts of another set, or equal to its rows, are grouped like those.

`python -m mhclf.data.grouping --data wellxplain --posts multiwd > datasets_cfg/wellxplain.groups.txt`
`python -m mhclf.data.grouping --data depression_severity --like dreaddit > datasets_cfg/depression_severity.groups.txt`
"""

import argparse
import sys
from collections import defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mhclf.data.load import load_table
from mhclf.data.sidecar import write_sidecar
from mhclf.data.spans import letters_and_digits
from mhclf.errors import MhclfError

_SHORTEST = 25
"""Letters and digits that a row needs before containment says anything about its origin."""


def group_by_posts(texts: list[str], posts: list[str]) -> list[int]:
    """Return one group number a row: rows contained in the same post share it, and so do equal rows.

    Parameters
    ----------
    texts : list of str
        Rows to be grouped, such as single sentences.
    posts : list of str
        Longer posts that they may have been cut from.

    Notes
    -----
    Containment is by letters and digits, and only for rows with 25 of them or more. A row inside several posts joins
    them (repeated posts). Candidates come from an index of 20-character pieces, so that time grows with the text.
    """
    rows, long_posts = [letters_and_digits(text) for text in texts], [letters_and_digits(post) for post in posts]
    index: dict[str, set[int]] = defaultdict(set)
    for number, post in enumerate(long_posts):
        for start in range(len(post) - 19):
            index[post[start : start + 20]].add(number)
    edges = []
    first_row: dict[str, int] = {}
    for number, row in enumerate(rows):
        edges.append((number, first_row.setdefault(row or texts[number], number)))
        if len(row) >= _SHORTEST:
            for post_number in index.get(row[:20], ()):
                if row in long_posts[post_number]:
                    edges.append((number, len(rows) + post_number))
    size = len(rows) + len(posts)
    ends = np.array(edges)
    graph = coo_array((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(size, size))
    components = connected_components(graph, directed=False)[1][: len(rows)]
    # Number groups by first appearance, so that the file is stable.
    order: dict[int, int] = {}
    return [order.setdefault(int(component), len(order)) for component in components]


def group_like(texts: list[str], others: list[str], groups: list[str]) -> list[int]:
    """Return one group number a row: that of the equal text among `others`, else one of its own.

    Parameters
    ----------
    texts : list of str
        Rows to be grouped.
    others, groups : list of str
        Texts of another set and the group of each.
    """
    known = {letters_and_digits(text): group for text, group in zip(others, groups, strict=True)}
    order: dict[str, int] = {}
    names = (known.get(letters_and_digits(text), f"own {letters_and_digits(text) or text}") for text in texts)
    return [order.setdefault(name, len(order)) for name in names]


def main() -> int:
    """Print one group number a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="set whose rows are grouped")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--posts", help="set with the longer posts that the rows were cut from")
    source.add_argument("--like", help="set with the same texts and groups of its own")
    parser.add_argument("--data-root", default=None)
    arguments = parser.parse_args()
    try:
        rows = load_table(arguments.data, data_root=arguments.data_root, sidecars=False)
        other = load_table(arguments.posts or arguments.like, data_root=arguments.data_root)
    except MhclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    if arguments.posts:
        groups = group_by_posts(rows.texts, other.texts)
    else:
        groups = group_like(rows.texts, other.texts, other.frame["group"].tolist())
    sys.stdout.write(write_sidecar(rows.texts, groups))
    return 0


if __name__ == "__main__":
    sys.exit(main())
