"""What several ranks share, in a group of one process; tests/commands/test_ranks.py has two."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from dnll_plugin.training import ddp
from dnll_plugin.training.ranks import ALONE, Ranks


@pytest.fixture
def group(tmp_path: Path) -> Iterator[None]:
    dist.init_process_group(
        "gloo", store=dist.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    yield
    dist.destroy_process_group()


def algorithm(hooks: dict[str, Any] | None = None) -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    found = hooks or {}
    return SimpleNamespace(
        model=model,
        ema_model=model,
        optimizer=torch.optim.SGD(model.parameters(), 0.1),
        scheduler=None,
        use_amp=False,
        clip_grad=0,
        hooks_dict=found,
        _hooks=list(found.values()),
        register_hook=lambda hook, name, priority: found.update({name: hook}),
    )


def test_a_single_process_changes_nothing() -> None:
    hooks = {"ParamUpdateHook": object()}
    ddp.distribute(algorithm(hooks), ALONE)
    assert list(hooks) == ["ParamUpdateHook"]


def test_hooks_take_the_places_of_the_toolboxs(group: None) -> None:
    from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook
    from semilearn.core.hooks import ParamUpdateHook

    from dnll_plugin.training.fast_hooks import CountingFlexMatchHook

    masking = CountingFlexMatchHook(FlexMatchThresholdingHook(6, 3, True))
    hooks: dict[str, Any] = {"ParamUpdateHook": ParamUpdateHook(), "MaskingHook": masking}
    for name, hook in hooks.items():
        hook.name, hook.priority = name, 0
    made = algorithm(hooks)
    ddp.distribute(made, Ranks(0, 2, 0))
    assert [type(hook) for hook in made._hooks] == [ddp.AveragingHook, ddp.SharedFlexMatchHook]
    assert "after_train_step" not in vars(hooks["ParamUpdateHook"])
    hooks["MaskingHook"].keep(
        torch.tensor([0, 5]), torch.tensor([1, 2]), torch.tensor([True, False])
    )
    assert hooks["MaskingHook"].selected_label.tolist() == [1, -1, -1, -1, -1, -1]


def test_an_update_over_ranks_is_the_toolboxs(group: None) -> None:
    from semilearn.core.hooks import ParamUpdateHook

    ends = []
    for averaging in (False, True):
        made = algorithm()
        hook = ddp.AveragingHook(made.model) if averaging else ParamUpdateHook()
        x = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
        made.out_dict = {"loss": made.model(x).square().sum()}
        hook.after_train_step(made)
        ends.append([parameter.detach().clone() for parameter in made.model.parameters()])
    assert all(torch.equal(a, b) for a, b in zip(*ends, strict=True))


@pytest.mark.parametrize("bucket_bytes", [1, 20, 10**6])
def test_gradients_are_averaged_in_buckets_of_any_size(
    group: None, monkeypatch: pytest.MonkeyPatch, bucket_bytes: int
) -> None:
    """The sum over the group's one process, divided by two."""
    monkeypatch.setattr(ddp, "BUCKET_BYTES", bucket_bytes)
    model = nn.ModuleList([nn.Linear(3, 2), nn.Linear(2, 1).double(), nn.Linear(2, 2)])
    x = torch.rand(4, 3)

    def gradients(passes: int) -> list[torch.Tensor]:
        model.zero_grad()
        for _ in range(passes):
            model[1](model[0](x).double()).sum().backward()
        assert all(parameter.grad is None for parameter in model[2].parameters())
        return [parameter.grad.clone() for parameter in model[:2].parameters()]

    alone = gradients(1)
    ddp.GradientAverage(model.parameters(), 2)
    for passes, share in ((1, 0.5), (2, 0.75)):  # (0.5 + 1) / 2: what is there already goes along
        averaged = gradients(passes)
        for one, two in zip(alone, averaged, strict=True):
            torch.testing.assert_close(two, share * one)


def test_buffers_are_those_of_rank_0(group: None) -> None:
    made = algorithm()
    before = [buffer.clone() for buffer in made.model.buffers()]
    ddp.BuffersHook().after_train_step(made)
    assert all(torch.equal(a, b) for a, b in zip(before, made.model.buffers(), strict=True))


def test_ranks_hear_of_a_signal_at_the_start_of_the_next_step(group: None) -> None:
    came: list[int] = []
    hook = ddp.AgreementHook(lambda: came[0] if came else None, Ranks(0, 2, 0))
    hook.before_train_step(None)
    came.append(15)
    hook.before_train_step(None)
    assert hook.agreed() is None
    hook.before_train_step(None)
    assert hook.agreed() == 15
    hook.after_run(None)


def test_a_single_process_hears_of_a_signal_at_once() -> None:
    came: list[int] = []
    hook = ddp.AgreementHook(lambda: came[0] if came else None, ALONE)
    hook.before_train_step(None)
    assert hook.agreed() is None
    came.append(15)
    assert hook.agreed() == 15
