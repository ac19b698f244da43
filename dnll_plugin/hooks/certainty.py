"""The hook that follows how many of the unlabeled rows are certain."""

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.hooks.across_ranks import average_ranks
from dnll_plugin.protocols import ToolboxAlgorithm


class CertaintyHook(Hook):
    """Running average of the share of certain rows, which tells how far a training is.

    Args:
        momentum: Of the average, in [0, 1].
        restarts: Whether it starts anew in each epoch, or runs through the whole training.
    """

    def __init__(self, momentum: float, restarts: bool) -> None:
        super().__init__()
        self.momentum = momentum
        self.restarts = restarts
        self.share: Tensor | None = None

    @torch.no_grad()
    def update(self, algorithm: ToolboxAlgorithm, certain: Tensor) -> Tensor:
        """Takes in a step's rows.

        Args:
            algorithm: The running algorithm.
            certain: (U,), floating point, 1 for a certain row, 0 for another.

        Returns:
            0-dim average with this step, in [0, 1]; at a start the step's share itself.
        """
        share = average_ranks(algorithm, certain.mean())
        starts = self.restarts and algorithm.it % algorithm.num_iter_per_epoch == 0
        if self.share is not None and not starts:
            share = torch.lerp(share, self.share, self.momentum)
        self.share = share
        return share
