"""Parts of building an algorithm that need no run to be seen."""

import pytest
import torch
from torch import nn

from dnll_plugin.toolbox.build import fuse


@pytest.mark.parametrize("name", ["SGD", "AdamW"])
def test_a_fused_optimizer_takes_the_same_steps(name: str) -> None:
    from semilearn.core.utils import get_optimizer

    nets = [nn.Linear(30, 20), nn.Linear(30, 20)]
    nets[1].load_state_dict(nets[0].state_dict())
    optimizers = [get_optimizer(net, name, lr=0.1, weight_decay=0.01) for net in nets]
    fuse(optimizers[1])
    for _ in range(5):
        gradient = torch.randn(20, 30)
        for net, optimizer in zip(nets, optimizers, strict=True):
            net.weight.grad, net.bias.grad = gradient.clone(), gradient[:, 0].clone()
            optimizer.step()
    torch.testing.assert_close(nets[1].weight, nets[0].weight)
    torch.testing.assert_close(nets[1].bias, nets[0].bias)
