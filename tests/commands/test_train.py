"""``dnll train`` as a user runs it: what it writes, how it goes on, what it refuses."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch

from dnll_plugin.commands.main import main

CONFIGS = Path(__file__).parents[2] / "config"
DIGITS = CONFIGS / "dnll_digits_20.yaml"
SHORT = [
    "num_train_iter=6",
    "epoch=3",
    "num_eval_iter=3",
    "num_log_iter=2",
    "batch_size=10",
    "uratio=1",
    "img_size=8",
    "eval_batch_size=500",
]
OPEN_SET = ("num_classes=6", "num_labels=24", "ood_classes=4", "ulb_ood=0.3")
RUN_FILES = {
    "config.yaml",
    "log.txt",
    "metrics.jsonl",
    "tensorboard",
    "latest_model.pth",
    "model_best.pth",
    "curves.png",
    "result.json",
}
RESULT_KEYS = {
    "algorithm",
    "dataset",
    "num_labels",
    "seed",
    "iterations",
    "error_rate",
    "best_error_rate",
    "seconds",
    "device",
    "peak_memory_mb",
    "versions",
}


def train(folder: Path, *changes: str, config: Path = DIGITS, resume: bool = False) -> int:
    arguments = ["train", "--c", str(config), "--save_dir", str(folder), "--save_name", "run"]
    return main([*arguments, *["--resume"] * resume, "--set", *SHORT, *changes])


def result(folder: Path) -> dict:
    return json.loads((folder / "run" / "result.json").read_text())


def records(folder: Path) -> list[dict]:
    return [json.loads(line) for line in (folder / "run/metrics.jsonl").open()]


def weights(folder: Path, name: str = "latest_model.pth") -> dict[str, torch.Tensor]:
    state = torch.load(folder / "run" / name, weights_only=True)
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema_model"].items()}}


def digits_targets() -> np.ndarray:
    from dnll_plugin.datasets.digits import load

    return load("")[0].targets


@pytest.mark.parametrize("algorithm", ["dnll_dual", "dnll_meanteacher"])
def test_run_writes_its_files(tmp_path: Path, algorithm: str) -> None:
    assert train(tmp_path, f"algorithm={algorithm}") == 0
    assert {path.name for path in (tmp_path / "run").iterdir()} >= RUN_FILES
    found = result(tmp_path)
    assert found.keys() >= RESULT_KEYS
    singles = {
        "dnll_dual": ["left_error_rate", "right_error_rate"],
        "dnll_meanteacher": ["error_rate"],
    }[algorithm]
    mean = sum(found[name] for name in singles) / len(singles)
    assert found["error_rate"] == pytest.approx(mean)
    assert ("ensemble_error_rate" in found) == (algorithm == "dnll_dual")
    assert ("student_error_rate" in found) == (algorithm == "dnll_meanteacher")
    found = records(tmp_path)
    assert [record["step"] for record in found] == [2, 3, 4, 6]
    used = ("util_ratio", "negative_ratio", "negative_acc", "agreement")
    assert {f"train/{name}" for name in used} <= found[0].keys()


@pytest.mark.parametrize("algorithm", ["fixmatch", "dnll_fixmatch", "dnll_dual", "iomatch"])
def test_strangers_are_a_share_of_the_unlabeled_images(tmp_path: Path, algorithm: str) -> None:
    assert train(tmp_path, f"algorithm={algorithm}", *OPEN_SET) == 0
    split = np.load(tmp_path / "run/split.npz")
    targets = digits_targets()
    assert set(targets[split["labeled"]]) == set(range(6))
    assert (targets[split["unlabeled"]] >= 6).mean() == pytest.approx(0.3, abs=1e-3)
    record = json.loads((tmp_path / "run/metrics.jsonl").read_text().splitlines()[0])
    kinds = ("util_ratio_inlier", "util_ratio_outlier")
    if algorithm.startswith("dnll"):
        kinds += ("negative_ratio_inlier", "negative_ratio_outlier")
    assert all(0 <= record[f"train/{kind}"] <= 1 for kind in kinds)


def test_finished_run_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert train(tmp_path, resume=True) == 0
    assert train(tmp_path) == 2
    assert "holds a run" in capsys.readouterr().err
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


def test_a_run_that_fails_before_its_first_step_does_not_keep_its_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.algorithms.dual import DNLLDual

    def fail(self: DNLLDual, **batch: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(DNLLDual, "train_step", fail)
        assert train(tmp_path) == 1
    assert "MemoryError" in capsys.readouterr().err
    assert train(tmp_path, "batch_size=5") == 0
    assert "batch_size: 5  # command line" in (tmp_path / "run/config.yaml").read_text()


def test_wandb_without_a_login_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))  # where a login would be
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    for name in ("WANDB_API_KEY", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)
    assert train(tmp_path, "use_wandb=true") == 2
    error = capsys.readouterr().err.splitlines()
    assert error[-1].startswith("dnll: error: use_wandb: ")
    assert "WANDB_MODE=offline" in error[-1]
    assert train(tmp_path) == 0


def test_lines_into_a_pipe_are_short_and_the_file_has_all(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, "algorithm=fixmatch") == 0  # whose notes list every key of ours
    assert train(tmp_path / "dual") == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 120
    assert "agreement" in (tmp_path / "dual/run/log.txt").read_text()


def test_checkpoint_is_the_toolboxs(tmp_path: Path) -> None:
    assert train(tmp_path) == 0
    state = torch.load(tmp_path / "run/latest_model.pth", weights_only=True)
    assert {"model", "ema_model", "optimizer", "loss_scaler", "it", "best_it"} <= state.keys()
    from semilearn.core.utils import get_net_builder

    net = get_net_builder("dual_cnn3", False)(num_classes=10)
    net.load_state_dict(state["ema_model"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (["num_labels=5000"], ["num_labels"]),
        (["dataset=mnist"], ["MNIST", "train-images-idx3-ubyte"]),
        (["dataset=cifar10"], ["cifar-10-batches-py", "data_batch_1"]),
        (["num_classes=7", "num_labels=21"], ["num_classes"]),
    ],
)
def test_wrong_data_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: list[str], words: list[str]
) -> None:
    assert train(tmp_path, *changes, f"data_dir={tmp_path}/data") == 2
    error = capsys.readouterr().err
    assert error.startswith("dnll: error: ")
    assert error.count("\n") == 1
    assert all(word in error for word in words)
    assert not (tmp_path / "run/config.yaml").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device")
def test_cuda_without_one_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert train(tmp_path, "device=cuda") == 2
    assert "device: cuda" in capsys.readouterr().err


def test_a_wrong_number_of_processes_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "abc")
    assert train(tmp_path) == 2
    assert capsys.readouterr().err.startswith("dnll: error: WORLD_SIZE")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tmp_path.chmod(0o500)
    assert train(tmp_path) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_file_in_place_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").write_text("mine")
    assert train(tmp_path) == 2
    assert "cannot be written" in capsys.readouterr().err
    assert (tmp_path / "run").read_text() == "mine"


@pytest.mark.parametrize("algorithm", ["dnll_dual", "fixmatch"])
def test_bad_numbers_end_the_run_and_spoil_no_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], algorithm: str
) -> None:
    assert train(tmp_path, f"algorithm={algorithm}", "lr=1e30") == 1
    error = capsys.readouterr().err
    assert "not finite at step" in error
    assert "lower lr" in error
    assert error.count("\n") == 1
    assert "no checkpoint was written" in error
    assert not (tmp_path / "run/latest_model.pth").exists()


def test_bad_numbers_name_the_step_and_the_last_good_checkpoint(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.algorithms.dual import DNLLDual

    original = DNLLDual.weights

    def weights(self: DNLLDual) -> dict[str, float]:
        return {**original(self), **({"consistency": float("nan")} if self.it == 4 else {})}

    monkeypatch.setattr(DNLLDual, "weights", weights)
    assert train(tmp_path, "num_log_iter=100") == 1
    error = capsys.readouterr().err
    assert "not finite at step 5: loss; the last good checkpoint is " in error
    assert "latest_model.pth, of step 3; lower lr" in error
    assert error.count("\n") == 1


@contextmanager
def process_of(folder: Path, *changes: str) -> Iterator[subprocess.Popen[str]]:
    """``dnll train`` in a process group of its own, with processes that load data."""
    command = [
        *(sys.executable, "-m", "dnll_plugin", "train", "--c", str(DIGITS), "--resume"),
        *("--save_dir", str(folder), "--save_name", "run"),
        *("--set", *SHORT, "num_workers=1", *changes),
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_second_one_is_refused_and_a_signal_saves(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], number: signal.Signals
) -> None:
    changes = ["num_train_iter=2000", "epoch=1000", "num_eval_iter=1000", "num_log_iter=1"]
    with process_of(tmp_path, *changes) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line.startswith("step"):
                break
        assert train(tmp_path, *changes, "num_workers=1", resume=True) == 2
        assert "a run is still going on there" in capsys.readouterr().err
        os.killpg(process.pid, number)  # as SLURM or a terminal does: to its loaders too
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 128 + number
    assert "Traceback" not in error
    state = torch.load(tmp_path / "run/latest_model.pth", weights_only=True)
    lines = (tmp_path / "run/metrics.jsonl").read_text().splitlines()
    assert len(lines) == state["it"]
    assert not (tmp_path / "run/result.json").exists()


def test_a_finished_run_ends_its_loaders(tmp_path: Path) -> None:
    with process_of(tmp_path) as process:
        error = process.communicate(timeout=60)[1]
    assert process.returncode == 0
    assert "Traceback" not in error
    assert (tmp_path / "run/result.json").exists()
