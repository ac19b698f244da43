"""A further loss, of the rows that an algorithm of the toolbox masks, without copying its step."""

from typing import Any

from semilearn.core import AlgorithmBase
from torch import Tensor, nn

PREDICTIONS = {
    "masking": ("logits_x_ulb", "softmax_x_ulb"),
    "gen_ulb_targets": ("logits", "softmax"),
}
"""Calls of hooks that hand over the weak view's prediction: as what, and whether as logits."""

PendingLoss = tuple[Tensor, dict[str, Tensor]]
"""A loss with its weight, and what to log of it at a step that is logged."""


class MaskedRowsMixin(AlgorithmBase):
    """Adds a loss to an algorithm of the toolbox that masks its consistency loss.

    The algorithm's step stays as it is; four of its calls are listened to: a hook's, which gets the
    prediction behind the pseudo-labels; the first of the consistency loss in a step, which gets the
    strong view's logits and the mask; and those that hand over the total loss and what to log.
    """

    idx_ulb: Tensor | None = None
    """Places of the batch's rows (U,) in the unlabeled set."""
    prediction: tuple[Tensor, bool]
    """Prediction (U, K) of the weak view, and whether it is one of logits."""
    pending_loss: PendingLoss | None = None
    """Of the step so far."""

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

    def set_hooks(self) -> None:
        super().set_hooks()
        self.consistency_loss.register_forward_hook(self.after_consistency, with_kwargs=True)

    def process_batch(self, input_args: Any = None, **batch: Any) -> dict[str, Any]:
        self.idx_ulb = batch.get("idx_ulb")
        return super().process_batch(input_args, **batch)

    def call_hook(
        self, fn_name: str, hook_name: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        if fn_name in PREDICTIONS:
            prediction, is_logits = PREDICTIONS[fn_name]
            self.prediction = kwargs[prediction].detach(), kwargs.get(is_logits, True)
        return super().call_hook(fn_name, hook_name, *args, **kwargs)

    def after_consistency(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> None:
        """Called after the consistency loss; its first call in a step is the unlabeled rows'."""
        if self.pending_loss is None:
            prediction, is_logits = self.prediction
            weak = prediction if is_logits else prediction.log()
            self.pending_loss = self.learn_masked(args[0], weak, kwargs["mask"].detach())

    def process_out_dict(self, out_dict: Any = None, **kwargs: Any) -> dict[str, Any]:
        if self.pending_loss is not None:
            loss, log = self.pending_loss
            kwargs["loss"] = kwargs["loss"] + loss
            log["total_loss"] = kwargs["loss"].detach()
        return super().process_out_dict(out_dict, **kwargs)

    def process_log_dict(
        self, log_dict: Any = None, prefix: str = "train", **kwargs: Any
    ) -> dict[str, Any]:
        if self.pending_loss is not None:
            kwargs |= self.pending_loss[1]
            self.pending_loss = None
        return super().process_log_dict(log_dict, prefix, **kwargs)
