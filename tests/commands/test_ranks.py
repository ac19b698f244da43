"""``dnll train`` in several processes: the same weights as in one, all end together, resume."""

import json
import os
import runpy
import shutil
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, find_base

SCRIPT = Path(__file__).with_name("in_ranks.py")
DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
COMMON = [
    *("num_train_iter=20", "epoch=2", "num_eval_iter=10", "num_log_iter=5"),
    *("uratio=2", "img_size=8", "eval_batch_size=500", "use_tensorboard=false"),
]
GLOBAL_BATCH = 8
OPEN_SET = ("ood_classes=2", "num_classes=8", "num_labels=16", "ulb_ood=0.1")
STRONG = ("ulb_views=weak_strong", "p_cutoff=0.3", "negative_sampling=below_average")
RUNS = {
    "mutual": ["algorithm=dnll_dual", "net=tiny"],
    "alternate": [
        *("algorithm=dnll_dual", "net=tiny", "roles=alternate", "use_cat=false"),
        *("lb_views=2", "ulb_views=weak_strong", "pseudo_labels=false"),
    ],
    "teacher": ["algorithm=dnll_meanteacher", "net=tiny"],
    "pseudo_labels": ["algorithm=dnll_dual", "net=tiny", *STRONG],
    "pseudo_labels_of_teacher": ["algorithm=dnll_meanteacher", "net=tiny", *STRONG],
    "fixmatch": ["algorithm=fixmatch", "net=tiny", "p_cutoff=0.15"],
    "flexmatch": ["algorithm=dnll_flexmatch", "net=tiny", "p_cutoff=0.15"],
    "negatives": ["algorithm=dnll_fixmatch", "net=tiny", "p_cutoff=0.95"],
    "beyond": ["algorithm=dnll_fixmatch", "net=tiny", "negative_sampling=beyond_top_k"],
    "shrinkmatch": ["algorithm=shrinkmatch", "net=tiny", "p_cutoff=0.15", "ema_p=0.5"],
    "fullflex": ["algorithm=fullflex", "net=tiny", "p_cutoff=0.4"],
    "iomatch": [
        *("algorithm=iomatch", "net=tiny", "p_cutoff=0.15", "q_cutoff=0.1", "alignment_steps=4"),
        *OPEN_SET,
    ],
    "openmatch": ["algorithm=openmatch", "net=tiny", "start_fix=1", *OPEN_SET],
}
WITH_ALL = ["net=cnn3", "algorithm=dnll_dual"]
"""A net with batch norm, dropout and input noise."""

RESUMED = {
    "": WITH_ALL,
    "_device": [*WITH_ALL, "data_on=device"],
    "_chosen": ["net=cnn3", "algorithm=openmatch", "start_fix=0", "num_eval_iter=7", *OPEN_SET],
}
"""By what ends their names, the runs ``whole`` and ``resumed``."""


def arguments(folder: Path, name: str, batch_size: int, changes: list[str]) -> list[str]:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", name]
    return [*command, "--set", *COMMON, f"batch_size={batch_size}", *changes]


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_ranks(command: list[str], port: int, number: int = 2) -> list[subprocess.Popen[str]]:
    launched = {"WORLD_SIZE": str(number), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env={**os.environ, **launched, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(number)
    ]


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "latest_model.pth", weights_only=True)
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema_model"].items()}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run folders of two ranks: those of `RUNS` and of `RESUMED`."""
    folder = tmp_path_factory.mktemp("ranks")
    half = GLOBAL_BATCH // 2
    jobs = [arguments(folder, name, half, changes) for name, changes in RUNS.items()]
    for end, changes in RESUMED.items():
        resumed = arguments(folder, f"resumed{end}", half, changes)
        jobs += [arguments(folder, f"whole{end}", half, changes), resumed]
        jobs += [["go back", str(folder / f"resumed{end}")], [*resumed, "--resume"]]
    jobs.append(arguments(folder, "wrong", half, ["dataset=mnist", f"data_dir={folder}"]))
    ports = free_ports(len(jobs))
    command = [str(SCRIPT), json.dumps(list(zip(ports, jobs, strict=True)))]
    processes = start_ranks(command, ports[0])
    outputs = [process.communicate(timeout=600) for process in processes]
    for rank, (process, (out, err)) in enumerate(zip(processes, outputs, strict=True)):
        (folder / f"out_{rank}").write_text(out)
        (folder / f"err_{rank}").write_text(err)
        assert process.returncode == (0 if rank == 0 else 2), err
    return folder


@pytest.mark.parametrize("name", RUNS)
def test_two_ranks_learn_what_one_does(folder: Path, tmp_path: Path, name: str) -> None:
    script = runpy.run_path(str(SCRIPT))
    with script["rows_that_depend_on_nothing_else"]():
        assert main(arguments(tmp_path, name, GLOBAL_BATCH, RUNS[name])) == 0
    one, two = weights(tmp_path / name), weights(folder / name)
    assert one.keys() == two.keys()
    difference = {key: (one[key] - two[key]).abs().max().item() for key in one}
    assert max(difference.values()) < 1e-5
    moved = torch.load(tmp_path / name / "previous_model.pth", weights_only=True)["model"]
    assert any((one[key] - moved[key]).abs().max() > 1e-3 for key in moved)


