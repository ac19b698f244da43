"""Hooks that align predictions to even classes, called like the toolbox's ``dist_align``.

The toolbox's own keep averages in single precision and wait for the host in every step.
"""

from typing import Any

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.functional.class_shrinking import align_distribution
from dnll_plugin.hooks.across_ranks import average_ranks
from dnll_plugin.protocols import ToolboxAlgorithm


class AlignmentHook(Hook):
    """Divides predictions by what the latest steps of all ranks predicted on average.

    Args:
        epsilon: What is added to the average; ShrinkMatch (arXiv:2308.06777) adds nothing.
    """

    def __init__(self, epsilon: float = 0.0) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.state: dict[str, Any] = {}

    @torch.no_grad()
    def dist_align(self, algorithm: ToolboxAlgorithm, probs_x_ulb: Tensor) -> Tensor:
        """Takes in the step's predictions, and aligns them.

        Args:
            algorithm: The running algorithm.
            probs_x_ulb: (U, K).

        Returns:
            (U, K), each row sums to 1.
        """
        batch = average_ranks(algorithm, probs_x_ulb.mean(dim=0))
        return align_distribution(probs_x_ulb, self.update(batch), self.epsilon)

    def update(self, batch: Tensor) -> Tensor:
        """Takes in the average (K,) of a step; returns that of the latest steps, up to a factor."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Any]:
        """What the hook remembers, for a checkpoint."""
        return self.state

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Goes on from :meth:`state_dict` on ``device``."""
        self.state = {
            name: value.to(device) if isinstance(value, Tensor) else value
            for name, value in state.items()
        }


class QueueAlignmentHook(AlignmentHook):
    """By the last steps; one that is not there yet counts as predictions of 0.

    Args:
        length: How many steps; 32 in ShrinkMatch's code for CIFAR.
        epsilon: See :class:`AlignmentHook`; without it the steps that are not there change nothing.
    """

    def __init__(self, length: int = 32, epsilon: float = 0.0) -> None:
        super().__init__(epsilon)
        self.length = length

    def update(self, batch: Tensor) -> Tensor:
        if not self.state:
            self.state = {"queue": batch.new_zeros(self.length, len(batch)), "pointer": 0}
        queue, pointer = self.state["queue"], self.state["pointer"]
        queue[pointer] = batch
        self.state["pointer"] = (pointer + 1) % self.length
        average: Tensor = queue.mean(dim=0)
        return average


class AverageAlignmentHook(AlignmentHook):
    """By a running average over all steps (the STL-10 code)."""

    momentum = 0.999

    def update(self, batch: Tensor) -> Tensor:
        before = self.state.get("average", batch)
        average = torch.lerp(batch, before, self.momentum)
        self.state["average"] = average
        return average


ALIGNMENTS: dict[str, type[AlignmentHook]] = {
    "queue": QueueAlignmentHook,
    "average": AverageAlignmentHook,
}
"""The values of the key ``alignment``, beside ``none``."""
