"""How the cost of a step grows with the batch, the classes, the image size and the ranks.

    python benchmarks/growth.py --json growth.json --picture growth.png

Images are noise: only times are of interest. Steps are those of ``dnll bench``; for the ranks whole
runs of ``dnll train`` are started by torchrun, with one thread a rank.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt

import dnll_plugin  # noqa: F401  (registers with the toolbox)
from dnll_plugin.benchmark.cases import OURS, Case, measure_case
from dnll_plugin.datasets import DATASETS, DataSet

AXES = {
    "batch_size": (4, 16, 64, 128),
    "num_classes": (10, 100, 1000),
    "img_size": (8, 16, 32, 64),
}
BASE = {"batch_size": 16, "num_classes": 10, "img_size": 16}
DIGITS = Path(__file__).parents[1] / "config" / "dnll_digits_20.yaml"
STEPS = 100


def noise(
    args: Any,
    alg: str,
    name: str,
    num_labels: int,
    num_classes: int,
    data_dir: str = "",
    include_lb_to_ulb: bool = True,
) -> tuple[Any, Any, Any]:
    """A data set of noise with any number of classes."""
    from dnll_plugin.datasets.build import Images, dataset_triple
    from dnll_plugin.datasets.split import Split
    from dnll_plugin.datasets.transforms import plain_views

    number = max(1000, 2 * num_classes)
    pixels = np.random.default_rng(0).integers(0, 256, (number, 32, 32, 3), dtype=np.uint8)
    images = Images(pixels, np.arange(number) % num_classes)
    split = Split(labeled=np.arange(num_labels), unlabeled=np.arange(number))
    views = plain_views(args.img_size, args.crop_ratio, (0.5,) * 3, (0.5,) * 3)
    return dataset_triple(alg, images, images, split, views, [str(c) for c in range(num_classes)])


def measure_axes(rounds: int) -> list[dict[str, Any]]:
    """Rows of ``dnll bench``, one key changed at a time; ``axis`` and ``value`` say which."""
    DATASETS["noise"] = DataSet(build=noise)
    rows = []
    for axis, values in AXES.items():
        for value in values:
            keys = {**BASE, axis: value}
            keys["num_labels"] = keys["num_classes"]
            settings = [f"{key}={number}" for key, number in keys.items()]
            for name, own in OURS.items():
                fixed = ("dataset=noise", "net=cnn3_one_head", "num_workers=0", "uratio=1")
                row = measure_case(Case(name, None, (*fixed, *own, *settings)), rounds, 2)
                rows.append({"axis": axis, "value": value, **row})
                print(axis, value, name, row["step_ms"], row["step_over_floor"], flush=True)
    return rows


def measure_ranks() -> list[dict[str, Any]]:
    """Milliseconds an iteration with 1 and 2 ranks, each with the same batch of its own."""
    rows = []
    for ranks in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "torch.distributed.run", f"--nproc_per_node={ranks}"]
            command += ["-m", "dnll_plugin", "train", "--c", str(DIGITS), f"--save_dir={folder}"]
            command += ["--save_name=run", "--set", f"num_train_iter={STEPS}", "epoch=1"]
            command += [f"num_eval_iter={STEPS}"]
            environment = {**os.environ, "OMP_NUM_THREADS": "1"}
            subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)
            result = json.loads((Path(folder) / "run" / "result.json").read_text())
        milliseconds = 1000 * result["seconds"] / STEPS
        rows.append({"axis": "ranks", "value": ranks, "algorithm": "dnll_dual, mutual"})
        rows[-1]["step_ms"] = round(milliseconds, 2)
        print("ranks", ranks, rows[-1]["step_ms"], flush=True)
    return rows


def draw(rows: list[dict[str, Any]], picture: Path) -> None:
    """Draws the time of a step over each axis."""
    axes_names = list(dict.fromkeys(row["axis"] for row in rows))
    figure, panels = plt.subplots(1, len(axes_names), figsize=(4 * len(axes_names), 3.5))
    for panel, axis in zip(np.atleast_1d(panels), axes_names, strict=True):
        for name in dict.fromkeys(row["algorithm"] for row in rows if row["axis"] == axis):
            own = [row for row in rows if row["axis"] == axis and row["algorithm"] == name]
            values, times = [r["value"] for r in own], [r["step_ms"] for r in own]
            panel.semilogx(values, times, "o-", label=name)
            panel.set_xticks(values, [str(value) for value in values])
            panel.minorticks_off()
        panel.set_ylim(bottom=0)
        panel.set_xlabel(axis)
        panel.set_ylabel("milliseconds a step")
        panel.grid(alpha=0.3)
        panel.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(picture, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", type=Path, default=Path("growth.json"))
    parser.add_argument("--picture", type=Path, default=Path("growth.png"))
    parser.add_argument("--rounds", type=int, default=20)
    options = parser.parse_args()
    rows = measure_axes(options.rounds) + measure_ranks()
    options.json.write_text(json.dumps(rows, indent=2) + "\n")
    draw(rows, options.picture)


if __name__ == "__main__":
    main()
