"""Training loaders whose batches depend on the iteration alone, so that a run can be resumed.

The toolbox's samplers and data sets stay; each batch gets a seed of its own for its augmentations.
"""

import os
import random
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from errno import EMFILE
from typing import Any

import numpy as np
import torch
from semilearn.core.hooks import Hook
from torch.utils.data import DataLoader, Dataset, Sampler

from dnll_plugin.datasets.subset import CHOSEN, WHOLE
from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm, ToolboxDataset, ToolboxSampler

TRAIN_LOADERS = ("train_lb", "train_ulb")

ROTATED = "train_ulb_rot"
"""CRMatch's third loader, from whose iterator it takes a batch in each step."""

FURTHER_LOADERS = (ROTATED, CHOSEN, WHOLE)
"""Loaders that one algorithm has beside those that all have."""

SeededBatch = list[int]
"""The seed of a batch, followed by its indices."""


class SeededBatches(Sampler[SeededBatch]):
    """Deals the indices of the toolbox's sampler into batches, each with its seed.

    Args:
        sampler: The toolbox's ``DistributedSampler``, which shuffles by epoch.
        batch_size: Indices a batch.
        seed: What the seeds of all batches derive from: the run's seed, the loader, the rank.
    """

    def __init__(self, sampler: ToolboxSampler, batch_size: int, seed: tuple[int, ...]) -> None:
        self.sampler = sampler
        self.batch_size = batch_size
        self.seed = seed
        self.epoch = 0
        self.skip = 0

    def start(self, epoch: int, skip: int) -> None:
        """Sets the epoch, and how many of its batches are already done."""
        self.epoch, self.skip = epoch, skip
        self.sampler.set_epoch(epoch)

    def __iter__(self) -> Iterator[SeededBatch]:
        indices = list(self.sampler)
        for batch in range(self.skip, len(self)):
            seeds = np.random.SeedSequence((*self.seed, self.epoch, batch))
            first = batch * self.batch_size
            yield [int(seeds.generate_state(1)[0]), *indices[first : first + self.batch_size]]

    def __len__(self) -> int:
        return -(-len(self.sampler) // self.batch_size)


class SeededDataset(Dataset):
    """Gives whole batches of a data set, the random augmentations drawn from the batch's seed."""

    def __init__(self, dataset: ToolboxDataset) -> None:
        self.dataset = dataset
        self.targets = getattr(dataset, "targets", None)  # images that are rotated have none

    def __getitems__(self, batch: SeededBatch) -> list[Any]:
        seed, *indices = batch
        with use_seed(seed):
            return [self.dataset[index] for index in indices]

    def __len__(self) -> int:
        return len(self.dataset)


@contextmanager
def use_seed(seed: int) -> Iterator[None]:
    """Seeds the host's random generators, and puts them back afterwards."""
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    random.seed(seed)
    np.random.seed(seed)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])


class LoaderPositionHook(Hook):
    """Starts each epoch's loaders at the batch that the run is at."""

    def before_train_epoch(self, algorithm: ToolboxAlgorithm) -> None:
        skip = algorithm.it - algorithm.epoch * algorithm.num_iter_per_epoch
        loaders = algorithm.loader_dict
        for name in list_train_loaders(algorithm):
            loaders[name].batch_sampler.start(algorithm.epoch, 0 if name == WHOLE else skip)
        if ROTATED in loaders:
            loaders[f"{ROTATED}_iter"] = iter(loaders[ROTATED])


def list_train_loaders(algorithm: ToolboxAlgorithm) -> list[str]:
    """The names of the loaders that an algorithm trains with."""
    return [name for name in (*TRAIN_LOADERS, *FURTHER_LOADERS) if name in algorithm.loader_dict]


def shard_sampler(sampler: Any, rank: int, world_size: int) -> Any:
    """The toolbox's sampler for one of several ranks.

    The ranks take turns in one order of the data, so that their batches of a step together are the
    batch that a single process with as many times the batch size has.

    Args:
        sampler: The toolbox's ``DistributedSampler`` of a single process.
        rank: From 0 to ``world_size - 1``.
        world_size: Number of ranks.
    """
    if world_size == 1:
        return sampler
    return type(sampler)(
        sampler.dataset,
        num_replicas=world_size,
        rank=rank,
        num_samples=sampler.total_size * world_size,
    )


def make_loaders_resumable(algorithm: ToolboxAlgorithm, seed: int, pin_memory: bool) -> None:
    """Replaces an algorithm's training loaders by resumable ones, and registers their hook.

    Args:
        algorithm: An algorithm of the toolbox, with its loaders set.
        seed: The run's seed.
        pin_memory: Whether batches go to page-locked memory, for a GPU.
    """
    algorithm.loader_dict.pop(f"{ROTATED}_iter", None)  # the hook makes another
    for number, name in enumerate(list_train_loaders(algorithm)):
        loader = algorithm.loader_dict[name]
        sampler = shard_sampler(loader.sampler, algorithm.rank, algorithm.world_size)
        batches = SeededBatches(sampler, loader.batch_size, (seed, number, algorithm.rank))
        algorithm.loader_dict[name] = DataLoader(
            SeededDataset(loader.dataset),
            batch_sampler=batches,
            num_workers=loader.num_workers,
            collate_fn=loader.collate_fn,
            pin_memory=pin_memory,
            persistent_workers=loader.num_workers > 0,
            generator=torch.Generator().manual_seed(seed),
        )
    for loader in algorithm.loader_dict.values():
        if isinstance(loader, DataLoader):
            loader.worker_init_fn = ignore_first_sigterm
            if loader.num_workers > 0:
                raise_file_limit()
    algorithm.register_hook(LoaderPositionHook(), "LoaderPositionHook")


def raise_file_limit() -> None:
    """Lets this process open as many files as it may: each batch of a worker comes in some."""
    _, allowed = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):  # macOS knows a lower limit than it tells
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, allowed))


@contextmanager
def lack_of_files_is_wrong_input() -> Iterator[None]:
    """Says what to do where loaders run out of file descriptors.

    Raises:
        InputError: In the place of torch's RuntimeError or Python's OSError.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if getattr(error, "errno", None) != EMFILE and os.strerror(EMFILE) not in str(error):
            raise
        raise InputError(
            "num_workers: the loaders cannot open more files; allow more by ulimit -n 4096, or "
            "give --set num_workers=0, and go on with --resume"
        ) from error


def end_workers(algorithm: ToolboxAlgorithm) -> None:
    """Ends the processes that load an algorithm's training data.

    Python does not: at its exit it sends each one SIGTERM, which they outlive, and waits for them.
    """
    for name in list_train_loaders(algorithm):
        loader = algorithm.loader_dict[name]
        iterator: Any = getattr(loader, "_iterator", None)
        if iterator is not None:
            iterator._shutdown_workers()  # what torch does when it deletes the iterator
            loader._iterator = None


def ignore_first_sigterm(worker: int) -> None:
    """Lets a process that loads data go on when the run is told to end, until it has saved.

    SLURM and torchrun send SIGTERM to all processes of a run, those that load data too. The second
    one ends the process. See :func:`end_workers`.

    Args:
        worker: Number of the process among those of its loader.
    """

    def note(number: int, frame: Any) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    signal.signal(signal.SIGTERM, note)
