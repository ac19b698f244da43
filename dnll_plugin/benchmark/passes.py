"""The passes of a training step: which nets saw which inputs, and the same again without a method.

The *floor* of a step is the time of its passes alone: the same nets on the same inputs, forward and
where the step has a gradient backward, with a mean for a loss, and the same optimizer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Pass:
    """One call of a net.

    Attributes:
        net: The net, a submodel where there are several.
        args: What it was called with.
        kwargs: The same, by name.
        gradient: Whether the call recorded a gradient.
        learning: Names of the logits that it gave and that a gradient came back to.
    """

    net: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    gradient: bool
    learning: set[str] = field(default_factory=set)


@contextmanager
def recorded(nets: list[nn.Module]) -> Iterator[list[Pass]]:
    """Records the calls of nets, in their order, and what of them learns while it is open."""
    passes: list[Pass] = []

    def note(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        passes.append(Pass(net, args, kwargs, torch.is_grad_enabled()))

    def watch(net: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        learning = passes[-1].learning
        for name, logits in select_logits(output).items():
            if logits.requires_grad:
                logits.register_hook(lambda gradient, name=name: learning.add(name))

    # prepended: the inputs as they came, for what a net's own hooks do to them is done again
    handles = [net.register_forward_pre_hook(note, with_kwargs=True, prepend=True) for net in nets]
    handles += [net.register_forward_hook(watch) for net in nets]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


def replay(passes: list[Pass]) -> Tensor:
    """Calls the nets again; returns the means of the logits that learned, added up.

    A mean has gradients of the size of a real loss's. Those of a sum, times the 65,536 of the
    scaler, are more than float16 holds, and the scaler would leave out the update. In float32, for
    the same reason.
    """
    means = []
    for call in passes:
        with torch.set_grad_enabled(call.gradient):
            output = call.net(*call.args, **call.kwargs)
            logits = select_logits(output)
            means += [logits[name].mean(dtype=torch.float32) for name in sorted(call.learning)]
    return torch.stack(means).sum()


def select_logits(output: Any) -> dict[str, Tensor]:
    """The logits in what a net returns: of each head by its name, or the output itself."""
    if isinstance(output, dict):
        return {name: value for name, value in output.items() if name.startswith("logits")}
    return {"logits": output}
