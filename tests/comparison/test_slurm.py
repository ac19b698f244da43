"""Runs as jobs, by submitit's executor for one machine; the runs are stubs. See tests/slurm too."""

import json
import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from dnll_plugin.comparison.running import run_all
from dnll_plugin.comparison.slurm import SlurmLauncher, SlurmQueue, is_alive, name_jobs
from dnll_plugin.errors import InputError, RunError

submitit = pytest.importorskip("submitit")

FINISH = (
    "import pathlib, sys; p = pathlib.Path(sys.argv[1]); p.parent.mkdir(parents=True)\n"
    """p.write_text('{"error_rate": 1}')"""
)
FAIL = "import sys; print('dnll: error: no'); sys.exit(2)"
WAIT = "import os, time; print(os.getppid(), flush=True)\nwhile True: time.sleep(0.01)\n"
# saves at the signal, as a run does, and finishes the second time
TWICE = (
    "import os, pathlib, signal, sys, time\n"
    "p = pathlib.Path(sys.argv[1])\n"
    "if p.parent.exists():\n"
    """    p.write_text('{"error_rate": 1}'); sys.exit()\n"""
    "p.parent.mkdir(parents=True)\n"
    "signal.signal(signal.SIGUSR1, lambda *_: sys.exit(138))\n"
    "print(os.getppid(), flush=True)\n"
    "while True: time.sleep(0.01)\n"
)


class Processes:
    """The queue of submitit's executor for one machine, whose jobs are processes."""

    def __init__(self, record):
        self.record = record
        self.cancelled = []

    def read_states(self):
        known = json.loads(self.record.read_text()) if self.record.exists() else {}
        jobs = [entry["job"] for entry in known.values()]
        return {job: "RUNNING" for job in jobs if is_at_work(int(job))}

    def cancel(self, jobs):
        self.cancelled += jobs
        for job in jobs:
            os.kill(int(job), signal.SIGINT)


def is_at_work(process):
    with suppress(ChildProcessError):
        os.waitpid(process, os.WNOHANG)  # a child that has ended is there until it is waited for
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class Watch:
    """Writes down what it is told; ``look`` is called all the time."""

    def __init__(self, look=lambda: None):
        self.told = []
        self.look = look

    def started(self, run):
        self.told.append(("started", run.name))

    def ended(self, run, failure):
        self.told.append(("ended", run.name))


@pytest.fixture
def launch(tmp_path, monkeypatch):
    """Makes a launcher whose runs are scripts that are given the path of ``result.json``."""
    monkeypatch.setenv("SUBMITIT_PREEMPT_SIGNAL", "USR1")

    def make(script, cancels=False):
        executor = submitit.LocalExecutor(tmp_path / "slurm")
        executor.update_parameters(timeout_min=5)
        command = lambda run: [sys.executable, "-c", script, str(run.folder.result)]  # noqa: E731
        queue = Processes(tmp_path / "slurm" / "jobs.json")
        said = []
        launcher = SlurmLauncher(
            *(executor, queue, tmp_path / "logs", said.append, cancels), 0.0, command
        )
        return launcher, queue, said

    return make


def nothing():
    return None


def read_word(log):
    """What a run printed, once it did; it is then at work."""
    return log.read_text().strip() if log.exists() else ""


def test_every_run_is_a_job_and_its_failure_is_told_as_elsewhere(make_run, launch, tmp_path):
    runs = [make_run(seed=seed) for seed in range(2)]
    watch = Watch()
    assert run_all(runs, launch(FINISH)[0], watch, nothing) == []
    assert all(run.folder.is_finished() for run in runs)
    assert watch.told.index(("started", "fixmatch_0")) < watch.told.index(("ended", "fixmatch_0"))
    (failure,) = run_all([make_run("uda")], launch(FAIL)[0], Watch(), nothing)
    assert (failure.reason, failure.last_lines) == ("exit code 2", ("dnll: error: no",))


def test_at_the_signal_a_run_saves_and_its_job_comes_again(make_run, launch, tmp_path):
    run = make_run()
    log = tmp_path / "logs" / "fixmatch_0.txt"
    sent = []

    def send_once():
        if read_word(log) and not sent:
            sent.append(os.kill(int(read_word(log)), signal.SIGUSR1))

    launcher, _, _ = launch(TWICE)
    assert run_all([run], launcher, Watch(send_once), nothing) == []
    assert sent
    assert run.folder.is_finished()


def test_a_run_that_dies_at_the_signal_does_not_come_again(make_run, launch, tmp_path):
    log = tmp_path / "logs" / "fixmatch_0.txt"
    sent = []

    def send_once():
        if read_word(log) and not sent:
            sent.append(os.kill(int(read_word(log)), signal.SIGUSR1))

    launcher, _, _ = launch(WAIT)
    (failure,) = run_all([make_run()], launcher, Watch(send_once), nothing)
    assert failure.reason.startswith("SLURM's job ")
    assert "checkpoint function returned None" in " ".join(failure.last_lines)


