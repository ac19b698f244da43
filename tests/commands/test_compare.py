"""``dnll compare``: its options, its exit codes, and one real comparison."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from dnll_plugin.commands import compare, launchers
from dnll_plugin.commands.main import main
from dnll_plugin.comparison.local import LocalLauncher
from dnll_plugin.comparison.plan import Plan, Run
from dnll_plugin.comparison.variants import list_variants
from dnll_plugin.runs.folder import RunFolder

CONFIG = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"


@pytest.mark.parametrize(
    ("asked", "algorithms", "chosen"),
    [
        (None, ("dnll_dual", "fixmatch", "uda"), "fixmatch"),
        (None, ("shrinkmatch", "fixmatch"), "fixmatch"),
        (None, ("dnll_dual", "lc_meanteacher"), "dnll_dual"),
        ("uda", ("dnll_dual", "fixmatch", "uda"), "uda"),
    ],
)
def test_the_baseline_is_the_one_asked_for_or_the_first_of_the_toolbox(asked, algorithms, chosen):
    assert compare.choose_baseline(asked, list_variants(algorithms, [])) == chosen


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--algorithms", "uda", "uda"], "--algorithms: uda stands there twice"),
        (["--seeds", "3", "3"], "--seeds: 3 stands there twice"),
        (["--seeds", "-1"], "--seeds: must not be negative"),
        (["--jobs", "0"], "--jobs: must be at least 1"),
        (["--c", "a/x.yaml", "b/x.yaml"], "--c: a/x.yaml and b/x.yaml have one name; rename one"),
        (["--devices", "cpu"], "--devices: 'cpu' is no GPU; write cuda:0 cuda:1, or 0 1"),
        (["--devices", "0", "0"], "--devices: 0 stands there twice"),
        (["--slurm", "time=1"], "--slurm: goes with --launcher slurm"),
        (["--on_interrupt", "leave"], "--on_interrupt: goes with --launcher slurm"),
        (["--launcher", "slurm", "--slurm", "gpus=1"], "--slurm: give time, such as time=04:00:00"),
        (["--launcher", "slurm", "--slurm", "array=3"], "--slurm: array is chosen by dnll compare"),
        (["--launcher", "slurm", "--slurm", "=3"], "--slurm: '=3' is no option"),
        (
            ["--launcher", "slurm", "--slurm", "time=1", "--devices", "0"],
            "--devices: SLURM chooses the GPUs",
        ),
        (["--variant", "sharp"], "--variant 'sharp': write NAME:key=value"),
        (["--baseline", "fixmatch"], "--baseline: 'fixmatch' is none of --algorithms"),
        (["--out", "/dev/null/x"], "/dev/null/x: cannot be written"),
    ],
)
def test_wrong_options_are_one_line(capsys, tmp_path, options, message):
    command = ["compare", "--c", str(CONFIG), "--algorithms", "uda", "--seeds", "0"]
    assert main([*command, "--out", str(tmp_path), *options]) == 2
    assert capsys.readouterr().err.startswith(f"dnll: error: {message}")


@pytest.mark.parametrize("name", ["results.csv", "report.html", "ranks.png", "negatives.png"])
def test_a_report_does_not_replace_files_of_the_user(capsys, tmp_path, name):
    (tmp_path / name).write_text("mine")
    command = ["compare", "--c", str(CONFIG), "--algorithms", "uda", "--seeds", "0"]
    assert main([*command, "--out", str(tmp_path)]) == 2
    assert f"holds {name}, which is not of a comparison" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_missing_config_is_told_before_anything_is_made(capsys, tmp_path):
    out, gone = tmp_path / "out", tmp_path / "gone.yaml"
    command = ["compare", "--c", str(CONFIG), str(gone), "--algorithms", "uda", "--seeds", "0"]
    assert main([*command, "--out", str(out)]) == 2
    assert capsys.readouterr().err.startswith(f"dnll: error: {gone}: no such file")
    assert not out.exists()


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("submitit", "--launcher slurm: needs the package submitit; pip install"),
        ("sbatch", "--launcher slurm: there is no sbatch here"),
    ],
)
def test_what_slurm_needs_is_told_where_it_is_missing(
    monkeypatch, capsys, tmp_path, missing, message
):
    if missing == "submitit":
        monkeypatch.setitem(sys.modules, "submitit", None)
    else:
        pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", "")
    command = ["compare", "--c", str(CONFIG), "--algorithms", "uda", "--seeds", "0"]
    slurm = ["--launcher", "slurm", "--slurm", "time=1"]
    assert main([*command, "--out", str(tmp_path / "out"), *slurm]) == 2
    assert capsys.readouterr().err.startswith(f"dnll: error: {message}")
    assert not (tmp_path / "out").exists()


def test_options_of_sbatch_are_read_as_sbatch_writes_them():
    words = ["partition=gpu", "--time=1:00", "cpus_per_task=4", "exclusive"]
    assert launchers.read_slurm_options(words) == {
        **{"requeue": True, "partition": "gpu", "time": "1:00"},
        **{"cpus-per-task": "4", "exclusive": True},
    }


@pytest.fixture
def planned(monkeypatch, tmp_path):
    """A comparison whose two runs are planned without the toolbox, and run by the test's code."""
    runs = tuple(
        Run("fixmatch", "fixmatch", seed, 1, RunFolder(tmp_path / "runs" / f"fixmatch_{seed}"), ())
        for seed in range(2)
    )
    plan = Plan(runs, {"dataset": "digits", "num_labels": 20}, {"fixmatch": {}})
    monkeypatch.setattr(compare, "plan_in_child", lambda requests: [plan])

    def start(script):
        command = lambda run: [sys.executable, "-c", script, str(run.folder.path)]  # noqa: E731
        launcher = partial(LocalLauncher, command=command)
        monkeypatch.setattr(launchers, "LocalLauncher", launcher)
        options = ["--algorithms", "fixmatch", "--seeds", "0", "1", "--out", str(tmp_path)]
        return main(["compare", "--c", str(CONFIG), *options])

    return start