@pytest.mark.parametrize("end", RESUMED)
def test_resumed_ranks_equal_uninterrupted_ones(folder: Path, end: str) -> None:
    whole, resumed = folder / f"whole{end}", folder / f"resumed{end}"
    expected, got = weights(whole), weights(resumed)
    assert all(torch.equal(expected[key], got[key]) for key in expected)
    assert (whole / "metrics.jsonl").read_text() == (resumed / "metrics.jsonl").read_text()


def test_another_number_of_processes_is_refused(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(folder / "whole", tmp_path / "whole")
    runpy.run_path(str(SCRIPT))["go_back"](tmp_path / "whole")
    command = arguments(tmp_path, "whole", GLOBAL_BATCH // 2, WITH_ALL)
    assert main([*command, "--resume"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("dnll: error: ")
    assert "world_size is 2" in error
    assert error.count("\n") == 1


def test_rank_0_speaks_for_all(folder: Path) -> None:
    error = (folder / "err_0").read_text()
    assert error.count("dnll: error: ") == 1
    assert "MNIST" in error
    assert "dnll: error" not in (folder / "err_1").read_text()
    assert "step" not in (folder / "out_1").read_text()


def test_one_process_reads_the_files_of_ranks(folder: Path) -> None:
    result = json.loads((folder / "whole" / "result.json").read_text())
    assert (result["iterations"], result["world_size"]) == (20, 2)


def long_run(folder: Path, *options: str) -> list[str]:
    command = arguments(folder, "long", 4, [*WITH_ALL, "num_train_iter=5000", "num_log_iter=1"])
    return ["-m", "dnll_plugin", *command, *options]


def wait_for_steps(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("step"):
            return


@pytest.mark.slow
def test_a_signal_to_one_rank_saves_once_and_ends_all(tmp_path: Path) -> None:
    first, second = start_ranks(long_run(tmp_path), free_ports(1)[0])
    wait_for_steps(first)
    second.send_signal(signal.SIGUSR1)
    for process in (first, second):
        process.communicate(timeout=60)
        assert process.returncode == 138
    state = torch.load(tmp_path / "long/latest_model.pth", weights_only=True)
    lines = (tmp_path / "long/metrics.jsonl").read_text().splitlines()
    assert len(lines) == state["it"]


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_rank_ends_the_others(tmp_path: Path, victim: int) -> None:
    processes = start_ranks(long_run(tmp_path), free_ports(1)[0])
    wait_for_steps(processes[0])
    processes[victim].kill()
    survivor = processes[1 - victim]
    _, error = survivor.communicate(timeout=60)
    assert survivor.returncode == 1
    assert "another process of the run ended" in error
    processes[victim].communicate()


TEXT_ONLY = {"multimatch"}
EIGHT_STEPS = [
    *("num_train_iter=8", "num_eval_iter=4", "uratio=1", "net=cnn3", "num_labels=20"),
]
OWN_KEYS = {
    "dash": ["num_wu_iter=2", "num_wu_eval_iter=1"],
    "crmatch": ["net=wrn_28_2", "img_size=32"],  # all that the toolbox's knows
    "iomatch": [*OPEN_SET],
    "openmatch": [*OPEN_SET, "epoch=4", "start_fix=1"],
}


def describe_resumed(folder: Path, algorithm: str) -> str:
    """What came of an algorithm that was killed and went on."""
    runs = [folder / f"{kind}_{algorithm}" for kind in ("whole", "killed")]
    if not all((run / "result.json").is_file() for run in runs):
        return "failed"
    first, second = (weights(run) for run in runs)
    same = all(torch.equal(first[key], second[key]) for key in first)
    lines = [(run / "metrics.jsonl").read_text() for run in runs]
    return "exact" if same and lines[0] == lines[1] else "other numbers"


@pytest.mark.slow
def test_every_algorithm_in_two_ranks_is_killed_and_goes_on_exactly(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    algorithms = sorted(algorithm_arguments().keys() - TEXT_ONLY)
    jobs = []
    for algorithm in algorithms:
        changes = [*EIGHT_STEPS, f"algorithm={algorithm}", *OWN_KEYS.get(find_base(algorithm), [])]
        whole, killed = (
            arguments(tmp_path, f"{kind}_{algorithm}", 4, changes) for kind in ("whole", "killed")
        )
        go_back = ["go back", str(tmp_path / f"killed_{algorithm}")]
        jobs += [whole, killed, go_back, [*killed, "--resume"]]
    ports = free_ports(len(jobs))
    (tmp_path / "jobs.json").write_text(json.dumps(list(zip(ports, jobs, strict=True))))
    processes = start_ranks([str(SCRIPT), str(tmp_path / "jobs.json")], ports[0])
    with ThreadPoolExecutor() as readers:  # of both at once: neither may wait for a full pipe
        outputs = readers.map(lambda process: process.communicate(timeout=3000), processes)
        errors = [error for _, error in outputs]
    outcomes = {algorithm: describe_resumed(tmp_path, algorithm) for algorithm in algorithms}
    with capfd.disabled():
        print("\n\n| algorithm | two processes, killed and resumed |\n| --- | --- |")
        for algorithm, outcome in outcomes.items():
            print(f"| {algorithm} | {outcome} |")
    assert set(outcomes.values()) == {"exact"}, errors[0]
