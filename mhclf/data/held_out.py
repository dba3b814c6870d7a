"""Makes a split file: the rows of a set whose texts another set tests on become its test part, the rest train.

`python -m mhclf.data.held_out --data cams_625 --test imhi_cams > datasets_cfg/cams_625.splits.txt`
"""

import argparse
import sys

from mhclf.data.audit.overlap import opening
from mhclf.data.load import load_table
from mhclf.data.sidecar import write_sidecar
from mhclf.errors import MhclfError


def split_by_test_posts(texts: list[str], test_posts: list[str]) -> list[str]:
    """Return `test` for the first row of each test post, `-` (left out) for its repetitions, else `train`.

    Posts are the same where their first 400 letters and digits are: releases of one post differ in where they end.
    """
    wanted = {opening(post) for post in test_posts}
    seen: set[str] = set()
    splits = []
    for text in texts:
        key = opening(text)
        splits.append("train" if key not in wanted else "-" if key in seen else "test")
        seen.add(key)
    return splits


def main() -> int:
    """Print one split a line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="set whose rows are split")
    parser.add_argument("--test", required=True, help="set whose test posts are held out")
    parser.add_argument("--data-root", default=None)
    arguments = parser.parse_args()
    try:
        rows = load_table(arguments.data, data_root=arguments.data_root, sidecars=False)
        test = load_table(arguments.test, data_root=arguments.data_root).part("test")
    except MhclfError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    sys.stdout.write(write_sidecar(rows.texts, split_by_test_posts(rows.texts, test.texts)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
