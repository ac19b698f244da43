"""Which run comes next, and when all will be done."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.comparison.schedule import Pace, duration_in_words, time_left

SECONDS = st.lists(st.floats(0, 1e4), max_size=8)


def test_before_any_run_has_ended_the_planned_work_decides(make_run):
    runs = [replace(make_run(seed=seed), work=work) for seed, work in enumerate((3, 9, 5))]
    pace = Pace()
    assert pace.seconds(runs[0]) is None
    assert pace.choose_longest(runs) is runs[1]


def test_runs_are_judged_by_the_nearest_that_have_ended(make_run):
    def run(task, variant, work=1.0):
        return replace(make_run(), task=task, variant=variant, work=work)

    pace = Pace()
    pace.note(run("a", "x"), 10)
    pace.note(run("a", "y"), 30)
    assert pace.seconds(run("a", "x", 2)) == 20
    assert pace.seconds(run("a", "z")) == 20
    pace.note(run("b", "x"), 110)
    assert pace.seconds(run("c", "x")) == 50
    waiting = [run("a", "x", 3), run("b", "z", 1)]
    assert pace.choose_longest(waiting) is waiting[1]


@pytest.mark.parametrize(
    ("running", "waiting", "jobs", "left"),
    [
        ([], [], 2, 0),
        ([5], [], 2, 5),
        ([], [3, 2, 2], 2, 4),
        ([5, 1], [3], 2, 5),
        ([], [1, 2], 1, 3),
    ],
)
def test_the_time_left(running, waiting, jobs, left):
    assert time_left(running, waiting, jobs) == left


@given(SECONDS, SECONDS, st.integers(1, 9))
def test_the_time_left_is_between_a_fair_share_and_the_whole(running, waiting, jobs):
    left = time_left(running[:jobs], waiting, jobs)
    whole = sum(running[:jobs]) + sum(waiting)
    assert whole / jobs - 1e-6 <= left <= whole + 1e-6
    assert left >= max([*running[:jobs], *waiting], default=0)


@pytest.mark.parametrize(
    ("seconds", "words"), [(40, "40 s"), (720, "12 min"), (11_100, "3 h 05 min")]
)
def test_durations_in_words(seconds, words):
    assert duration_in_words(seconds) == words
