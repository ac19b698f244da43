"""Runs in processes of this machine: a few at a time, failures, signals, the lock. All stubs."""

import os
import signal
import subprocess
import sys
import time
from contextlib import ExitStack

import pytest

from dnll_plugin.comparison.folder import acquire_folder
from dnll_plugin.comparison.local import (
    LocalLauncher,
    build_command,
    build_environment,
    choose_device,
    read_devices,
)
from dnll_plugin.comparison.running import describe_failure, last_lines, run_all
from dnll_plugin.errors import InputError

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
    launcher = LocalLauncher(tmp_path / "logs", jobs, command=stub(FINISH))
    assert run_all(runs, launcher, watch, nothing) == []
    assert all(run.folder.is_finished() for run in runs)
    assert watch.most == jobs
    assert len(watch.told) == 6


def test_a_failed_run_is_reported_and_does_not_stop_the_others(make_run, tmp_path):
    runs = [make_run(seed=seed) for seed in range(2)]
    command = stub(lambda run: FAIL if run.seed == 0 else FINISH)
    launcher = LocalLauncher(tmp_path / "logs", 1, command=command)
    (failure,) = run_all(runs, launcher, Watch(), nothing)
    assert (failure.run, failure.reason) == (runs[0], "exit code 2")
    assert failure.last_lines == ("step 1", "dnll: error: no")
    assert runs[1].folder.is_finished()


def test_an_exit_without_a_result_is_a_failure(make_run, tmp_path):
    launcher = LocalLauncher(tmp_path / "logs", 1, command=stub("pass"))
    (failure,) = run_all([make_run()], launcher, Watch(), nothing)
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
        runs,
        LocalLauncher(logs, 2, command=stub(SAVE_ON_TERM)),
        watch,
        lambda: came[0] if came else None,
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
            [make_run()],
            LocalLauncher(log.parent, 1, command=stub(script)),
            Watch(fail_once_it_runs),
            nothing,
        )
    with pytest.raises(ProcessLookupError):
        os.kill(int(log.read_text()), 0)


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


def test_the_one_that_is_chosen_comes_next(make_run, tmp_path):
    runs = [make_run(seed=seed) for seed in range(3)]
    watch = Watch()
    run_all(
        runs,
        LocalLauncher(tmp_path / "logs", 1, command=stub(FINISH)),
        watch,
        nothing,
        lambda waiting: waiting[-1],
    )
    started = [name for event, name in watch.told if event == "started"]
    assert started == ["fixmatch_2", "fixmatch_1", "fixmatch_0"]


def test_runs_are_spread_over_the_devices_in_their_environment(make_run, tmp_path):
    runs = [make_run(seed=seed) for seed in range(4)]
    logs = tmp_path / "logs"

    def all_run():
        files = [logs / f"{run.name}.txt" for run in runs]
        return all(file.exists() and file.read_text() for file in files)

    # each waits until all have said which device they see, so that all run at a time
    tell = "import os, time; print(os.environ.get('CUDA_VISIBLE_DEVICES'), flush=True)\n"
    go = repr(str(tmp_path / "go"))
    wait = f"import pathlib\nwhile not pathlib.Path({go}).exists(): time.sleep(.01)\n"
    launcher = LocalLauncher(logs, 4, ("3", "GPU-5"), command=stub(tell + wait + FINISH))
    watch = Watch(lambda: all_run() and (tmp_path / "go").touch())
    assert run_all(runs, launcher, watch, nothing) == []
    seen = sorted((logs / f"{run.name}.txt").read_text().strip() for run in runs)
    assert seen == ["3", "3", "GPU-5", "GPU-5"]


def test_the_device_with_the_fewest_runs_is_next():
    assert choose_device(("0", "1"), ["0", "1", "0"]) == "1"
    assert choose_device(("0", "1"), []) == "0"
    assert choose_device((), [None, None]) is None


@pytest.mark.parametrize(
    ("words", "visible", "expected"),
    [
        (["cuda:0", "cuda:1"], None, ("0", "1")),
        (["0", "2"], "4,5,GPU-6", ("4", "GPU-6")),
        ([], "1", ()),
    ],
)
def test_devices_as_torch_counts_them_are_named_as_cuda_does(words, visible, expected):
    assert read_devices(words, visible) == expected


@pytest.mark.parametrize(
    ("words", "visible", "message"),
    [
        (["cpu"], None, "'cpu' is no GPU"),
        (["cuda:"], None, "'cuda:' is no GPU"),
        (["0", "cuda:0"], None, "cuda:0 stands there twice"),
        (["1"], "0", "1 is not there: CUDA_VISIBLE_DEVICES shows 1"),
    ],
)
def test_wrong_devices_are_refused(words, visible, message):
    with pytest.raises(InputError, match=message):
        read_devices(words, visible)


LAUNCHER = """
import pathlib, sys
from dnll_plugin.comparison.plan import Run
from dnll_plugin.comparison.local import LocalLauncher
from dnll_plugin.comparison.running import run_all
from dnll_plugin.runs.folder import RunFolder
from contextlib import ExitStack
from dnll_plugin.comparison.folder import acquire_folder

out, script = pathlib.Path(sys.argv[1]), sys.argv[2]
class Watch:
    def started(self, run): pass
    def ended(self, run, failure): pass
    def look(self): pass
with ExitStack() as held:
    lock = acquire_folder(out, held, print)
    run = Run("a", "a", 0, 1, RunFolder(out / "a_0"), ())
    command = lambda run: [sys.executable, "-c", script]
    run_all([run], LocalLauncher(out / "logs", 1, (), lock, command), Watch(), lambda: None)
"""

SAVE_SLOWLY = SAVE_ON_TERM.replace("print('saved'", "time.sleep(0.5); print('saved'")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells children of their parent")
def test_after_kill_9_of_the_launcher_its_run_saves_and_the_next_call_waits_for_it(tmp_path):
    log = tmp_path / "logs" / "a_0.txt"
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, str(tmp_path), SAVE_SLOWLY])
    wait_for(lambda: log.exists() and "ready" in log.read_text())
    with (
        pytest.raises(InputError, match="a comparison is still going on there"),
        ExitStack() as held,
    ):
        acquire_folder(tmp_path, held, print)
    launcher.kill()
    launcher.wait()
    said = []
    with ExitStack() as held:
        acquire_folder(tmp_path, held, said.append)
        # only now, and not before, nobody works there
        assert log.read_text().split() == ["ready", "saved"]
    assert said == ["an earlier call was killed: waiting until its runs have saved and ended"]


def wait_for(condition):
    for _ in range(3000):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came")
