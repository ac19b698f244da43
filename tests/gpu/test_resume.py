"""A resumed run on the device equals an uninterrupted one, bit for bit."""

from pathlib import Path

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.runs.folder import LATEST, PREVIOUS

pytestmark = pytest.mark.gpu

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = (
    *("num_train_iter=6", "epoch=3", "num_eval_iter=3", "num_log_iter=2", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500"),
)


def train(folder: Path, device: torch.device, *changes: str, resume: bool = False) -> int:
    place = ["--save_dir", str(folder), "--save_name", "run"]
    words = [f"device={device.type}", *SHORT, *changes]
    return main(["train", "--c", str(DIGITS), *place, *["--resume"] * resume, "--set", *words])


def read_weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / LATEST, weights_only=True, map_location="cpu")
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema_model"].items()}}


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("dnll_dual", []),
        ("dnll_dual", ["roles=alternate", "data_on=device"]),
        ("dnll_dual", ["amp=true", "channels_last=true"]),
        ("dnll_meanteacher", ["negative_source=teacher"]),
        ("dnll_flexmatch", ["data_on=device"]),
        ("dnll_fixmatch", ["negative_weight=0"]),
        ("fixmatch", ["amp=true"]),
    ],
)
def test_a_resumed_run_is_the_same(
    tmp_path: Path, device: torch.device, algorithm: str, changes: list[str]
) -> None:
    changes = [f"algorithm={algorithm}", *changes]
    assert train(tmp_path, device, *changes) == 0
    run = tmp_path / "run"
    whole, metrics = read_weights(run), (run / "metrics.jsonl").read_text()
    (run / PREVIOUS).replace(run / LATEST)  # as if killed after the checkpoint before the last
    (run / "result.json").unlink()
    assert train(tmp_path, device, *changes, resume=True) == 0
    assert all(torch.equal(tensor, whole[name]) for name, tensor in read_weights(run).items())
    assert (run / "metrics.jsonl").read_text() == metrics
