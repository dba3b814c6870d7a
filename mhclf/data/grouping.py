"""Makes a group file: rows cut from the posts of another set are grouped by those posts.

`python -m mhclf.data.grouping --data wellxplain --posts multiwd > datasets_cfg/wellxplain.groups.txt`
"""

import argparse
import sys
from collections import defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from mhclf.data.load import GROUP_FILE_HEADER, load_table, source_texts_hash
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


def main() -> int:
    """Print one group number a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="set whose rows are grouped")
    parser.add_argument("--posts", required=True, help="set with the longer posts")
    parser.add_argument("--data-root", default=None)
    arguments = parser.parse_args()
    try:
        texts_hash = source_texts_hash(arguments.data, arguments.data_root)
        rows = load_table(arguments.data, data_root=arguments.data_root, read_groups=False)
        posts = load_table(arguments.posts, data_root=arguments.data_root)
    except MhclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    sys.stdout.write(f"{GROUP_FILE_HEADER}{texts_hash}\n")
    sys.stdout.write("".join(f"{group}\n" for group in group_by_posts(rows.texts, posts.texts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
