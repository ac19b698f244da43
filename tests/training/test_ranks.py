"""What a launcher sets, and how processes end together, without starting any."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch

from dnll_plugin.errors import InputError
from dnll_plugin.training.ranks import ALONE, Ranks, read_ranks

LAUNCHED = {
    **{"WORLD_SIZE": "4", "RANK": "3", "LOCAL_RANK": "1"},
    **{"MASTER_ADDR": "node0", "MASTER_PORT": "29500"},
}


@pytest.mark.parametrize("environment", [{}, {"WORLD_SIZE": "1"}, {"RANK": "0"}])
def test_without_a_launcher_there_is_one_process(environment: dict[str, str]) -> None:
    assert read_ranks(environment) == ALONE


def test_the_launchers_variables_are_read() -> None:
    assert read_ranks(LAUNCHED) == Ranks(rank=3, world_size=4, local_rank=1)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("RANK", value) for value in ("4", "-1", "one", "")),
        *(("WORLD_SIZE", value) for value in ("0", "two", "1.5", "99999999")),
        *(("LOCAL_RANK", value) for value in ("4", "")),
        *(("MASTER_PORT", value) for value in ("0", "70000", "")),
        ("MASTER_ADDR", ""),
    ],
)
def test_a_variable_that_makes_no_sense_is_named(name: str, value: str) -> None:
    with pytest.raises(InputError, match=name) as caught:
        read_ranks({**LAUNCHED, name: value})
    assert "\n" not in str(caught.value)


@dataclass(frozen=True)
class Simulated(Ranks):
    """A rank whose peers hand over what a test says, one answer a gathering."""

    answers: list[Any] = field(default_factory=list)

    def gather(self, value: Any) -> list[Any]:
        others = self.answers.pop(0)
        return [*others[: self.rank], value, *others[self.rank :]]


def fails(error: Exception) -> Callable[[], None]:
    def fail() -> None:
        raise error

    return fail


def test_a_function_that_all_can_call_gives_its_result() -> None:
    assert Simulated(0, 3, answers=[[None, None]]).run_on_all_ranks(lambda: 7) == 7


def test_own_failure_is_raised_on_rank_0() -> None:
    error = InputError("lr: wrong")
    with pytest.raises(InputError) as caught:
        Simulated(0, 2, answers=[[(True, "lr: wrong")]]).run_on_all_ranks(fails(error))
    assert caught.value is error


@pytest.mark.parametrize(("is_input", "kind"), [(True, InputError), (False, RuntimeError)])
def test_rank_0_raises_what_failed_elsewhere(is_input: bool, kind: type) -> None:
    ranks = Simulated(0, 3, answers=[[None, (is_input, "no such file")]])
    with pytest.raises(kind, match=r"no such file \(in process 2\)"):
        ranks.run_on_all_ranks(lambda: 7)


@pytest.mark.parametrize(("is_input", "code"), [(True, 2), (False, 1)])
def test_other_ranks_end_silently_with_the_same_exit_code(is_input: bool, code: int) -> None:
    error = InputError("x") if is_input else RuntimeError("x")
    with pytest.raises(SystemExit) as caught:
        Simulated(1, 2, answers=[[None]]).run_on_all_ranks(fails(error))
    assert caught.value.code == code
    with pytest.raises(SystemExit) as caught:
        Simulated(1, 2, answers=[[(is_input, "x")]]).run_on_all_ranks(lambda: 7)
    assert caught.value.code == code


@pytest.mark.parametrize("rank", [0, 1])
def test_once_is_called_on_rank_0_only(rank: int) -> None:
    called = []

    def write() -> str:
        called.append(rank)
        return "mine"

    answers = [[None], ["theirs" if rank else None]]
    assert Simulated(rank, 2, answers=answers).run_on_rank0(write) == ("theirs" if rank else "mine")
    assert called == ([] if rank else [0])


def test_a_single_process_asks_nobody() -> None:
    assert ALONE.gather(3) == [3]
    assert ALONE.start_max(15)() == 15
    assert ALONE.run_on_rank0(lambda: 4) == ALONE.run_on_rank0_first(lambda: 4) == 4
    with pytest.raises(InputError, match="x"):
        ALONE.run_on_all_ranks(fails(InputError("x")))
    assert ALONE.device_for_rank(torch.device("mps")) == torch.device("mps")


def test_each_process_has_its_own_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    gpus = {"number": 2}
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus["number"])
    cuda, second, third = torch.device("cuda", 0), Ranks(1, 3, 1), Ranks(2, 3, 2)
    assert second.device_for_rank(cuda) == torch.device("cuda", 1)
    with pytest.raises(InputError, match="LOCAL_RANK: process 2 of this machine has no GPU"):
        third.device_for_rank(cuda)
    gpus["number"] = 1  # what srun --gpus-per-task=1 shows each of them
    assert third.device_for_rank(cuda) == torch.device("cuda", 0)
    assert third.device_for_rank(torch.device("cpu")) == torch.device("cpu")
    with pytest.raises(InputError, match="several processes cannot share mps"):
        third.device_for_rank(torch.device("mps"))
