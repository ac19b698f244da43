"""A further loss, of the rows that an algorithm of the toolbox masks, without copying its step."""

from functools import cached_property
from inspect import signature
from typing import Any

from semilearn.core import AlgorithmBase
from torch import Tensor

from dnll_plugin.hooks.logged_numbers import leave_numbers_on
from dnll_plugin.hooks.step_record import record_step

PendingLoss = tuple[Tensor, dict[str, Tensor]]
"""A loss with its weight, and what to log of it at a step that is logged."""


class MaskedRowsMixin(AlgorithmBase):
    """Adds a loss to an algorithm of the toolbox that masks its consistency loss.

    The algorithm's step stays as it is: :func:`record_step` takes what the loss needs from the
    calls that the step makes.
    """

    batch: dict[str, Any]
    """The batch of the step, while its masked rows learn."""

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss | None:
        """The loss of the rows that are masked.

        Args:
            strong: Logits (U, K) of the strong view, with gradient.
            weak: Logits (U, K) behind the pseudo-labels, without; a probability of 0 is -inf.
            mask: (U,), in [0, 1].

        Returns:
            The loss with its weight and what to log of it; None for no loss at this step.
        """
        raise NotImplementedError

    def observe_negatives(self, negatives: Tensor, learns: Tensor) -> dict[str, Tensor]:
        """What the negatives of the step teach, as ``MonitorHook`` measures it.

        Args:
            negatives: Boolean (U, K).
            learns: (U,), the weight of each row.

        Returns:
            What to log; nothing where the batch does not hold the rows' places.
        """
        idx_ulb = self.batch.get("idx_ulb")
        if idx_ulb is None:
            return {}
        seen = self.call_hook(
            "observe",
            "MonitorHook",
            idx_ulb=idx_ulb.to(learns.device),
            negatives=negatives,
            learns=learns,
        )
        return {
            name: value
            for name, value in seen.items()
            if not name.startswith("util_ratio")  # the algorithm's to tell
        }

    @cached_property
    def step_arguments(self) -> tuple[str, ...]:
        """What the algorithm's own step takes of a batch."""
        return tuple(signature(super().train_step).parameters)

    def process_batch(self, input_args: list[str] | None = None, **batch: Tensor) -> dict[str, Any]:
        """Processes a batch, and keeps the rows' places, which not every step takes."""
        return super().process_batch(input_args or [*self.step_arguments, "idx_ulb"], **batch)

    def train_step(self, **batch: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        """The algorithm's step, with the loss of its masked rows added.

        Raises:
            StepNotRecordedError: If the step hands over no strong logits, weak prediction or mask.
        """
        own = {name: batch[name] for name in self.step_arguments if name in batch}
        with record_step(self) as record, leave_numbers_on("cuda"):
            out_dict, log_dict = super().train_step(**own)
        self.batch = batch
        try:
            with self.amp_cm():
                learned = self.learn_masked(*record.masked_rows(self))
        finally:
            del self.batch
        if learned is None:
            return out_dict, log_dict
        loss, log = learned
        total = out_dict["loss"] + loss
        out_dict = self.process_out_dict(out_dict, loss=total)
        return out_dict, self.process_log_dict(log_dict, total_loss=total.detach(), **log)