def test_a_signal_leaves_the_jobs_and_the_next_call_takes_them_over(make_run, launch, tmp_path):
    runs = [make_run(seed=seed) for seed in range(2)]
    log = tmp_path / "logs" / "fixmatch_1.txt"
    script = (
        "import pathlib, time; print('ready', flush=True)\n"
        f"while not pathlib.Path({str(tmp_path / 'go')!r}).exists(): time.sleep(0.01)\n{FINISH}"
    )
    launcher, queue, said = launch(script)
    interruption = lambda: signal.SIGINT if read_word(log) else None  # noqa: E731
    assert run_all(runs, launcher, Watch(), interruption) == []
    assert said[-1] == "2 runs stay in SLURM's queue and go on"
    assert queue.cancelled == []

    launcher, queue, said = launch(script)
    assert run_all(runs, launcher, Watch((tmp_path / "go").touch), nothing) == []
    assert all(run.folder.is_finished() for run in runs)
    assert said == ["2 runs are in SLURM's queue since an earlier call"]


def test_by_choice_a_signal_cancels_the_jobs_and_waits_for_their_end(make_run, launch, tmp_path):
    log = tmp_path / "logs" / "fixmatch_0.txt"
    launcher, queue, _ = launch(WAIT, cancels=True)
    interruption = lambda: signal.SIGINT if read_word(log) else None  # noqa: E731
    (failure,) = run_all([make_run()], launcher, Watch(), interruption)
    assert len(queue.cancelled) == 1
    assert not is_at_work(int(queue.cancelled[0]))
    assert failure.reason.startswith("SLURM's job ")


def test_a_job_with_other_options_ends_before_the_run_is_handed_over_again(
    make_run, launch, tmp_path
):
    log = tmp_path / "logs" / "fixmatch_0.txt"
    interruption = lambda: signal.SIGINT if read_word(log) else None  # noqa: E731
    run_all([make_run()], launch(WAIT)[0], Watch(), interruption)
    launcher, queue, said = launch(FINISH)
    assert run_all([make_run()], launcher, Watch(), nothing) == []
    assert len(queue.cancelled) == 1
    assert len(said) == 1


def test_a_queue_that_does_not_answer_ends_no_run(make_run, launch):
    launcher, queue, _ = launch(FINISH)
    answer, asked = queue.read_states, []

    def answer_later():
        asked.append(None)
        if len(asked) in (2, 3):
            raise RunError("squeue failed: no contact")
        return answer()

    queue.read_states = answer_later
    assert run_all([make_run()], launcher, Watch(), nothing) == []


def test_what_sbatch_refuses_is_one_line(make_run, launch, monkeypatch):
    launcher, _, _ = launch(FINISH)

    def refuse(functions):
        raise submitit.core.utils.FailedJobError("sbatch: error: a\nsbatch: error: b")

    monkeypatch.setattr(launcher.executor, "submit_array", refuse)
    with pytest.raises(InputError, match=r"^--slurm: sbatch: error: a sbatch: error: b$"):
        run_all([make_run()], launcher, Watch(), nothing)


@pytest.mark.parametrize(
    ("state", "alive"),
    [
        ("PENDING", True),
        ("RUNNING", True),
        ("COMPLETING", True),
        ("CANCELLED", False),
        (None, False),
    ],
)
def test_which_jobs_are_waited_for(state, alive):
    assert is_alive(state) is alive


def test_squeue_is_read_and_its_failure_is_one_line(monkeypatch, tmp_path):
    squeue = tmp_path / "squeue"
    squeue.write_text("#!/bin/sh\necho '12_0 RUNNING'; echo '13 PENDING'\n")
    squeue.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert SlurmQueue("dnll").read_states() == {"12_0": "RUNNING", "13": "PENDING"}
    squeue.write_text("#!/bin/sh\necho 'no contact' >&2; exit 1\n")
    with pytest.raises(RunError, match="squeue failed: no contact"):
        SlurmQueue("dnll").read_states()


def test_each_comparison_has_a_name_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert name_jobs(Path("a")) == name_jobs(tmp_path / "a")
    assert name_jobs(Path("a")) != name_jobs(Path("b"))


def test_a_job_has_as_many_threads_as_cores_unless_the_user_said():
    from dnll_plugin.comparison.slurm_job import build_job_environment

    assert build_job_environment({"SLURM_CPUS_ON_NODE": "4"})["OMP_NUM_THREADS"] == "4"
    told = {"SLURM_CPUS_ON_NODE": "4", "OMP_NUM_THREADS": "1"}
    assert build_job_environment(told)["OMP_NUM_THREADS"] == "1"
    assert build_job_environment({}) == {}
