"""What the parts that this package replaces take, in turn with what they replace, on a CPU.

python benchmarks/parts.py [--rounds 200] [--json FILE]
"""

import argparse
import json
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from semilearn.core.utils import get_net_builder, get_optimizer
from torch import Tensor, nn

import dnll_plugin  # noqa: F401  (registers with the toolbox)
from dnll_plugin.commands.benchmark.timing import Timings
from dnll_plugin.nets.cnn import HalfDropout, Halving
from dnll_plugin.toolbox.build import fuse

ROWS = 84
NETS = ("dual_cnn3", "dual_wrn_28_2", "dual_timm_resnet18@32")
LAYOUTS = {"": torch.contiguous_format, ", channels_last": torch.channels_last}
WARMUP = 5

Part = Callable[[], Any]


def layers() -> dict[str, tuple[Part, Part]]:
    """Ours and torch's by name, on the tensors that they get in CNN-3 with 28-pixel images."""
    parts: dict[str, tuple[Part, Part]] = {}
    for name, layout in LAYOUTS.items():
        images, maps, halved = (
            torch.randn(ROWS, *shape).to(memory_format=layout)
            for shape in ((3, 28, 28), (16, 28, 28), (32, 7, 7))
        )
        pairs = {
            "maxima without gradient": (Halving(), nn.MaxPool2d(2), maps),
            "dropout": (HalfDropout(), nn.Dropout(0.5), halved),
            "noise": (noise_by_rows, torch.randn_like, images),
        }
        for part, (ours, theirs, x) in pairs.items():
            parts[part + name] = (partial(ours, x), partial(theirs, x))
    return parts


def noise_by_rows(x: Tensor) -> Tensor:
    return torch.randn_like(x, memory_format=torch.contiguous_format)


def optimizers() -> dict[str, tuple[Part, Part]]:
    """A step of SGD with ``fused_optimizer``, and one without, by net."""
    return {f"SGD, {name}": (step_of(name, True), step_of(name, False)) for name in NETS}


def step_of(name: str, fused: bool) -> Part:
    net = get_net_builder(name, False)(num_classes=10)
    optimizer = get_optimizer(net, "SGD", lr=0.03, weight_decay=5e-4)
    if fused:
        fuse(optimizer)
    for parameter in net.parameters():
        parameter.grad = torch.randn_like(parameter)
    return optimizer.step


def measure(ours: Part, theirs: Part, rounds: int) -> Timings:
    """Milliseconds of both, called in turn."""
    kept: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(WARMUP + rounds):
        for name, run in (("ours", ours), ("theirs", theirs)):
            start = time.perf_counter()
            run()
            if number >= WARMUP:
                kept[name].append(1000 * (time.perf_counter() - start))
    return Timings(kept)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = []
    for part, (ours, theirs) in (layers() | optimizers()).items():
        with torch.no_grad():
            timings = measure(ours, theirs, options.rounds)
        ratio, spread = timings.ratio("ours", "theirs")
        row = {"part": part, "ours_ms": timings.median("ours"), "ratio": ratio, "spread": spread}
        rows.append(row | {"theirs_ms": timings.median("theirs")})
        print(
            f"{part:40} {row['ours_ms']:7.3f} ms   {timings.median('theirs'):7.3f} ms   "
            f"{ratio:.2f} ± {spread:.2f}"
        )
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n")


if __name__ == "__main__":
    main()
