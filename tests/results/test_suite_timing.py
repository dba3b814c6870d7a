"""Estimates of a suite's time: which complete cells they are taken from, and the number."""

import pytest

from mhclf.results import suite
from mhclf.results.timing import Estimate, Timing, estimate, time_spent, timings_of

KNOWN = [
    Timing("a", "finetune", "small", 100, 50.0),
    Timing("a", "finetune", "small", 100, 70.0),
    Timing("b", "finetune", "small", 200, 40.0),
    Timing("b", "supcon", "small", 200, 400.0),
    Timing("a", "tfidf_lr", "tfidf", 100, 1.0),
]
COSTS = {"small": 10.0, "large": 80.0}


@pytest.mark.parametrize(
    ("dataset", "methods", "encoder", "rows", "seconds", "basis"),
    [
        # The median of 0.5 and 0.7 seconds a row.
        ("a", ["finetune"], "small", 100, 60.0, "other seeds"),
        ("a", ["finetune"], "small", 50, 30.0, "other seeds"),
        # The median of 0.5, 0.7 and 0.2.
        ("c", ["finetune"], "small", 10, 5.0, "finetune, small, 2 sets, by rows"),
        ("a", ["supcon"], "small", 10, 20.0, "supcon, small, 1 set, by rows"),
        # A variant is timed as its recipe, but not as other seeds of it.
        ("a", ["mine", "supcon"], "small", 10, 20.0, "supcon, small, 1 set, by rows"),
        # The median of 0.5, 0.7, 0.2 and 2.0.
        ("c", ["new"], "small", 10, 6.0, "any method, small, 2 sets, by rows"),
        ("c", ["finetune"], "large", 10, 40.0, "finetune, small, 2 sets, by rows and encoder"),
        ("c", ["new"], "large", 10, 48.0, "any method, small, 2 sets, by rows and encoder"),
        ("c", ["finetune"], "huge", 10, None, "unknown"),
    ],
)
def test_the_nearest_complete_cells_say_how_long(dataset, methods, encoder, rows, seconds, basis):
    found = estimate(dataset, methods, encoder, rows, KNOWN, COSTS)
    assert found.basis == basis
    assert found.seconds == (None if seconds is None else pytest.approx(seconds))


def test_nothing_is_known_without_complete_cells():
    assert estimate("a", ["finetune"], "small", 10, [], COSTS) == Estimate(None, "unknown")


def test_committed_records_have_times():
    rows = suite.TestRows("a", "h", "multiclass", 2, (), (), (), {"train": 30, "test": 10})
    run = suite.SuiteRun("r", "a", "finetune", "small", 1, "sound", "h", "c", 6.0)
    failed = suite.SuiteRun("", "a", "finetune", "small", 2, "sound", "", "", 0.0, error="RunError")
    other_data = suite.SuiteRun("r", "a", "finetune", "small", 3, "sound", "g", "c", 6.0)
    records = suite.SuiteRecords((rows,), (run, failed, other_data), ())
    assert timings_of(records) == [Timing("a", "finetune", "small", 30, 6.0)]


def test_the_time_that_was_spent_says_how_it_was_measured():
    def run(**more):
        return suite.SuiteRun("r", "a", "m", "e", 1, "sound", "h", "c", **more)

    nothing = suite.SuiteRecords((), (run(seconds=0.0, error="RunError"), run(seconds=0.0)), ())
    assert time_spent(nothing) == "none"
    both = suite.SuiteRecords((), (run(seconds=9.0, cpu_seconds=1800.0), run(seconds=5400.0)), ())
    assert time_spent(both) == "0.50 hours of the processor in 1 runs and 1.50 hours by the clock in 1 runs"
