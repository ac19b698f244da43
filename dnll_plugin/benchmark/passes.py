"""The passes of a training step: which nets saw which inputs, and the same again without a method.

The *floor* of a step is the time of its passes alone: the same nets on the same inputs, forward and
where the step has a gradient backward, with a mean for a loss, and the same optimizer.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
    """

    net: nn.Module
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    gradient: bool


@contextmanager
def recorded(nets: list[nn.Module]) -> Iterator[list[Pass]]:
    """Records the calls of nets, in their order, while the context is open."""
    passes: list[Pass] = []

    def note(net: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        passes.append(Pass(net, args, kwargs, torch.is_grad_enabled()))

    # prepended: the inputs as they came, for what a net's own hooks do to them is done again
    handles = [net.register_forward_pre_hook(note, with_kwargs=True, prepend=True) for net in nets]
    try:
        yield passes
    finally:
        for handle in handles:
            handle.remove()


def replay(passes: list[Pass]) -> Tensor:
    """Calls the nets again; returns the means of the logits that have a gradient, added up.

    A mean has gradients of the size of a real loss's. Those of a sum, times the 65,536 of the
    scaler, are more than float16 holds, and the scaler would leave out the update. In float32, for
    the same reason.
    """
    means = []
    for call in passes:
        with torch.set_grad_enabled(call.gradient):
            output = call.net(*call.args, **call.kwargs)
            if call.gradient:
                means += [logits.mean(dtype=torch.float32) for logits in select_logits(output)]
    return torch.stack(means).sum()


def select_logits(output: Any) -> list[Tensor]:
    """The logits in what a net returns: of each head, or the output itself."""
    if isinstance(output, dict):
        return [output[name] for name in ("logits", "logits_cons") if name in output]
    return [output]
