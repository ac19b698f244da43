"""What a step of ours costs beside the toolbox's, with seven unlabeled images for each labeled one.

    python benchmarks/rivals.py --net cnn3 --image_size 28 --batch_size 12
    python benchmarks/rivals.py --net timm_resnet18@32 --batch_size 3 --rounds 8

The algorithms take turns, step by step, in one process; a ratio is the median of those of the
rounds, with half their interquartile range.
"""

import argparse
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import dnll_plugin  # noqa: F401  (registers with the toolbox)
from dnll_plugin.commands.benchmark.cases import OURS, THEIRS, Case, prepare
from dnll_plugin.commands.benchmark.timing import Timings, begin, step, timed

COMPARED = {
    "dnll_dual, mutual": "fixmatch",
    "dnll_dual, alternate": "fixmatch",
    "dnll_meanteacher": "meanteacher",
}
"""Whose step is compared with whose."""

WARMUP = 3


def step_of(case: Case, folder: Path) -> tuple[Callable[[], None], torch.device]:
    """A training step of a case, always on the same batch, and where it runs."""
    subject = prepare(case, folder)
    algorithm = subject.algorithm
    batch = algorithm.process_batch(**next(begin(algorithm)))
    return lambda: step(algorithm, batch), subject.device


def measure(settings: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    """Rows of the report: algorithm, rival, both in milliseconds, and their ratio."""
    every = {**OURS, **THEIRS}
    names = list(dict.fromkeys([*COMPARED, *COMPARED.values()]))
    kept: dict[str, list[float]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        steps = {
            name: step_of(Case(name, None, (*every[name], *settings)), Path(folder))
            for name in names
        }
        for number in range(WARMUP + rounds):
            for name, (run, device) in steps.items():
                milliseconds = timed(run, device)
                if number >= WARMUP:
                    kept[name].append(milliseconds)
    timings, rows = Timings(kept), []
    for name, rival in COMPARED.items():
        ratio, spread = timings.ratio(name, rival)
        rows.append({"algorithm": name, "rival": rival, "ratio": ratio, "spread": spread})
        rows[-1] |= {"step_ms": timings.median(name), "rival_ms": timings.median(rival)}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--net", default="cnn3")
    parser.add_argument("--image_size", type=int, default=32)
    parser.add_argument("--batch_size", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--set", nargs="+", default=[], metavar="key=value")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    settings = ("dataset=digits", "num_labels=20", "num_workers=0", "uratio=7")
    settings += (f"net={options.net}", f"img_size={options.image_size}")
    settings += (f"batch_size={options.batch_size}", *options.set)
    rows = measure(settings, options.rounds)
    for row in rows:
        print(
            f"{row['algorithm']:21} {row['step_ms']:8.1f} ms   {row['rival']:12}"
            f"{row['rival_ms']:8.1f} ms   {row['ratio']:.3f} ± {row['spread']:.3f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