RESULT = {
    **{"error_rate": 9.0, "best_error_rate": 9.0, "seconds": 1.0, "iterations": 1},
    **{"device": "cpu", "versions": {}},
}
FINISH = f"""
import json, pathlib, sys
folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True)
(folder / "config.yaml").write_text("dataset: digits\\nnum_labels: 20\\n")
(folder / "metrics.jsonl").write_text(json.dumps({{"step": 1, "eval/top-1-acc": 0.91}}) + "\\n")
(folder / "result.json").write_text(json.dumps({RESULT!r}))
"""
FAIL_SECOND = FINISH + "\nif folder.name.endswith('1'): (folder / 'result.json').unlink(); 1 / 0"


def test_a_failed_run_is_told_and_the_second_call_does_only_what_is_missing(
    planned, tmp_path, capsys
):
    assert planned(FAIL_SECOND) == 1
    told = capsys.readouterr().out
    assert "fixmatch_1 failed, exit code 1; its last lines:" in told
    assert "ZeroDivisionError" in told
    assert "ZeroDivisionError" in (tmp_path / "report.md").read_text()
    assert planned(FINISH.replace("mkdir(parents=True)", "mkdir(exist_ok=True)")) == 0
    assert "fixmatch_0: finished already, kept" in capsys.readouterr().out
    for name in ("report.md", "report.html", "results.csv", "curves.png"):
        assert (tmp_path / name).stat().st_size > 0
    assert "2 of 2 runs are finished." in (tmp_path / "report.md").read_text()


def test_a_signal_ends_the_runs_and_gives_its_code(planned, tmp_path, capsys):
    stop_parent = "import os, signal, time; os.kill(os.getppid(), signal.SIGINT); time.sleep(600)"
    assert planned(stop_parent) == 130
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "report.md").exists()


def test_the_waiting_process_imports_neither_torch_nor_the_toolbox():
    script = (
        "import sys\n"
        "import dnll_plugin.commands.compare\n"
        "assert not {'torch', 'semilearn', 'matplotlib'} & set(sys.modules), 'too much'\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_a_real_comparison_of_two_algorithms_with_two_seeds(tmp_path):
    settings = ["num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=1", "batch_size=10"]
    command = [
        *(sys.executable, "-m", "dnll_plugin", "compare", "--c", str(CONFIG), "--jobs", "2"),
        *("--algorithms", "dnll_dual", "supervised", "--seeds", "0", "1", "--out", str(tmp_path)),
        *("--set", *settings, "img_size=8", "uratio=1"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr
    results = sorted((tmp_path / "runs").glob("*/result.json"))
    assert len(results) == 4
    assert {json.loads(file.read_text())["iterations"] for file in results} == {4}
    text = (tmp_path / "report.md").read_text()
    assert "Checked: all of these runs had the same shared settings" in text
    before = [file.stat().st_mtime_ns for file in results]
    assert subprocess.run(command, capture_output=True).returncode == 0
    assert [file.stat().st_mtime_ns for file in results] == before
    changed = subprocess.run([*command, "lr=0.5"], capture_output=True, text=True)
    assert changed.returncode == 2
    assert changed.stderr.splitlines()[-1].startswith("dnll: error: lr: the run in ")


@pytest.mark.slow
def test_a_real_comparison_over_two_tasks_that_grows(tmp_path):
    """Adding an algorithm to a finished comparison runs that algorithm, and nothing twice."""
    configs = []
    for labels in (20, 40):
        config = tmp_path / f"digits_{labels}.yaml"
        lines = CONFIG.read_text().splitlines()
        kept = [line for line in lines if not line.startswith(("num_labels", "save_name"))]
        config.write_text("\n".join([*kept, f"num_labels: {labels}", ""]))
        configs.append(str(config))
    settings = ["num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=1", "batch_size=10"]

    def compare(*algorithms):
        command = [
            *(sys.executable, "-m", "dnll_plugin", "compare", "--c", *configs, "--jobs", "2"),
            *("--algorithms", *algorithms, "--variant", "sharp:algorithm=fixmatch,p_cutoff=0.8"),
            *("--seeds", "0", "1", "--out", str(tmp_path / "out")),
            *("--set", *settings, "img_size=8", "uratio=1", "data_on=device"),
        ]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return sorted((tmp_path / "out").glob("*/runs/*/result.json"))

    first = compare("fixmatch")
    assert len(first) == 8
    before = {file: file.stat().st_mtime_ns for file in first}
    assert len(compare("fixmatch", "dnll_fixmatch")) == 12
    assert {file: file.stat().st_mtime_ns for file in first} == before
    out = tmp_path / "out"
    for name in ("report.html", "ranks.png", "error_over_time.png", "results.json"):
        assert (out / name).stat().st_size > 0
    over_tasks = json.loads((out / "results.json").read_text())["over_tasks"]
    assert {model["name"] for model in over_tasks["models"]} == {
        *("fixmatch", "dnll_fixmatch", "sharp")
    }
    assert all(model["ece"] is not None for model in over_tasks["models"])
