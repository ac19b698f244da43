"""How many rows the nets of a run see in a step: its computing, whatever the machine."""

from typing import Any

import torch
from semilearn.core.hooks import Hook
from torch import nn

from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.protocols import ToolboxAlgorithm

FORWARD, BACKWARD = "train/rows_forward", "train/rows_backward"


def find_nets(algorithm: ToolboxAlgorithm) -> list[nn.Module]:
    """The nets that an algorithm may call: submodels, where a model is a pair, else models."""
    nets: list[nn.Module] = []
    for model in (algorithm.model, algorithm.ema_model):
        pair = [getattr(model, side, None) for side in ("left", "right")]
        nets += [net for net in pair if isinstance(net, nn.Module)] or [model]
    return nets


class PassesHook(Hook):
    """Counts, at the steps that are logged, the rows that went forward through a net, and those of
    them that recorded a gradient and so go backward too. Calls of a head alone are not counted.
    """

    def __init__(self) -> None:
        super().__init__()
        self.handles: list[Any] = []
        self.forward = self.backward = 0

    def before_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        if not is_log_step(algorithm):
            return
        self.forward = self.backward = 0
        self.handles = [
            net.register_forward_pre_hook(self.count, with_kwargs=True)
            for net in find_nets(algorithm)
        ]

    def count(self, net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        inputs = args[0] if args else kwargs.get("x")
        if kwargs.get("only_fc") or not isinstance(inputs, torch.Tensor):
            return
        self.forward += len(inputs)
        self.backward += len(inputs) * torch.is_grad_enabled()

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        if not self.handles:
            return
        for handle in self.handles:
            handle.remove()
        self.handles = []
        ranks = algorithm.world_size
        algorithm.log_dict |= {FORWARD: self.forward * ranks, BACKWARD: self.backward * ranks}
