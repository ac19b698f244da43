"""Loaders over a part of a data set that is chosen anew in each epoch, and over all of it."""

from collections.abc import Iterator
from copy import copy
from typing import Any

import torch
from semilearn.datasets.samplers import DistributedSampler
from torch import Tensor
from torch.utils.data import Sampler

from dnll_plugin.protocols import ToolboxDataset

CHOSEN = "train_ulb_chosen"
"""Name of the loader over the chosen part of the unlabeled images."""

WHOLE = "train_ulb_whole"
"""Name of the loader over all of them, from which they are chosen."""


class SubsetSampler(DistributedSampler):
    """The toolbox's sampler, shuffled by epoch, over the images that are chosen at the moment.

    Attributes:
        chosen: int64 (M,), their positions; None for all. It counts where an iteration begins.
    """

    chosen: Tensor | None = None

    def __iter__(self) -> Iterator[int]:
        generator = torch.Generator().manual_seed(self.epoch)
        chosen = torch.arange(len(self.dataset)) if self.chosen is None else self.chosen
        rounds = -(-self.total_size // len(chosen))
        drawn = [torch.randperm(len(chosen), generator=generator) for _ in range(rounds)]
        order = chosen[torch.cat(drawn)[: self.total_size]]
        return iter(order[self.rank :: self.num_replicas].tolist())


class WholeSampler(Sampler[int]):
    """Every image of a data set once, in order, dealt to the ranks in turn.

    Args:
        dataset: the data set.
        num_replicas: number of ranks.
        rank: from 0 to ``num_replicas - 1``.
        num_samples: not read; for it is made as the toolbox's samplers are.
    """

    def __init__(
        self,
        dataset: ToolboxDataset,
        num_replicas: int = 1,
        rank: int = 0,
        num_samples: int | None = None,
    ) -> None:
        self.dataset = dataset
        self.total_size = len(dataset)
        self.positions = range(rank, self.total_size, num_replicas)

    def set_epoch(self, epoch: int) -> None:
        """Nothing: the order is always the same."""

    def __iter__(self) -> Iterator[int]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)


def in_views_of(dataset: ToolboxDataset, algorithm: str) -> Any:
    """The same images in the views that the toolbox makes for another algorithm."""
    other = copy(dataset)
    other.alg = algorithm
    return other
