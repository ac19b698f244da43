"""The display of the runs' progress: lines, table, and what is read of ``metrics.jsonl``."""

import io
import json

import pytest
from rich.console import Console

from dnll_plugin.comparison import progress as progress_module
from dnll_plugin.comparison.progress import Display, progress
from dnll_plugin.comparison.running import Failure
from dnll_plugin.comparison.schedule import Pace


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=100)


def test_progress_is_the_last_step_and_the_last_error(tmp_path):
    file = tmp_path / "metrics.jsonl"
    assert progress(file) == (0, None)
    records = [{"step": 5}, {"step": 10, "eval/top-1-acc": 0.75}, {"step": 15}]
    file.write_text("".join(json.dumps(record) + "\n" for record in records) + '{"step": 2')
    assert progress(file) == (15, 25.0)


def test_only_the_end_of_a_long_file_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(progress_module, "TAIL_BYTES", 50)
    file = tmp_path / "metrics.jsonl"
    file.write_text("".join(f'{{"step": {step}}}\n' for step in range(1000)))
    assert progress(file) == (999, None)


def test_without_a_terminal_events_are_lines(console, make_run, finished):
    kept, run, failing = finished("fixmatch", 0, [10]), make_run(seed=1), make_run(seed=2)
    with Display([kept, run, failing], console, Pace(), 1) as display:
        display.started(run)
        finished("fixmatch", 1, [30, 20])
        display.ended(run, None)
        display.started(failing)
        display.ended(failing, Failure(failing, "exit code 1", ()))
    assert console.file.getvalue().splitlines() == [
        "fixmatch_0: finished already, kept",
        "fixmatch_1: started",
        "fixmatch_1: finished, step 10/10, error 20.00%",
        "fixmatch_2: started",
        "fixmatch_2: exit code 1, step 0/10",
    ]


def test_without_a_terminal_a_line_now_and_then_tells_of_the_runs_in_progress(
    console, make_run, monkeypatch
):
    monkeypatch.setattr(progress_module, "LINE_SECONDS", -1)
    run, waiting = make_run(seed=0), make_run(seed=1)
    with Display([run, waiting], console, Pace(), 1) as display:
        display.started(run)
        display.look()
    assert console.file.getvalue().splitlines()[1:] == [
        "fixmatch_0: step 0/10",
        "0 of 2 runs finished",
    ]


def test_on_a_terminal_there_is_a_line_a_run(finished, make_run):
    console = Console(file=io.StringIO(), width=100, force_terminal=True, color_system=None)
    with Display(
        [finished("fixmatch", 0, [30, 20]), make_run(seed=1)], console, Pace(), 1
    ) as display:
        console.print(display.table())
    text = console.file.getvalue()
    kept, waiting = (
        next(line for line in text.splitlines() if name in line)
        for name in ("fixmatch_0", "fixmatch_1")
    )
    assert "10/10  20.00%  kept" in kept
    assert "0/10" in waiting
    assert waiting.rstrip().endswith("waiting")
