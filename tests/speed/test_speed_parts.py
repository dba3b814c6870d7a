"""What the measuring is made of: memory of other processes, training logs, made-up posts."""

import pytest

from mhclf.data.audit.near import Pair, near_duplicates
from mhclf.errors import RunError
from speed.auditing import posts_with_repeats, wrong_pairs
from speed.posts import chunks_of, made_up_posts
from speed.processes import door_names, peak_megabytes, seconds_of
from speed.training import step_seconds


def test_the_memory_of_a_process_is_its_own():
    # This process holds torch: what it holds must not count for the child.
    small = peak_megabytes(["-c", "import time; time.sleep(0.2)"])
    large = peak_megabytes(["-c", "import time; held = bytearray(200_000_000); time.sleep(0.2)"])
    assert 3 < small < 60
    assert 190 < large - small < 215


def test_a_process_that_fails_says_why():
    with pytest.raises(RunError, match="exit code 1: ValueError: no"):
        peak_megabytes(["-c", "raise ValueError('no')"])
    with pytest.raises(RunError, match="exit code 1: ValueError: no"):
        seconds_of(["-c", "raise ValueError('no')"])


def test_time_of_a_process_is_wall_time():
    assert seconds_of(["-c", "import time; time.sleep(0.5)"]) > 0.5
    assert {"train", "predict", "speed"} <= set(door_names())


def test_steps_of_a_log_are_added_up(tmp_path):
    log = tmp_path / "training_log.csv"
    log.write_text("kind,samples_per_second\nstep,16.0\nstep,32.0\nepoch,5.0\n")
    assert step_seconds(log, 64, 32) == pytest.approx(32 / 16 + 32 / 32)
    assert step_seconds(log, 20, 10) == pytest.approx(10 / 16 + 10 / 32)
    with pytest.raises(ValueError, match="2 steps of 32 posts are not 96 posts"):
        step_seconds(log, 96, 32)


def test_made_up_posts_follow_seed_and_length():
    posts = made_up_posts(50, (3, 5), 1, ["a", "b"])
    assert posts == made_up_posts(50, (3, 5), 1, ["a", "b"]) != made_up_posts(50, (3, 5), 2, ["a", "b"])
    assert {len(post.split()) for post in posts} == {3, 4, 5}
    assert [chunks_of(n, 32) for n in (5, 32, 70)] == [5, 32, 64]


def test_repeats_are_the_near_duplicates():
    posts, pairs = posts_with_repeats(400)
    assert len(pairs) == 7
    found = near_duplicates(posts)
    assert {(pair.first, pair.second) for pair in found} == pairs
    assert wrong_pairs(posts, found) == (0, 14)
    # One pair missed, and its posts with it, cannot be seen; one made up, or missed between posts that are there, can.
    assert wrong_pairs(posts, [*found, Pair(found[0].first, found[1].first, 0.9)]) == (1, 14)
    doubled = [*posts, posts[found[0].second] + " once more"]
    again = near_duplicates(doubled)
    assert len(again) == len(found) + 2 and wrong_pairs(doubled, again) == (0, 15)
