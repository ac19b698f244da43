"""What the layers that this package replaces take, in turn with torch's, on a CPU.

python benchmarks/layers.py [--rounds 200]
"""

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn

from dnll_plugin.benchmark.timing import Timings, in_turn
from dnll_plugin.nets.cnn import HalfDropout, Halving
from dnll_plugin.nets.pair import noise_like

ROWS = 84
LAYOUTS = {"": torch.contiguous_format, ", channels_last": torch.channels_last}
WARMUP = 5

Layer = Callable[[], Any]


def layers() -> dict[str, tuple[Layer, Layer]]:
    """Ours and torch's by name, on the tensors that they get in CNN-3 with 28-pixel images."""
    found: dict[str, tuple[Layer, Layer]] = {}
    for ending, layout in LAYOUTS.items():
        images, maps, halved = (
            torch.randn(ROWS, *shape).to(memory_format=layout)
            for shape in ((3, 28, 28), (16, 28, 28), (32, 7, 7))
        )
        pairs = {
            "maxima without gradient": (Halving(), nn.MaxPool2d(2), maps),
            "dropout": (HalfDropout(), nn.Dropout(0.5), halved),
            "noise": (noise_like, torch.randn_like, images),
        }
        for layer, (ours, theirs, x) in pairs.items():
            found[layer + ending] = (partial(ours, x), partial(theirs, x))
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=200)
    rounds = parser.parse_args().rounds
    for name, (ours, theirs) in layers().items():
        with torch.no_grad():
            kept = in_turn({"ours": ours, "theirs": theirs}, torch.device("cpu"), rounds, WARMUP)
        timings = Timings(kept)
        ratio, spread = timings.ratio("ours", "theirs")
        print(
            f"{name:40}{timings.median('ours'):7.3f} ms{timings.median('theirs'):10.3f} ms"
            f"    {ratio:.2f} ± {spread:.2f}"
        )


if __name__ == "__main__":
    main()
