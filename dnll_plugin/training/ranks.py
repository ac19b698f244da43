"""The processes of one run, as ``torchrun`` or another launcher starts them.

A launcher sets RANK, WORLD_SIZE, LOCAL_RANK, MASTER_ADDR and MASTER_PORT. Where WORLD_SIZE is unset
or 1 there is one process, and nothing here talks to another.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from dnll_plugin.errors import InputError, RunError

T = TypeVar("T")

UNTIL_ALL_ARE_THERE = timedelta(minutes=10)
"""How long the processes of a run wait for one another at its start."""

WITHIN_A_STEP = timedelta(seconds=50)
"""How long a process waits for another in a training step, before it takes it for dead."""

WHILE_ONE_WORKS = timedelta(hours=2)
"""How long processes wait for one that does something for all: a download, a checkpoint."""


class ProcessLostError(RunError):
    """Another process of the run ended or hangs."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of the run; the methods must be called by all of them alike.

    Attributes:
        rank: From 0 to ``world_size - 1``; rank 0 writes the run's files.
        world_size: Number of processes.
        local_rank: Number of the process on its machine, which is that of its GPU.
        patient: The group in which processes wait for one that works, None for a single process.
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    patient: Any = None

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def gather(self, value: T) -> list[T]:
        """The values of all ranks, in order."""
        if self.world_size == 1:
            return [value]
        values: list[Any] = [None] * self.world_size
        dist.all_gather_object(values, value, group=self.patient)
        return values

    def run_on_all_ranks(self, function: Callable[[], T]) -> T:
        """Calls a function in each process; where it fails in one, all end.

        Raises:
            Exception: On rank 0, its own failure or that of the first other rank; the others end
                silently with the same exit code, so that the message appears once.
        """
        if self.world_size == 1:
            return function()
        result: Any = None
        own = None
        try:
            result = function()
        except Exception as error:
            own = error
        failures = self.gather(None if own is None else (isinstance(own, InputError), str(own)))
        if not any(failures):
            return result
        if self.is_first and own is not None:
            raise own
        rank, failure = next((r, f) for r, f in enumerate(failures) if f is not None)
        kind = InputError if failure[0] else RuntimeError
        if self.is_first:
            raise kind(f"{failure[1]} (in process {rank})")
        raise SystemExit(2 if failure[0] else 1)

    def run_on_rank0_first(self, function: Callable[[], T]) -> T:
        """Calls a function on rank 0, which may download something, and then on the others."""
        if self.world_size == 1:
            return function()
        if self.is_first:
            result = self.run_on_all_ranks(function)
            self.run_on_all_ranks(_nothing)
            return result
        self.run_on_all_ranks(_nothing)
        return self.run_on_all_ranks(function)

    def run_on_rank0(self, function: Callable[[], T]) -> T:
        """Calls a function on rank 0 only, and gives its result to all."""
        result = self.run_on_all_ranks(function if self.is_first else _nothing)
        return self.gather(result)[0]

    def start_max(self, number: int) -> Callable[[], int]:
        """Starts to find the largest of the ranks' numbers, on the host: no GPU waits for it.

        Returns:
            A function that gives it, and waits for ranks that have not told theirs yet.
        """
        if self.world_size == 1:
            return lambda: number
        largest = torch.tensor(number)
        work = dist.all_reduce(largest, dist.ReduceOp.MAX, async_op=True)

        def wait() -> int:
            work.wait()
            return int(largest)

        return wait

    def device_for_rank(self, device: torch.device) -> torch.device:
        """The device of this process, where the run is on devices of that type.

        Raises:
            InputError: If there is none for it.
        """
        if self.world_size == 1 or device.type == "cpu":
            return device
        if device.type != "cuda":
            raise InputError(
                f"device: several processes cannot share {device.type}; give --set device=cpu"
            )
        gpus = torch.cuda.device_count()
        if gpus == 1:  # the launcher shows each process its own
            return torch.device("cuda", 0)
        if self.local_rank >= gpus:
            raise InputError(
                f"LOCAL_RANK: process {self.local_rank} of this machine has no GPU, there are "
                f"{gpus}; start at most one process a GPU, or give --set device=cpu"
            )
        return torch.device("cuda", self.local_rank)


ALONE = Ranks()
"""The only process of a run."""


def read_ranks(environment: Mapping[str, str]) -> Ranks:
    """Reads what the launcher set.

    Raises:
        InputError: If a variable is missing or makes no sense; the message names it.
    """
    if environment.get("WORLD_SIZE", "1") == "1":
        return ALONE

    def number(name: str, low: int, high: int) -> int:
        text = environment.get(name, "")
        if not (text.isdecimal() and low <= int(text) <= high):
            raise InputError(
                f"{name}: must be a whole number from {low} to {high}, got {text!r}; start several "
                "processes with torchrun --nproc_per_node=N -m dnll_plugin train …"
            )
        return int(text)

    world_size = number("WORLD_SIZE", 1, 2**16)
    rank = number("RANK", 0, world_size - 1)
    number("MASTER_PORT", 1, 2**16 - 1)
    if not environment.get("MASTER_ADDR"):
        raise InputError("MASTER_ADDR: must name the machine of the process with RANK 0")
    return Ranks(rank, world_size, number("LOCAL_RANK", 0, world_size - 1))


@contextmanager
def process_group() -> Iterator[Ranks]:
    """Joins the processes that a launcher started, if there are several, for one run.

    Tensors on the host go through gloo, those on GPUs through nccl. After a failure of which the
    others do not know the group is left as it is: to take it down in good order would need them,
    and the end of this process tells them.

    Raises:
        InputError: If the launcher's variables make no sense.
        ProcessLostError: If another process ends or hangs before the run is over.
    """
    ranks = read_ranks(os.environ)
    if ranks.world_size == 1:
        yield ranks
        return
    try:
        store, _, _ = next(dist.rendezvous("env://", timeout=UNTIL_ALL_ARE_THERE))
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo",
            store=store,
            rank=ranks.rank,
            world_size=ranks.world_size,
            timeout=WITHIN_A_STEP,
        )
        patient = dist.new_group(backend="gloo", timeout=WHILE_ONE_WORKS)
        yield Ranks(ranks.rank, ranks.world_size, ranks.local_rank, patient)
    except RuntimeError as error:
        if not _is_about_a_process(error):
            raise
        raise ProcessLostError(
            f"process {ranks.rank}: another process of the run ended or hangs; see what it said, "
            "then go on with --resume"
        ) from error
    except SystemExit:  # all ranks know; left as it is, the group may abort this process at its end
        dist.destroy_process_group()
        raise
    dist.destroy_process_group()


def _is_about_a_process(error: RuntimeError) -> bool:
    """Whether a failure came from talking to other processes."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _nothing() -> Any:
    return None
