"""``dnll train`` where a disk is full, files vanish, or what a run wrote is damaged."""

import json
import shutil
import subprocess
import sys
from functools import wraps
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.errors import FileNotWrittenError
from dnll_plugin.runs.records import read

FULL = Path("/dev/full")
COMMAND = ("train", "--c", str(Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"))
SHORT = (
    *("num_train_iter=6", "epoch=3", "num_eval_iter=3", "num_log_iter=2", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500"),
)


def train(folder: Path, resume: bool = False) -> int:
    place = ("--save_dir", str(folder), "--save_name", "run")
    return main([*COMMAND, *place, *["--resume"] * resume, "--set", *SHORT])


def result(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "run/result.json").read_text())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return torch.load(folder / "run/latest_model.pth", weights_only=True)["ema_model"]


def fail_to_write(path: Path, *args: Any) -> None:
    raise FileNotWrittenError(f"{path}: could not be written (No space left on device)")


def test_records_that_cannot_be_written_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.training import metrics

    append = metrics.append_text
    calls = []

    def append_later(path: Path, text: str) -> None:
        calls.append(text)
        (append if len(calls) > 2 else fail_to_write)(path, text)

    monkeypatch.setattr(metrics, "append_text", append_later)
    assert train(tmp_path) == 0
    assert capsys.readouterr().out.count("metrics.jsonl: could not be written") == 1
    assert [record["step"] for record in read(tmp_path / "run/metrics.jsonl")] == [2, 3, 4, 6]
    assert "error_rate" in result(tmp_path)


def test_a_picture_that_cannot_be_written_is_no_loss(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.training import run

    monkeypatch.setattr(run, "draw_curves", lambda _, picture: fail_to_write(picture))
    assert train(tmp_path) == 0
    assert "curves.png: could not be written" in capsys.readouterr().out
    assert "error_rate" in result(tmp_path)


def test_a_result_that_cannot_be_written_is_for_resume(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.runs import result as module

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_text", fail_to_write)
        assert train(tmp_path) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"dnll: error: {tmp_path}/run/result.json: could not be written")
    assert error.count("\n") == 1
    before = weights(tmp_path)
    assert train(tmp_path, resume=True) == 0
    assert "error_rate" in result(tmp_path)
    assert all((weights(tmp_path)[name] == value).all() for name, value in before.items())


def test_tensorboard_that_cannot_be_written_is_given_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.training import metrics

    class Full:
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            pass

        def add_scalar(self, *args: Any) -> None:
            raise OSError(28, "No space left on device")

        def close(self) -> None:
            raise AssertionError("it was given up")

    monkeypatch.setattr(metrics, "SummaryWriter", Full)
    assert train(tmp_path) == 0
    assert capsys.readouterr().out.count("tensorboard: could not be written (No space left") == 1


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_log_that_cannot_be_written_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run/log.txt").symlink_to(FULL)
    assert train(tmp_path) == 0
    error = capsys.readouterr().err
    assert error.count("log.txt: could not be written (No space left on device)") == 1
    assert "Traceback" not in error


@pytest.mark.skipif(not FULL.exists(), reason="there is no /dev/full")
def test_a_stdout_that_is_full_does_not_end_a_training(tmp_path: Path) -> None:
    place = ("--save_dir", str(tmp_path), "--save_name", "run")
    with FULL.open("w") as full:
        ended = subprocess.run(
            [sys.executable, "-m", "dnll_plugin", *COMMAND, *place, "--set", *SHORT],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert "error_rate" in result(tmp_path)
    assert "Traceback" not in ended.stderr
    said = [line for line in ended.stderr.splitlines() if line.startswith("dnll: ")]
    assert said == ["dnll: warning: stdout: No space left on device; the run goes on"]
    assert ended.returncode == 0


@pytest.mark.parametrize(
    "content", [None, b"", b"3\n", b"\xff\n", b'{"lr": 1}\n', b"[" * 50_000, b'{"step": NaN}\n']
)
def test_damaged_records_do_not_concern_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None
) -> None:
    """Also where the run goes on from its very last step."""
    assert train(tmp_path) == 0
    before = result(tmp_path)
    (tmp_path / "run/result.json").write_text("")  # a power cut
    metrics = tmp_path / "run/metrics.jsonl"
    metrics.unlink()
    if content is not None:
        metrics.write_bytes(content)
    capsys.readouterr()
    assert train(tmp_path, resume=True) == 0
    out = capsys.readouterr().out
    assert ("1 damaged lines were cut off" in out) == (content not in (None, b""))
    after = result(tmp_path)
    for rate in ("error_rate", "best_error_rate", "left_error_rate", "ensemble_error_rate"):
        assert after[rate] == before[rate]


def test_a_run_folder_that_vanishes_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from dnll_plugin.algorithms.dual import DNLLDual

    step = DNLLDual.train_step

    @wraps(step)
    def remove_and_step(self: Any, **batch: Any) -> Any:
        if self.it == 1:
            shutil.rmtree(tmp_path / "run")
        return step(self, **batch)

    monkeypatch.setattr(DNLLDual, "train_step", remove_and_step)
    assert train(tmp_path) == 1
    error = capsys.readouterr().err
    assert "model_best.pth: could not be written (No such file or directory)" in error
    assert error.count("\n") == 1
