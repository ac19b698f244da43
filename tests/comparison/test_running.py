"""Running children: a few at a time, failures, signals, the lock. The children are stubs."""

import os
import signal
import sys
import time

import pytest

from dnll_plugin.comparison.running import (
    build_command,
    build_environment,
    describe_failure,
    last_lines,
    run_all,
)

WRITE_RESULT = "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True); "
FINISH = WRITE_RESULT + """p.write_text('{"error_rate": 1}')"""
FAIL = "import sys; print('step 1'); print(); print('dnll: error: no'); sys.exit(2)"
SAVE_ON_TERM = (
    "import signal, sys, time\n"
    "def save(*_):\n"
    "    print('saved', flush=True); sys.exit(143)\n"
    "signal.signal(signal.SIGTERM, save)\n"
    "print('ready', flush=True)\n"
    "while True: time.sleep(0.01)\n"
)


class Watch:
    """Writes down what it is told; ``during`` is called all the time."""

    def __init__(self, during=lambda: None):
        self.told = []
        self.running = self.most = 0
        self.look = during

    def started(self, run):
        self.told.append(("started", run.name))
        self.running += 1
        self.most = max(self.most, self.running)

    def ended(self, run, failure):
        self.told.append(("ended", run.name))
        self.running -= 1


def stub(script):
    """The command of a run: a script that is given the path of ``result.json``."""
    scripts = script if callable(script) else lambda run: script
    return lambda run: [sys.executable, "-c", scripts(run), str(run.folder.result)]


def nothing():
    return None


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_run_is_run_and_no_more_than_jobs_at_a_time(make_run, tmp_path, jobs):
    runs = [make_run(seed=seed) for seed in range(3)]
    watch = Watch()
    assert run_all(runs, jobs, tmp_path / "logs", watch, nothing, command=stub(FINISH)) == []
    assert all(run.folder.is_finished() for run in runs)
    assert watch.most == jobs
    assert len(watch.told) == 6


def test_a_failed_run_is_reported_and_does_not_stop_the_others(make_run, tmp_path):
    runs = [make_run(seed=seed) for seed in range(2)]
    command = stub(lambda run: FAIL if run.seed == 0 else FINISH)
    (failure,) = run_all(runs, 1, tmp_path / "logs", Watch(), nothing, command=command)
    assert (failure.run, failure.reason) == (runs[0], "exit code 2")
    assert failure.last_lines == ("step 1", "dnll: error: no")
    assert runs[1].folder.is_finished()


def test_an_exit_without_a_result_is_a_failure(make_run, tmp_path):
    (failure,) = run_all([make_run()], 1, tmp_path / "logs", Watch(), nothing, command=stub("pass"))
    assert failure.reason == "exit code 0, but no result"


def test_after_a_signal_children_are_asked_once_to_save_and_none_is_started(make_run, tmp_path):
    runs = [make_run(seed=seed) for seed in range(3)]
    logs = tmp_path / "logs"
    came = []

    def interrupt_when_ready():
        files = [logs / f"{run.name}.txt" for run in runs[:2]]
        if all(file.exists() and "ready" in file.read_text() for file in files):
            came.append(signal.SIGINT)

    watch = Watch(interrupt_when_ready)
    failures = run_all(
        runs, 2, logs, watch, lambda: came[0] if came else None, command=stub(SAVE_ON_TERM)
    )
    assert [failure.reason for failure in failures] == ["ended by SIGTERM"] * 2
    assert [failure.last_lines for failure in failures] == [("ready", "saved")] * 2
    assert ("started", runs[2].name) not in watch.told


def test_no_child_outlives_an_error_of_this_process(make_run, tmp_path):
    log = tmp_path / "logs" / "fixmatch_0.txt"
    script = "import os, time; print(os.getpid(), flush=True); time.sleep(600)"

    def fail_once_it_runs():
        if log.read_text().strip():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(
            [make_run()], 1, log.parent, Watch(fail_once_it_runs), nothing, command=stub(script)
        )
    assert has_ended(int(log.read_text()))


def has_ended(process):
    """Waits for the end of a process that was told to end."""
    for _ in range(500):
        if os.waitpid(process, os.WNOHANG)[0] == process:
            return True
        time.sleep(0.01)
    return False


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (-9, "killed by SIGKILL"),
        (143, "ended by SIGTERM"),
        (1, "exit code 1"),
        (255, "exit code 255"),
    ],
)
def test_how_a_process_ended_in_words(make_run, tmp_path, code, reason):
    log = tmp_path / "log.txt"
    log.touch()
    assert describe_failure(make_run(), code, log).reason == reason


def test_the_last_lines_of_a_long_file(tmp_path):
    log = tmp_path / "log.txt"
    log.write_bytes("é\n".encode() * 20_000 + b"\xff the end\n\n")
    assert last_lines(log, 2) == ("é", "� the end")


def test_cores_are_shared_unless_the_user_says_how(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert build_environment({}, 3) == {"OMP_NUM_THREADS": "2"}
    assert build_environment({}, 20) == {"OMP_NUM_THREADS": "1"}
    assert build_environment({"OMP_NUM_THREADS": "5"}, 3) == {"OMP_NUM_THREADS": "5"}


def test_a_run_is_started_by_this_python(make_run):
    assert build_command(make_run())[:4] == [sys.executable, "-m", "dnll_plugin", "train"]
