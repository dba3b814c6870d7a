"""Group numbers for rows that were cut from longer posts."""

from pathlib import Path

import pytest

from mhclf.data.grouping import group_by_posts
from mhclf.data.load import load_table
from mhclf.data.locate import config_folder
from mhclf.data.sidecar import HEADER, texts_hash
from mhclf.data.spans import letters_and_digits

POST = "The garden was quiet all summer. I could not get out of bed before noon. My sister called me twice."


def test_folding_keeps_letters_and_digits():
    assert letters_and_digits("It’s 3 pm,\n OK?") == "its3pmok"


def test_rows_in_one_post_share_a_number():
    rows = [
        "i could NOT get out of bed, before noon",
        "Nothing to do with it at all, really nothing",
        "She called me twice",
        "The garden was quiet all summer",
    ]
    assert group_by_posts(rows, [POST]) == [0, 1, 2, 0]


def test_a_row_at_the_end_of_a_post_counts():
    assert group_by_posts(["before noon. My sister called me twice", "The garden was quiet all summer"], [POST]) == [
        0,
        0,
    ]


@pytest.mark.parametrize(("letters", "expected"), [(24, [0, 1]), (25, [0, 0])])
def test_short_rows_do_not_join(letters, expected):
    post = "abcdefghijklmnopqrstuvwxyz0123456789" * 2
    assert group_by_posts([post[:letters], post[5:60]], [post]) == expected


def test_equal_rows_share_a_number_whatever_their_length():
    assert group_by_posts(["so sad", "tired", "So sad!", "tired", "😀", "!!", "😀"], []) == [0, 1, 0, 1, 2, 3, 2]


def test_a_row_inside_several_posts_joins_them():
    other = "I could not get out of bed before noon. Nobody rang the bell for the whole of this long week."
    rows = [
        "Nobody rang the bell for the whole of",
        "The garden was quiet all summer",
        "I could not get out of bed before noon",
    ]
    assert group_by_posts(rows[:2], [POST, other]) == [0, 1]
    assert group_by_posts(rows, [POST, other]) == [0, 0, 0]


def test_a_row_that_starts_like_a_post_but_goes_on_otherwise_stays_alone():
    assert group_by_posts(
        ["The garden was quiet all winter long", "I could not get out of bed before noon"], [POST]
    ) == [0, 1]


@pytest.mark.data
@pytest.mark.slow
def test_the_committed_group_file_is_what_is_made_now(data_root):
    rows = load_table("wellxplain", data_root=data_root, sidecars=False)
    posts = load_table("multiwd", data_root=data_root)
    committed = Path(config_folder() / "wellxplain.groups.txt").read_text().splitlines()
    assert committed.pop(0) == HEADER + texts_hash(rows.texts)
    assert [str(number) for number in group_by_posts(rows.texts, posts.texts)] == committed
