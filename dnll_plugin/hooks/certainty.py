"""The hook that follows how many of the unlabeled rows are certain."""

from typing import Any

import torch
import torch.distributed
from semilearn.core.hooks import Hook
from torch import Tensor


class CertaintyHook(Hook):
    """Running average of the share of certain rows, which tells how far a training is.

    Args:
        momentum: Of the average, in [0, 1).
    """

    def __init__(self, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.share = torch.zeros(())

    @torch.no_grad()
    def update(self, algorithm: Any, certain: Tensor) -> Tensor:
        """Takes in a step's rows.

        Args:
            algorithm: The running algorithm.
            certain: (U,), 1 for a certain row, 0 for another.

        Returns:
            0-dim average so far, in [0, 1].
        """
        share = certain.float().mean()
        if algorithm.distributed and algorithm.world_size > 1:
            torch.distributed.all_reduce(share)
            share /= algorithm.world_size
        self.share = torch.lerp(share, self.share.to(share.device), self.momentum)
        return self.share
