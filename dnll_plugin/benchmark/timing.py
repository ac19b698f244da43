"""Timing of the four stages of a training iteration, in turn, round after round."""

import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from dnll_plugin.benchmark.counting import Calls, device_calls
from dnll_plugin.benchmark.passes import recorded, replay
from dnll_plugin.protocols import ToolboxAlgorithm
from dnll_plugin.training.passes import find_nets

STAGES = ("floor", "step", "iteration", "end_to_end")
"""Each is the one before and more: the method's arithmetic, the hooks, the loaders."""


@dataclass(frozen=True)
class Timings:
    """Milliseconds of each stage, one number a round; and what a step asks of a CUDA device."""

    rounds: dict[str, list[float]]
    calls: Calls = field(default_factory=dict)

    def median(self, stage: str) -> float:
        """Median time of a stage in milliseconds."""
        return statistics.median(self.rounds[stage])

    def ratio(self, stage: str, to: str) -> tuple[float, float]:
        """Median of the ratio of two stages round by round, and half its interquartile range."""
        pairs = zip(self.rounds[stage], self.rounds[to], strict=True)
        ratios = [a / b for a, b in pairs]
        low, middle, high = statistics.quantiles(ratios, n=4)
        return middle, (high - low) / 2


def measure(algorithm: ToolboxAlgorithm, rounds: int, warmup: int) -> Timings:
    """Times the stages of an algorithm's iteration.

    The iteration's number stays, so that no step is one that is logged or evaluated.

    Args:
        algorithm: As ``dnll train`` builds it, not yet run.
        rounds: Rounds to keep, at least 2; each runs every stage once.
        warmup: Rounds before them that are not kept.
    """
    batches = begin(algorithm)
    batch = algorithm.process_batch(**next(batches))
    with recorded(find_nets(algorithm)) as passes:
        step(algorithm, batch)
    stages: dict[str, Callable[[], Any]] = {
        "floor": lambda: update(algorithm, floor(algorithm, passes)),
        "step": lambda: step(algorithm, batch),
        "iteration": lambda: iteration(algorithm, batch),
        "end_to_end": lambda: iteration(algorithm, algorithm.process_batch(**next(batches))),
    }
    device = next(algorithm.model.parameters()).device
    kept = in_turn(stages, device, rounds, warmup)
    return Timings(kept, device_calls(stages["step"], device))


def in_turn(
    runs: Mapping[str, Callable[[], Any]], device: torch.device, rounds: int, warmup: int
) -> dict[str, list[float]]:
    """Milliseconds of each of several functions by name, called in turn, round after round.

    Args:
        runs: The functions.
        device: Where they work.
        rounds: Rounds to keep.
        warmup: Rounds before them that are not kept.
    """
    kept: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(warmup + rounds):
        for name, run in runs.items():
            milliseconds = timed(run, device)
            if number >= warmup:
                kept[name].append(milliseconds)
    return kept


def begin(algorithm: ToolboxAlgorithm) -> Iterator[dict[str, Any]]:
    """Begins a run whose steps are to be timed; gives its batches, without end.

    The learning rate is 0, so that a mean for a loss leaves the weights alone; no time depends on
    it.

    Args:
        algorithm: As ``dnll train`` builds it, not yet run.
    """
    stand_still(algorithm)
    algorithm.model.train()
    algorithm.call_hook("before_run")
    algorithm.epoch = 0
    return endless(algorithm)


def stand_still(algorithm: ToolboxAlgorithm) -> None:
    """Sets the learning rate to 0, now and whatever the scheduler does."""
    for group in algorithm.optimizer.param_groups:
        group["lr"] = 0.0
    algorithm.scheduler.base_lrs = [0.0] * len(algorithm.optimizer.param_groups)


def endless(algorithm: ToolboxAlgorithm) -> Iterator[dict[str, Any]]:
    """Batches of the training loaders, labeled and unlabeled together, epoch after epoch."""
    while True:
        algorithm.call_hook("before_train_epoch")
        loaders = algorithm.loader_dict
        for labeled, unlabeled in zip(loaders["train_lb"], loaders["train_ulb"], strict=False):
            yield {**labeled, **unlabeled}


def floor(algorithm: ToolboxAlgorithm, passes: list[Any]) -> Tensor:
    """The passes of a step, under the autocast of the algorithm."""
    with algorithm.amp_cm():
        return replay(passes)


def step(algorithm: ToolboxAlgorithm, batch: dict[str, Any]) -> None:
    """A training step: the algorithm's own, backward, optimizer, zero_grad."""
    out_dict, _ = algorithm.train_step(**batch)
    update(algorithm, out_dict["loss"])


def update(algorithm: ToolboxAlgorithm, loss: Tensor) -> None:
    """What the toolbox's hook does after a step, without its scheduler."""
    if algorithm.use_amp:
        algorithm.loss_scaler.scale(loss).backward()
        algorithm.loss_scaler.step(algorithm.optimizer)
        algorithm.loss_scaler.update()
    else:
        loss.backward()
        algorithm.optimizer.step()
    algorithm.model.zero_grad()


def iteration(algorithm: ToolboxAlgorithm, batch: dict[str, Any]) -> None:
    """A training step with every hook of a run."""
    algorithm.call_hook("before_train_step")
    algorithm.out_dict, algorithm.log_dict = algorithm.train_step(**batch)
    algorithm.call_hook("after_train_step")


def timed(run: Callable[[], Any], device: torch.device) -> float:
    """Milliseconds that a function takes, its work on the device included."""
    synchronize(device)
    start = time.perf_counter()
    run()
    synchronize(device)
    return 1000.0 * (time.perf_counter() - start)


def synchronize(device: torch.device) -> None:
    """Waits for the device."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
