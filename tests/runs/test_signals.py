"""Signals that end a run: the first is honoured, the second answered, the third ends it at once."""

import os
import pty
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dnll_plugin.runs.signals import ENDING, record_signals

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
LONG = [
    *("num_train_iter=50000", "epoch=5", "num_eval_iter=10000", "num_log_iter=1", "net=cnn3"),
    *("batch_size=4", "uratio=1", "img_size=8", "use_tensorboard=false"),
]


def raise_signal(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", ENDING)
def test_the_first_is_noted_and_handlers_are_put_back(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in ENDING]
    with record_signals() as interruption:
        assert interruption() is None
        raise_signal(number)
        assert interruption() == number
    assert [signal.getsignal(each) for each in ENDING] == before


@pytest.mark.parametrize("second", ENDING)
def test_only_a_third_gives_up(second: int, capfd: pytest.CaptureFixture[str]) -> None:
    with record_signals() as interruption:
        raise_signal(signal.SIGTERM)
        assert capfd.readouterr().err == ""
        raise_signal(second)
        assert re.fullmatch("dnll: still saving.*\n", capfd.readouterr().err)
        with pytest.raises(KeyboardInterrupt):
            raise_signal(signal.SIGINT)
        assert interruption() == signal.SIGTERM


def test_one_of_several_processes_never_gives_up(capfd: pytest.CaptureFixture[str]) -> None:
    with record_signals(processes=2) as interruption:
        for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM, signal.SIGINT):
            raise_signal(number)
        assert interruption() == signal.SIGINT
    assert capfd.readouterr().err == ""


def test_what_is_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with record_signals() as interruption:
            raise_signal(signal.SIGHUP)
            assert interruption() is None
        assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN
    finally:
        signal.signal(signal.SIGHUP, before)


def command(folder: Path) -> list[str]:
    run = ["-m", "dnll_plugin", "train", "--c", str(DIGITS), "--save_dir", str(folder)]
    return [sys.executable, *run, "--save_name", "run", "--set", *LONG]


def check_saved(folder: Path) -> None:
    state = torch.load(folder / "run" / "latest_model.pth", weights_only=True)
    lines = (folder / "run" / "metrics.jsonl").read_text().splitlines()
    assert len(lines) == state["it"] > 0


@pytest.mark.slow
def test_two_signals_at_once_save(tmp_path: Path) -> None:
    process = subprocess.Popen(
        command(tmp_path), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    next(line for line in process.stdout if line.startswith("step"))
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode in (143, 130)  # which one Python hears of first is not said
    assert "Traceback" not in error
    check_saved(tmp_path)


@pytest.mark.slow
def test_a_closed_terminal_saves(tmp_path: Path) -> None:
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, command(tmp_path))
    seen = b""
    while not re.search(rb"total_loss", seen):
        seen += os.read(terminal, 4096)
    os.close(terminal)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 129
    check_saved(tmp_path)
    assert "SIGHUP: saved at step" in (tmp_path / "run" / "log.txt").read_text()
