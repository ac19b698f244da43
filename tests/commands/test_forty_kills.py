"""Commands that are killed again and again, by turns, leave only what the next call finishes."""

import csv
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dnll_plugin.commands.main import main

from .test_exact_resume import find_difference, read_run

ROOT = Path(__file__).parents[2]
DIGITS = ROOT / "config" / "dnll_digits_20.yaml"
KILLS = 40
TINY = [
    *("num_train_iter=400", "epoch=20", "num_eval_iter=20", "num_log_iter=10", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "use_tensorboard=false"),
]
IMAGES = 300
CALLS_LAST_SECONDS = 12.0
"""The longest time after which a call is killed, about what a whole one takes."""


def make_images(folder: Path) -> None:
    folder.mkdir()
    noise = np.random.RandomState(0).randint(0, 256, (IMAGES, 8, 8), dtype=np.uint8)
    for number, image in enumerate(noise):
        Image.fromarray(image).save(folder / f"{number:03}.png")


def list_commands(folder: Path, checkout: Path) -> dict[str, list[str]]:
    """The commands by name, each as its user calls it again."""
    dnll = [sys.executable, "-m", "dnll_plugin"]
    train = ["train", "--c", str(DIGITS), "--resume", "--save_dir", str(folder)]
    compare = ["compare", "--c", str(DIGITS), "--algorithms", "fixmatch", "dnll_fixmatch"]
    predict = ["predict", "--run", str(folder / "trained"), "--images", str(folder / "images")]
    return {
        "train": [*dnll, *train, "--save_name", "killed", "--set", *TINY],
        "compare": [
            *(*dnll, *compare, "--seeds", "0", "--out", str(folder / "compared"), "--jobs", "2"),
            *("--set", *TINY),
        ],
        "predict": [*dnll, *predict, "--out", str(folder / "killed.csv"), "--overwrite"],
        "register": [sys.executable, str(ROOT / "register.py"), "--toolbox", str(checkout)],
        "remove": [
            *(sys.executable, str(ROOT / "register.py"), "--toolbox", str(checkout), "--remove"),
        ],
    }


def call(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr


def kill_later(command: list[str], seconds: float, number: signal.Signals, log: Path) -> str:
    """Calls a command, and signals it unless it ends before; returns what it complains of.

    What it started may live on, for a while, beside the next call.
    """
    with log.open("w") as complaints:
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=complaints)
    try:
        assert process.wait(timeout=seconds) == 0, log.read_text()
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        process.wait(timeout=600)
    return log.read_text()


def files(folder: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file()
    }


@pytest.mark.slow
def test_forty_kills_by_turns(
    tmp_path: Path, stand_in: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = files(stand_in)
    make_images(tmp_path / "images")
    train = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name"]
    assert main([*train, "trained", "--set", *TINY]) == 0
    commands = list_commands(tmp_path, stand_in)
    numbers = random.Random(0)
    for turn in range(KILLS):
        name = list(commands)[turn % len(commands)]
        quick = name in ("register", "remove")
        seconds = numbers.uniform(0.0, 0.3 if quick else CALLS_LAST_SECONDS)
        number = numbers.choice([signal.SIGKILL, signal.SIGTERM])
        error = kill_later(commands[name], seconds, number, tmp_path / "complaints")
        with capfd.disabled():
            print(
                f"{turn + 1}: {name}, {number.name} after {seconds:.2f} s: {error.strip()}",
                flush=True,
            )
        assert "Traceback" not in error

    for command in commands.values():
        call(command)
    check_training(tmp_path)
    check_comparison(tmp_path / "compared")
    check_prediction(tmp_path, commands["predict"])
    assert files(stand_in) == before
    call(commands["register"])
    assert "dnll_plugin" in (stand_in / "semilearn" / "__init__.py").read_text()


def check_training(folder: Path) -> None:
    whole, killed = (read_run(folder / name) for name in ("trained", "killed"))
    assert find_difference(whole, killed, "run") is None


def check_comparison(folder: Path) -> None:
    results = sorted(folder.rglob("result.json"))
    assert [json.loads(file.read_text())["iterations"] for file in results] == [400, 400]
    states = [torch.load(file.parent / "latest_model.pth", weights_only=True) for file in results]
    assert [state["it"] for state in states] == [400, 400]


def check_prediction(folder: Path, command: list[str]) -> None:
    killed = (folder / "killed.csv").read_bytes()
    call([*command[: command.index("--out")], "--out", str(folder / "whole.csv")])
    assert killed == (folder / "whole.csv").read_bytes()
    assert len(list(csv.reader((folder / "whole.csv").read_text().splitlines()))) == IMAGES + 1
    assert not [name for name in os.listdir(folder) if name.endswith((".tmp", ".part"))]
