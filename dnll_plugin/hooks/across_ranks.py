"""Numbers that a step needs of the batch of all ranks, not of its own rows alone."""

import torch.distributed
from torch import Tensor

from dnll_plugin.protocols import ToolboxAlgorithm


def average_ranks(algorithm: ToolboxAlgorithm, value: Tensor) -> Tensor:
    """The mean of a floating-point tensor over all ranks; itself where there is one."""
    if not has_others(algorithm):
        return value
    total = value.clone()
    torch.distributed.all_reduce(total)
    return total / algorithm.world_size


def highest_of_ranks(algorithm: ToolboxAlgorithm, value: Tensor) -> Tensor:
    """The elementwise maximum of a tensor over all ranks; itself where there is one."""
    if not has_others(algorithm):
        return value
    highest = value.clone()
    torch.distributed.all_reduce(highest, torch.distributed.ReduceOp.MAX)
    return highest


def has_others(algorithm: ToolboxAlgorithm) -> bool:
    """Whether an algorithm shares its batch with other processes."""
    return bool(algorithm.distributed and algorithm.world_size > 1)
