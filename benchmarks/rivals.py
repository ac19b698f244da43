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

import dnll_plugin  # noqa: F401  (registers with the toolbox)
from dnll_plugin.benchmark.cases import OURS, THEIRS, Case, prepare
from dnll_plugin.benchmark.timing import Timings, begin, in_turn, step
from dnll_plugin.training.loaders import end_workers

COMPARED = {
    "dnll_meanteacher, pseudo-labels": "fixmatch",
    "dnll_dual, pseudo-labels": "fixmatch",
    "dnll_dual, mutual": "fixmatch",
    "dnll_dual, alternate": "fixmatch",
    "dnll_meanteacher": "meanteacher",
}
"""Whose step is compared with whose."""

WARMUP = 3


def step_of(algorithm: Any) -> Callable[[], None]:
    """A training step of an algorithm, always on the same batch."""
    batch = algorithm.process_batch(**next(begin(algorithm)))
    end_workers(algorithm)
    return lambda: step(algorithm, batch)


def measure(settings: tuple[str, ...], rounds: int) -> list[dict[str, Any]]:
    """Rows of the report: algorithm, rival, both in milliseconds, and their ratio."""
    every = {**OURS, **THEIRS}
    names = list(dict.fromkeys([*COMPARED, *COMPARED.values()]))
    with tempfile.TemporaryDirectory() as folder:
        algorithms = {
            name: prepare(Case(name, None, (*every[name], *settings)), Path(folder)).algorithm
            for name in names
        }
        device = next(algorithms[names[0]].model.parameters()).device
        steps = {name: step_of(algorithm) for name, algorithm in algorithms.items()}
        timings = Timings(in_turn(steps, device, rounds, WARMUP))
    rows = []
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
