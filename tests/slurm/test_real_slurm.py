"""``dnll compare --launcher slurm``, and the script of docs/scaling.md, on a real SLURM.

Skipped where Debian's ``slurm-wlm`` and ``munge`` are missing.
"""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

pytest.importorskip("submitit")
PATH = f"{os.environ['PATH']}:/usr/sbin:/usr/local/sbin"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("slurmctld", path=PATH), reason="no SLURM is installed"),
]

ROOT = Path(__file__).parents[2]
PYTHONPATH = f"{ROOT}:{os.environ.get('PYTHONPATH', '')}"
TINY = (
    *("num_train_iter=60", "epoch=2", "num_eval_iter=20", "num_log_iter=10", "batch_size=10"),
    *("img_size=8", "uratio=1", "num_workers=0"),
)


@pytest.fixture(scope="module")
def cluster():
    # not pytest's folder, whose path is too long for a socket
    script = Path(__file__).with_name("cluster.py")
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, script, folder], stdout=subprocess.PIPE, text=True
        )
        said = process.stdout.readline()
        assert said.startswith("export SLURM_CONF="), Path(folder, "slurmctld.log").read_text()
        conf = said.strip().partition("=")[2]
        yield {**os.environ, "SLURM_CONF": conf, "PYTHONPATH": PYTHONPATH, "OMP_NUM_THREADS": "1"}
        process.terminate()
        assert process.wait() == 0


def build_command(out, *options, algorithms=("supervised", "fixmatch", "dnll_dual"), seeds=4):
    return [
        *(sys.executable, "-m", "dnll_plugin", "compare", "--c", "dnll_digits_20"),
        *("--algorithms", *algorithms, "--seeds", *map(str, range(seeds))),
        *("--out", str(out), *options, "--set", *TINY),
    ]


SLURM = ("--launcher", "slurm", "--slurm", "time=10", "ntasks=1")


def read_errors(out):
    with (out / "results.csv").open() as file:
        return {(row["algorithm"], row["seed"]): row["error_rate"] for row in csv.DictReader(file)}


def read_job(out, run):
    record = out / "slurm" / "jobs.json"
    return json.loads(record.read_text())[run]["job"] if record.exists() else None


def wait_for(condition):
    for _ in range(6000):
        if found := condition():
            return found
        time.sleep(0.1)
    raise AssertionError("it never came")


def ask(command, environment):
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def begin_again(job, environment):
    """Has SLURM begin a job that is queued again now, not after its two minutes."""
    wait_for(lambda: ask(["squeue", "-h", "-j", job, "-o", "%T"], environment) == "PENDING")
    ask(["scontrol", "update", f"JobId={job}", "StartTime=now"], environment)


def run(command, environment):
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def test_twelve_runs_have_the_same_errors_whatever_is_killed(cluster, tmp_path):
    local, out = tmp_path / "local", tmp_path / "slurm"
    assert run(build_command(local, "--jobs", "2"), cluster).returncode == 0

    launcher = subprocess.Popen(
        build_command(out, *SLURM), env=cluster, stdout=subprocess.PIPE, text=True
    )
    victim = wait_for(lambda: read_job(out, "dnll_dual_0"))
    wait_for(lambda: (out / "runs" / "dnll_dual_0" / "metrics.jsonl").exists())
    subprocess.run(["scancel", victim], env=cluster, check=True)
    launcher.kill()
    launcher.communicate()

    second = run(build_command(out, *SLURM), cluster)
    assert "runs are in SLURM's queue since an earlier call" in second.stdout, second.stderr
    third = run(build_command(out, *SLURM), cluster)
    assert third.returncode == 0, second.stdout + third.stdout + third.stderr
    assert len(read_errors(out)) == 12
    assert read_errors(out) == read_errors(local)
    # each run was begun once, and the cancelled one went on from its checkpoint
    logs = {file.stem: file.read_text() for file in (out / "logs").glob("*.txt")}
    assert len(logs) == 12
    assert all("still going on" not in text for text in logs.values())


def test_a_cancelled_run_is_a_failure_that_the_next_call_mends(cluster, tmp_path):
    command = build_command(tmp_path, *SLURM, algorithms=["dnll_dual"], seeds=2)
    launcher = subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "runs" / "dnll_dual_1" / "metrics.jsonl"
    wait_for(metrics.exists)
    subprocess.run(["scancel", read_job(tmp_path, "dnll_dual_1")], env=cluster, check=True)
    told, _ = launcher.communicate()
    assert launcher.returncode == 1
    assert "dnll_dual_1 failed, ended by SIGTERM" in told
    assert (tmp_path / "runs" / "dnll_dual_1" / "latest_model.pth").exists()
    assert run(command, cluster).returncode == 0


