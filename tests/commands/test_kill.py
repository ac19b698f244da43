"""A run that is killed again and again ends as if nothing had happened."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest
import torch

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
KILLS = 20
INTERVAL = 10  # steps from checkpoint to checkpoint
SETTINGS = [
    *("num_train_iter=600", "epoch=30", f"num_eval_iter={INTERVAL}", "num_log_iter=2"),
    *("batch_size=10", "uratio=1", "img_size=8", "eval_batch_size=500"),
]
TIMINGS = {"seconds", "peak_memory_mb"}


def start(folder: Path, name: str) -> subprocess.Popen[bytes]:
    command = [
        *(sys.executable, "-m", "dnll_plugin", "train", "--c", str(DIGITS), "--resume"),
        *("--save_dir", str(folder), "--save_name", name, "--set", *SETTINGS),
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def finish(process: subprocess.Popen[bytes]) -> None:
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def inode(file: Path) -> int:
    return file.stat().st_ino if file.exists() else 0


def kill_after(process: subprocess.Popen[bytes], metrics: Path, new_lines: int) -> None:
    """Kills a process once it has written so many lines, not counting those it took over."""
    before, taken_over = inode(metrics), None
    while True:
        try:
            process.wait(0.001)
        except subprocess.TimeoutExpired:
            pass
        else:
            raise AssertionError(f"the run ended before it was killed: {process.communicate()[1]}")
        if taken_over is None and inode(metrics) != before:  # it dropped what no checkpoint holds
            taken_over = len(lines(metrics))
        if taken_over is not None and len(lines(metrics)) >= taken_over + new_lines:
            break
    process.kill()
    process.communicate()


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    finish(start(tmp_path, "whole"))
    numbers = random.Random(0)
    for _ in range(KILLS):
        kill_after(start(tmp_path, "killed"), killed / "metrics.jsonl", numbers.randint(1, 12))
        steps = [json.loads(line)["step"] for line in lines(killed / "metrics.jsonl")[:-1]]
        latest = killed / "latest_model.pth"
        saved = torch.load(latest, weights_only=True)["it"] if latest.exists() else 0
        assert max(steps, default=0) - saved <= INTERVAL
    finish(start(tmp_path, "killed"))

    states = [torch.load(run / "latest_model.pth", weights_only=True) for run in (whole, killed)]
    for kind in ("model", "ema_model"):
        first, second = (state[kind] for state in states)
        assert all(torch.equal(first[name], second[name]) for name in first)
    assert lines(whole / "metrics.jsonl") == lines(killed / "metrics.jsonl")
    first, second = (json.loads((run / "result.json").read_text()) for run in (whole, killed))
    assert {k: v for k, v in first.items() if k not in TIMINGS} == {
        k: v for k, v in second.items() if k not in TIMINGS
    }
