"""Loaders whose batches depend on the iteration alone."""

import errno
import os
import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset

from dnll_plugin.errors import InputError
from dnll_plugin.training import loaders

PER_EPOCH, BATCH = 5, 3


class Order:
    """A sampler that shuffles by epoch, like the toolbox's."""

    def __init__(
        self, dataset: Any, num_replicas: int = 1, rank: int = 0, num_samples: int = 0
    ) -> None:
        self.dataset, self.total_size, self.epoch = dataset, num_samples or len(dataset), 0
        self.share = slice(rank, None, num_replicas)

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch

    def __iter__(self) -> Any:
        return iter(np.random.RandomState(self.epoch).permutation(self.total_size)[self.share])

    def __len__(self) -> int:
        return len(range(self.total_size)[self.share])


class Noise(Dataset[Any]):
    """Images whose augmentation draws from each of the host's generators."""

    targets = None

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.tensor([index, random.random(), np.random.rand(), torch.rand(()).item()])

    def __len__(self) -> int:
        return PER_EPOCH * BATCH


def algorithm(it: int, rotated: bool = True, workers: int = 0) -> Any:
    names = ["train_lb", "train_ulb", *([loaders.ROTATED] if rotated else [])]
    hooks: list[Any] = []
    made = SimpleNamespace(
        it=it,
        epoch=it // PER_EPOCH,
        num_iter_per_epoch=PER_EPOCH,
        rank=0,
        world_size=1,
        hooks=hooks,
        register_hook=lambda hook, name: hooks.append(hook),
        loader_dict={
            name: DataLoader(Noise(), BATCH, sampler=Order(Noise()), num_workers=workers)
            for name in names
        },
    )
    loaders.make_loaders_resumable(made, seed=1, pin_memory=False)
    return made


def batches(made: Any, last: int) -> list[list[torch.Tensor]]:
    """The batches of all steps from where a run is to the last one, as the toolbox takes them."""
    taken = []
    while made.it < last:
        made.epoch = made.it // PER_EPOCH
        made.hooks[0].before_train_epoch(made)
        for labeled, unlabeled in zip(
            made.loader_dict["train_lb"], made.loader_dict["train_ulb"], strict=True
        ):
            rotated = made.loader_dict.get(f"{loaders.ROTATED}_iter")
            taken.append([labeled, unlabeled, *([next(rotated)] if rotated else [])])
            made.it += 1
    return taken


@pytest.mark.parametrize("rotated", [True, False])
@pytest.mark.parametrize("start", [0, 1, 4, 5, 7])
def test_batches_depend_on_the_iteration_alone(start: int, rotated: bool) -> None:
    whole = batches(algorithm(0, rotated), 2 * PER_EPOCH)
    torch.rand(start + 1)  # whatever else was drawn
    resumed = batches(algorithm(start, rotated), 2 * PER_EPOCH)
    assert len(resumed) == 2 * PER_EPOCH - start
    for expected, found in zip(whole[start:], resumed, strict=True):
        assert len(found) == 2 + rotated
        assert all(torch.equal(a, b) for a, b in zip(expected, found, strict=True))
    assert not torch.equal(whole[0][0], whole[0][1])


@pytest.mark.parametrize("world_size", [2, 3])
def test_ranks_together_deal_what_one_process_does(world_size: int) -> None:
    data = range(world_size * 4)
    one = list(Order(data))
    sampler = Order(data, num_samples=len(data) // world_size)
    shares = [list(loaders.shard_sampler(sampler, rank, world_size)) for rank in range(world_size)]
    assert [index for turn in zip(*shares, strict=True) for index in turn] == one
    assert loaders.shard_sampler(sampler, 0, 1) is sampler


@given(seed=st.integers(0, 2**32 - 1))
def test_a_seed_leaves_the_hosts_generators_as_they_were(seed: int) -> None:
    def draw() -> tuple[float, float, float]:
        return random.random(), np.random.rand(), torch.rand(()).item()

    with loaders.use_seed(3):
        with loaders.use_seed(seed):
            first = draw()
        after = draw()
    with loaders.use_seed(seed):
        assert draw() == first
    with loaders.use_seed(3):
        assert draw() == after


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        RuntimeError("Too many open files. Communication with the workers is no longer possible."),
    ],
)
def test_lack_of_file_descriptors_is_one_line(error: Exception) -> None:
    lacks_files = loaders.lack_of_files_is_wrong_input
    with pytest.raises(InputError, match=r"num_workers: .*ulimit -n"), lacks_files():
        raise error
    with pytest.raises(OSError, match="No such file"), lacks_files():
        os.stat("/nowhere/at/all")


def test_workers_end_with_the_run() -> None:
    made = algorithm(0, rotated=False, workers=1)
    batches(made, PER_EPOCH)
    workers = [made.loader_dict[name]._iterator._workers[0] for name in loaders.TRAIN_LOADERS]
    assert all(worker.is_alive() for worker in workers)
    loaders.end_workers(made)
    assert not any(worker.is_alive() for worker in workers)
