"""``dnll train --resume`` with a checkpoint that the toolbox's ``train.py`` wrote."""

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnll_plugin.commands.main import main

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = [
    *("num_train_iter=6", "epoch=3", "num_eval_iter=3", "num_log_iter=2"),
    *("batch_size=10", "uratio=1", "img_size=8", "eval_batch_size=500"),
]


def train(folder: Path, *changes: str, resume: bool = False) -> int:
    arguments = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", "run"]
    return main([*arguments, *["--resume"] * resume, "--set", *SHORT, *changes])


@pytest.fixture
def toolbox_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of a run of two steps whose checkpoint the toolbox's own code wrote."""
    from dnll_plugin.training.saving import Interrupted, SavingHook

    def save(hook: SavingHook, algorithm: Any) -> None:
        if algorithm.it == 1:
            algorithm.best_eval_acc = np.float64(0.25)
            algorithm.save_model("latest_model.pth", str(tmp_path / "run"))
            raise Interrupted(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(SavingHook, "after_train_step", save)
        assert train(tmp_path, "algorithm=flexmatch") == 143
    for name in ("config.yaml", "metrics.jsonl"):
        (tmp_path / "run" / name).unlink()
    return tmp_path


@pytest.mark.parametrize("prefix", ["", "module."])
def test_checkpoint_of_the_toolbox_goes_on(
    toolbox_run: Path, capsys: pytest.CaptureFixture[str], prefix: str
) -> None:
    path = toolbox_run / "run/latest_model.pth"
    state = torch.load(path, weights_only=False)
    for name in ("model", "ema_model"):
        state[name] = {f"{prefix}{key}": value for key, value in state[name].items()}
    torch.save(state, path)
    assert train(toolbox_run, "algorithm=flexmatch", resume=True) == 0
    out = " ".join(capsys.readouterr().out.split())
    assert "going on from step 2 (latest_model.pth) not exactly" in out
    records = [json.loads(line) for line in (toolbox_run / "run/metrics.jsonl").open()]
    assert [record["step"] for record in records] == [3, 4, 6]
    assert json.loads((toolbox_run / "run/result.json").read_text())["iterations"] == 6


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        (["algorithm=flexmatch", "net=cnn13"], "another net or other classes than cnn13"),
        (["algorithm=freematch"], "holds no 'p_model'"),
        (["algorithm=flexmatch", "num_train_iter=2", "epoch=1"], "larger num_train_iter"),
    ],
)
def test_checkpoint_of_the_toolbox_that_does_not_fit_is_refused(
    toolbox_run: Path, capsys: pytest.CaptureFixture[str], changes: list[str], named: str
) -> None:
    assert train(toolbox_run, *changes, resume=True) == 2
    error = capsys.readouterr().err
    assert error.startswith("dnll: error: ")
    assert named in error
    assert "latest_model.pth" in error
    assert error.count("\n") == 1
