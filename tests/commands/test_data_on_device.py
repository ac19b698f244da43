"""``dnll train`` with ``data_on: device``: it trains, goes on exactly, and refuses own images."""

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from dnll_plugin.commands.main import main

CONFIGS = Path(__file__).parents[2] / "config"
SHORT = [
    *("num_train_iter=6", "epoch=3", "num_eval_iter=3", "num_log_iter=2", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=300", "num_workers=0", "data_on=device"),
]


def train(folder: Path, *changes: str, config: str = "dnll_digits_20", resume: bool = False) -> int:
    arguments = ["--c", str(CONFIGS / f"{config}.yaml"), "--save_dir", str(folder)]
    if resume:
        arguments.append("--resume")
    return main(["train", *arguments, "--save_name", "run", "--set", *SHORT, *changes])


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = torch.load(run / "latest_model.pth", weights_only=True)
    return {**state["model"], **{f"ema.{key}": value for key, value in state["ema_model"].items()}}


@pytest.mark.parametrize(
    "changes",
    [
        ["algorithm=dnll_dual", "lb_views=2"],
        ["algorithm=dnll_meanteacher", "img_size=12"],
        ["algorithm=fixmatch"],
        ["algorithm=flexmatch"],
        ["algorithm=remixmatch"],
        ["algorithm=comatch"],
        ["algorithm=fullysupervised"],
    ],
    ids=lambda changes: changes[0].removeprefix("algorithm="),
)
def test_resumed_run_equals_an_uninterrupted_one(tmp_path: Path, changes: list[str]) -> None:
    run = tmp_path / "run"
    assert train(tmp_path, *changes) == 0
    whole, expected = weights(run), json.loads((run / "result.json").read_text())
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    assert train(tmp_path, *changes, resume=True) == 0
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(run).items())
    found = json.loads((run / "result.json").read_text())
    assert found["error_rate"] == expected["error_rate"]


def test_own_images_are_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for kind in ("train", "test"):
        for name in ("cat", "dog"):
            (tmp_path / "data" / kind / name).mkdir(parents=True)
            for number in range(4):
                picture = Image.new("RGB", (9, 9), (number, 0, 0))
                picture.save(tmp_path / "data" / kind / name / f"{number}.png")
    changes = ["num_labels=2", "num_negatives=1", f"data_dir={tmp_path / 'data'}"]
    assert train(tmp_path, "dataset=imagefolder", "net=cnn3", *changes) == 2
    error = capsys.readouterr().err
    assert error.startswith("dnll: error: data_on: ")
    assert error.count("\n") == 1
