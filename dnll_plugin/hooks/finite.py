"""The hook that ends a run whose numbers have gone bad, before a checkpoint is made of them."""

from typing import Any

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.hooks.monitor import is_log_step


class NotFiniteError(RuntimeError):
    """The loss or the weights of a run are not finite."""


class FiniteHook(Hook):
    """Ends the run when its loss, or a weight, is not finite.

    The first bad step is kept on the device and read at the steps that are logged, which
    synchronise anyway, and before each checkpoint. Under AMP the scaler leaves out updates with
    infinite gradients, whose loss is finite, so that those end no run.
    """

    def __init__(self) -> None:
        super().__init__()
        self.first_bad: Tensor | None = None

    def after_train_step(self, algorithm: Any) -> None:
        loss = algorithm.out_dict["loss"].detach()
        if self.first_bad is None:
            self.first_bad = torch.full((), -1, dtype=torch.long, device=loss.device)
        is_first = ~loss.isfinite() & (self.first_bad < 0)
        self.first_bad = torch.where(is_first, algorithm.it + 1, self.first_bad)
        if is_log_step(algorithm):
            self.check(algorithm)

    def check(self, algorithm: Any) -> None:
        """Raises NotFiniteError if a number went bad; this reads from the device."""
        step = -1 if self.first_bad is None else int(self.first_bad)
        if step >= 0:
            raise NotFiniteError(f"the loss is not finite at step {step}{_advice(algorithm)}")
        norms = torch._foreach_norm([p.detach() for p in algorithm.model.parameters()])
        if not torch.stack(norms).isfinite().all():
            raise NotFiniteError(
                f"a weight is not finite at step {algorithm.it + 1}{_advice(algorithm)}"
            )


def _advice(algorithm: Any) -> str:
    terms = [
        name.removeprefix("train/")
        for name, value in algorithm.log_dict.items()
        if name.startswith("train/") and name.endswith("loss") and not _finite(value)
    ]
    named = f" ({', '.join(terms)})" if terms else ""
    return f"{named}; the last checkpoint is from before: lower lr, or a weight, and start anew"


def _finite(value: Any) -> bool:
    return bool(torch.as_tensor(value).isfinite())