def test_at_slurms_signal_a_run_is_queued_again_and_goes_on(cluster, tmp_path):
    command = build_command(tmp_path, *SLURM, algorithms=["dnll_dual"], seeds=1)
    launcher = subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, text=True)
    metrics = tmp_path / "runs" / "dnll_dual_0" / "metrics.jsonl"
    wait_for(metrics.exists)
    job = read_job(tmp_path, "dnll_dual_0")
    subprocess.run(["scancel", "--signal=USR1", job], env=cluster, check=True)
    begin_again(job, cluster)
    told, _ = launcher.communicate()
    assert launcher.returncode == 0, told
    log = (tmp_path / "logs" / "dnll_dual_0.txt").read_text()
    assert re.search("resum|goes on|continu", log, re.IGNORECASE), log


@pytest.mark.parametrize("choice", ["leave", "cancel"])
def test_ctrl_c_leaves_or_cancels_the_jobs(cluster, tmp_path, choice):
    slurm = (*SLURM, "--on_interrupt", choice)
    command = build_command(tmp_path, *slurm, algorithms=["dnll_dual"], seeds=1)
    launcher = subprocess.Popen(command, env=cluster, stdout=subprocess.PIPE, text=True)
    wait_for((tmp_path / "runs" / "dnll_dual_0" / "metrics.jsonl").exists)
    job = read_job(tmp_path, "dnll_dual_0")
    launcher.send_signal(signal.SIGINT)
    told, _ = launcher.communicate()
    assert launcher.returncode == 130, told
    states = ask(["squeue", "-h", "-j", job, "--states=all", "-o", "%T"], cluster)
    assert states in ({"RUNNING", "COMPLETED"} if choice == "leave" else {"CANCELLED", "COMPLETED"})
    assert run(command, cluster).returncode == 0


def test_what_sbatch_refuses_is_one_line(cluster, tmp_path):
    slurm = (*SLURM, "--slurm", "partition=none")
    done = run(build_command(tmp_path, *slurm, algorithms=["uda"], seeds=1), cluster)
    assert done.returncode == 2
    assert done.stderr.startswith("dnll: error: --slurm: sbatch: error: invalid partition")
    assert len(done.stderr.splitlines()) == 1


def test_the_script_of_the_docs_saves_at_the_signal_and_is_queued_again(cluster, tmp_path):
    page = (ROOT / "docs" / "scaling.md").read_text()
    script = next(
        block for block in re.findall(r"```bash\n(.*?)```", page, re.DOTALL) if "srun" in block
    )
    header = (
        "#SBATCH --nodes=1 --ntasks-per-node=2 --cpus-per-task=1\n"
        f"#SBATCH --output={tmp_path}/output.txt\n"
        "#SBATCH --time=00:30:00 --signal"
    )
    script, number = re.subn(r"#SBATCH --nodes=2.*--signal", header, script, flags=re.DOTALL)
    assert number == 1
    steps = next(word for word in TINY if word.startswith("num_train_iter"))
    words = " ".join(("device=cpu", *TINY)).replace(steps, "num_train_iter=3000")
    changed = script.replace("python -m", f"{sys.executable} -m").replace(
        "--c config/dnll_cifar10_40.yaml --save_dir runs --resume",
        f"--c dnll_digits_20 --save_dir {tmp_path} --save_name run --resume --set {words}",
    )
    assert changed.count(str(tmp_path)) == 2
    file = tmp_path / "job.sh"
    file.write_text(changed)
    job = ask(["sbatch", "--parsable", str(file)], cluster)
    metrics = tmp_path / "run" / "metrics.jsonl"
    wait_for(metrics.exists)
    ask(["scancel", "--signal=USR1", job], cluster)
    begin_again(job, cluster)
    begun = len(metrics.read_text().splitlines())
    wait_for(lambda: len(metrics.read_text().splitlines()) > begun)
    ask(["scancel", job], cluster)
    steps = [json.loads(line)["step"] for line in metrics.read_text().splitlines()]
    assert steps == sorted(set(steps))  # it went on, and did not begin anew
