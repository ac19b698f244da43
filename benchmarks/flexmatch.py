"""The time of FlexMatch's bookkeeping in a step: the toolbox's, and ours with the same numbers.

python benchmarks/flexmatch.py [--images 50000] [--rows 448]
"""

import argparse
import statistics
import time
from types import SimpleNamespace

import torch
from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook

from dnll_plugin.training.fast_hooks import CountingFlexMatchHook


def milliseconds(hook: FlexMatchThresholdingHook, images: int, rows: int, rounds: int) -> float:
    """Median time of a call of ``masking`` on one batch after another."""
    generator = torch.Generator().manual_seed(0)
    algorithm = SimpleNamespace(p_cutoff=0.95)
    times = []
    for _ in range(rounds):
        probs = torch.randn(rows, 10, generator=generator).mul(4).softmax(dim=1)
        index = torch.randint(images, (rows,), generator=generator)
        start = time.perf_counter()
        hook.masking(algorithm, probs, index, softmax_x_ulb=False)
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--images", type=int, default=50_000)
    parser.add_argument("--rows", type=int, default=448)
    parser.add_argument("--rounds", type=int, default=200)
    options = parser.parse_args()
    theirs = FlexMatchThresholdingHook(options.images, 10)
    ours = CountingFlexMatchHook(FlexMatchThresholdingHook(options.images, 10))
    for name, hook in (("toolbox", theirs), ("fast_hooks", ours)):
        time_ms = milliseconds(hook, options.images, options.rows, options.rounds)
        print(f"{name}: {time_ms:.3f} ms")


if __name__ == "__main__":
    main()
