"""Runs at the edges: tiny batches, few images, many classes."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dnll_plugin.commands.main import main

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = [
    *("num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=1", "img_size=8"),
    *("batch_size=10", "uratio=2", "eval_batch_size=500", "p_cutoff=0.11"),
]
OURS = ["dnll_dual", "dnll_meanteacher", "dnll_flexmatch"]


def run(folder: Path, *changes: str, data: Path | None = None) -> list[dict]:
    """Trains, and returns the records, whose losses are all finite."""
    command = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", "run"]
    options = [] if data is None else ["--data_dir", str(data)]
    assert main([*command, *options, "--set", *SHORT, *changes]) == 0
    assert (folder / "run/result.json").is_file()
    records = [json.loads(line) for line in (folder / "run/metrics.jsonl").open()]
    assert [record["step"] for record in records] == [1, 2, 3, 4]
    losses = [v for record in records for name, v in record.items() if name.endswith("loss")]
    assert all(value is not None and math.isfinite(value) for value in losses)
    return records


@pytest.mark.parametrize("algorithm", OURS)
@pytest.mark.parametrize("use_cat", ["true", "false"])
def test_batches_of_one(tmp_path: Path, algorithm: str, use_cat: str) -> None:
    run(tmp_path, f"algorithm={algorithm}", "batch_size=1", "uratio=1", f"use_cat={use_cat}")


@pytest.mark.parametrize("algorithm", OURS)
def test_unlabeled_set_smaller_than_a_batch_and_one_label_a_class(
    tmp_path: Path, algorithm: str
) -> None:
    few = ["num_labels=10", "ulb_num_labels=10", "include_lb_to_ulb=false", "uratio=3"]
    run(tmp_path, f"algorithm={algorithm}", *few)
    split = np.load(tmp_path / "run/split.npz")
    assert (len(split["labeled"]), len(split["unlabeled"])) == (10, 10)


@pytest.fixture(scope="module", params=[100, 1000])
def many_classes(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """Folders of images of so many classes, of which each has one label."""
    root = tmp_path_factory.mktemp(f"classes_{request.param}")
    pixels = np.random.default_rng(0).integers(0, 255, (request.param, 8, 8, 3), dtype=np.uint8)
    names = [
        f"{part}/c{number:04d}" for part in ("labeled", "test") for number in range(len(pixels))
    ]
    for name, image in zip(names, [*pixels, *pixels], strict=True):
        (root / name).mkdir(parents=True)
        Image.fromarray(image).save(root / name / "0.png")
    (root / "unlabeled").mkdir()
    for number, image in enumerate(pixels[:50]):
        Image.fromarray(image).save(root / "unlabeled" / f"{number}.png")
    return root


@pytest.mark.parametrize("algorithm", OURS)
def test_many_classes(tmp_path: Path, many_classes: Path, algorithm: str) -> None:
    records = run(
        tmp_path,
        f"algorithm={algorithm}",
        "dataset=imagefolder",
        "p_cutoff=0.0011",
        data=many_classes,
    )
    classes = len(list((many_classes / "labeled").iterdir()))
    assert len(json.loads((tmp_path / "run/classes.json").read_text())) == classes
    assert records[-1]["eval/top-1-acc"] <= 0.2
