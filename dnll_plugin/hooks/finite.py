"""The hook that ends a run whose numbers have gone bad, before a checkpoint is made of them."""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from semilearn.core.hooks import Hook
from torch import Tensor, nn

from dnll_plugin.errors import RunError
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.protocols import ToolboxAlgorithm

SKIPPED_STEPS = 20
"""Updates in a row that the loss scaler may leave out. It halves its scale, 65,536 at first, each
time: after 20 of them it is below 0.1, and no scale will help."""


_NEVER = 2**62
"""Stands for a step that is not reached."""


class NotFiniteError(RunError):
    """The loss, the gradient or the weights of a run are not finite."""


class Found(NamedTuple):
    """What was not finite first, and at which step, counted from 1."""

    step: int
    what: str


class FirstBad:
    """Keeps, on the device, the first step at which each of some numbers was not finite.

    Args:
        names: Of the numbers, in their order.
    """

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names
        self.steps: Tensor | None = None

    def look(self, values: Tensor, step: int) -> None:
        """Looks at the numbers (N,) of a step; reads nothing from the device."""
        if self.steps is None:
            self.steps = torch.full_like(values, _NEVER, dtype=torch.long)
        is_finite = values * 0 == 0  # isfinite() takes four kernels
        self.steps = torch.where(is_finite, self.steps, self.steps.clamp(max=step))

    def found(self) -> Found | None:
        """What was found; this reads from the device."""
        steps = [] if self.steps is None else self.steps.tolist()
        step = min(steps, default=_NEVER)
        if step == _NEVER:
            return None
        bad = [name for name, at in zip(self.names, steps, strict=True) if at == step]
        others = f" and {len(bad) - 3} more" if len(bad) > 3 else ""
        return Found(step, ", ".join(bad[:3]) + others)


class FiniteHook(Hook):
    """Ends the run when its loss, a gradient or a weight is not finite.

    Loss, terms and gradients are looked at in each step, on the device. What was found is read at
    the steps that are logged, which synchronise anyway, and before each checkpoint, so that the
    last checkpoint is always a good one. Under AMP the scaler leaves out updates with infinite
    gradients; `SKIPPED_STEPS` in a row end the run.

    Args:
        last_checkpoint: Says what the last good checkpoint is.
        gather: Gives the values of all ranks, so that all end at once and say the same.
    """

    def __init__(
        self,
        last_checkpoint: Callable[[], str] = lambda: "no checkpoint was written",
        gather: Callable[[Any], list[Any]] = lambda value: [value],
    ) -> None:
        super().__init__()
        self.last_checkpoint = last_checkpoint
        self.gather = gather
        self.parameters: dict[str, nn.Parameter] = {}
        self.losses: dict[tuple[str, ...], FirstBad] = {}
        self.gradients: dict[tuple[str, ...], FirstBad] = {}
        self.updated = False
        self.skipped = 0
        self.handle: Any = None

    def before_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.release()  # of a step that failed
        self.handle = algorithm.optimizer.register_step_pre_hook(
            lambda *_: self.look_at_gradients(algorithm)
        )

    def release(self) -> None:
        """Leaves the optimizer alone: updates outside of a run's steps are not looked at."""
        if self.handle is not None:
            self.handle.remove()
            self.handle = None

    def look_at_gradients(self, algorithm: ToolboxAlgorithm) -> None:
        """Called before the optimizer's step, which the scaler may leave out."""
        self.updated = True
        if not self.parameters:
            self.parameters = {
                f"gradient of {name}": parameter
                for name, parameter in algorithm.model.named_parameters()
            }
        gradients = {
            name: parameter.grad
            for name, parameter in self.parameters.items()
            if parameter.grad is not None
        }
        norms = torch.stack(torch._foreach_norm(list(gradients.values())))
        look(self.gradients, tuple(gradients), norms, algorithm.it + 1)

    def after_train_step(self, algorithm: ToolboxAlgorithm) -> None:
        self.release()
        if self.updated:
            names, values = collect_losses(algorithm)
            look(self.losses, names, values, algorithm.it + 1)
        self.skipped = 0 if self.updated else self.skipped + 1
        self.updated = False
        if is_log_step(algorithm) or self.skipped == SKIPPED_STEPS:
            self.check(algorithm)

    def check(self, algorithm: ToolboxAlgorithm) -> None:
        """Raises NotFiniteError if a number went bad; this reads from the device."""
        kept = [*self.losses.values(), *self.gradients.values()]
        found = [first.found() for first in kept]
        if self.skipped == SKIPPED_STEPS:
            found.append(Found(algorithm.it + 1, f"the gradient of {SKIPPED_STEPS} steps in a row"))
        found.append(find_bad_weight(algorithm))
        bad = [one for ranks in self.gather(found) for one in ranks if one is not None]
        if bad:
            first = min(bad, key=lambda one: one.step)  # of equals the loss, which stands first
            raise NotFiniteError(
                f"not finite at step {first.step}: {first.what}; {self.last_checkpoint()}; "
                "lower lr, or a weight, and start anew"
            )


def look(
    kept: dict[tuple[str, ...], FirstBad], names: tuple[str, ...], values: Tensor, step: int
) -> None:
    """Looks at numbers with these names; they may be others from step to step."""
    if names not in kept:
        kept[names] = FirstBad(names)
    kept[names].look(values, step)


def collect_losses(algorithm: ToolboxAlgorithm) -> tuple[tuple[str, ...], Tensor]:
    """Names and values (N,) of the terms of a step's loss, and of the loss itself.

    Algorithms hand over their terms as ``loss_terms``, or log them: as tensors, or as numbers that
    they have read from the device already.
    """
    loss = algorithm.out_dict["loss"].detach()
    terms = getattr(algorithm, "loss_terms", None)
    logged = {} if terms else algorithm.log_dict
    named = [(f"{name}_loss", term.detach().to(loss.dtype)) for name, term in (terms or {}).items()]
    for name, value in logged.items():
        if not name.endswith("loss"):
            continue
        if isinstance(value, Tensor) and value.device == loss.device:
            named.append((name.removeprefix("train/"), value.detach().to(loss.dtype)))
        elif not math.isfinite(value):
            named.append((name.removeprefix("train/"), loss.new_full((), math.nan)))
    names, values = zip(*named, ("loss", loss), strict=True)
    return names, torch.stack(values)


def find_bad_weight(algorithm: ToolboxAlgorithm) -> Found | None:
    """The first weights that are not finite now, or None; this reads from the device."""
    weights = dict(algorithm.model.named_parameters())
    norms = torch._foreach_norm([weight.detach() for weight in weights.values()])
    for name, is_good in zip(weights, torch.stack(norms).isfinite().tolist(), strict=True):
        if not is_good:
            return Found(algorithm.it + 1, name)
    return None
