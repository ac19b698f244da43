"""The passes of a step are recorded, and replayed with the gradients that they had."""

import pytest
import torch
from torch import nn

from dnll_plugin.benchmark.passes import recorded, replay
from dnll_plugin.training.passes import find_nets


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 2)

    def forward(self, x: torch.Tensor, only_feat: bool = False) -> dict[str, torch.Tensor]:
        return {"logits": self.layer(x), "feat": x}


class Pair(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.left, self.right = Net(), Net()


class Algorithm:
    def __init__(self, model: nn.Module, ema_model: nn.Module) -> None:
        self.model, self.ema_model = model, ema_model


def test_a_pair_counts_as_its_submodels() -> None:
    pair, teacher = Pair(), Net()
    assert find_nets(Algorithm(pair, teacher)) == [pair.left, pair.right, teacher]


def test_records_inputs_and_gradient_in_order() -> None:
    left, right = Net(), Net()
    x, y = torch.ones(4, 3), torch.zeros(2, 3)
    with recorded([left, right]) as passes:
        left(x)
        with torch.no_grad():
            right(y, only_feat=True)
    left(x)
    assert [(p.net, p.gradient) for p in passes] == [(left, True), (right, False)]
    assert passes[0].args == (x,)
    assert passes[1].kwargs == {"only_feat": True}


def test_replay_adds_up_what_has_a_gradient() -> None:
    left, right = Net(), Net()
    x = torch.ones(4, 3)
    with recorded([left, right]) as passes:
        left(x)["logits"].sum().backward()
        with torch.no_grad():
            right(x)
    left.zero_grad()
    total = replay(passes)
    assert total.item() == pytest.approx(left(x)["logits"].mean().item())
    total.backward()
    assert left.layer.weight.grad is not None
    assert right.layer.weight.grad is None


def test_a_head_that_does_not_learn_has_no_backward_pass_in_the_floor() -> None:
    net = Net()
    net.forward = lambda x: {  # type: ignore[method-assign]
        "logits": net.layer(x),
        "logits_cons": net.layer(x) * 2,
    }
    x = torch.ones(4, 3)
    with recorded([net]) as passes:
        net(x)["logits_cons"].sum().backward()
    assert passes[0].learning == {"logits_cons"}
    assert replay(passes).item() == pytest.approx(2 * net.layer(x).mean().item())


def test_records_inputs_as_they_came_to_a_net_with_hooks_of_its_own() -> None:
    net = Net()
    net.register_forward_pre_hook(lambda _, args: (args[0] + 1,))
    x = torch.zeros(2, 3)
    with recorded([net]) as passes:
        output = net(x)["logits"].mean()
        output.backward()
    assert passes[0].args[0] is x
    assert replay(passes).item() == pytest.approx(output.item())


def test_the_scaler_takes_the_update_of_a_floor_in_float16() -> None:
    """As a sum of two heads' logits it had gradients of 65,536, which float16 does not hold."""
    net = Net()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)
    optimizer = torch.optim.SGD(net.parameters(), lr=1.0)
    before = net.layer.bias.detach().clone()
    net.forward = lambda x: {  # type: ignore[method-assign]
        head: net.layer(x).half() for head in ("logits", "logits_cons")
    }
    with recorded([net]) as passes:
        sum(logits.sum() for logits in net(torch.ones(4, 3)).values()).backward()
    net.zero_grad()
    scaler.scale(replay(passes)).backward()
    scaler.step(optimizer)
    scaler.update()
    assert scaler.get_scale() == 2.0**16
    assert torch.allclose(net.layer.bias, before - 1.0)
