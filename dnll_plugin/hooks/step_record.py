"""What a step computes of its unlabeled rows, recorded while the step runs."""

from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from typing import Any

from torch import Tensor, nn

from dnll_plugin.protocols import ToolboxAlgorithm

PREDICTIONS = {
    "masking": ("logits_x_ulb", "softmax_x_ulb"),
    "gen_ulb_targets": ("logits", "softmax"),
}
"""Calls of hooks that hand over the weak view's prediction: as what, and whether as logits."""


class StepNotRecordedError(RuntimeError):
    """An algorithm's step did not make the calls that a record of it is taken from."""


@dataclass
class StepRecord:
    """The unlabeled rows of one step; None for what the step did not hand over.

    Attributes:
        idx_ulb: Integer (U,), their places in the unlabeled set.
        strong: Logits (U, K) of the strong view, with gradient.
        weak: Logits (U, K) behind the pseudo-labels, without; a probability of 0 is -inf.
        mask: (U,), in [0, 1], without gradient.
    """

    idx_ulb: Tensor | None = None
    strong: Tensor | None = None
    weak: Tensor | None = None
    mask: Tensor | None = None

    def masked_rows(self, algorithm: ToolboxAlgorithm) -> tuple[Tensor, Tensor, Tensor]:
        """``strong``, ``weak`` and ``mask``, all of this step.

        Raises:
            StepNotRecordedError: If one of them is missing.
        """
        if self.strong is None or self.mask is None:
            missing = "strong logits and no mask: it never calls self.consistency_loss with a mask"
        elif self.weak is None:
            calls = " nor ".join(PREDICTIONS)
            missing = f"weak prediction: it calls neither hook {calls} before consistency_loss"
        else:
            return self.strong, self.weak, self.mask
        raise StepNotRecordedError(
            f"{algorithm.args.algorithm}: its train_step hands over no {missing}"
        )


@contextmanager
def record_step(algorithm: ToolboxAlgorithm) -> Iterator[StepRecord]:
    """Records a step of an algorithm that masks its consistency loss, which stays as it is.

    Listened to are, while the context is open: the batch where it is processed; the hooks that get
    the prediction behind the pseudo-labels; and the consistency loss, whose first call with a mask
    is that of the unlabeled rows. Contexts may be nested.

    Args:
        algorithm: An algorithm, of the toolbox or of anyone.
    """
    record = StepRecord()
    last: dict[str, Any] = {}  # the latest prediction, and whether it is one of logits
    process_batch, call_hook = algorithm.process_batch, algorithm.call_hook
    loss_arguments = signature(algorithm.consistency_loss.forward)

    def see_batch(input_args: list[str] | None = None, **batch: Tensor) -> dict[str, Any]:
        record.idx_ulb = batch.get("idx_ulb")
        return process_batch(input_args, **batch)

    def see_prediction(
        fn_name: str, hook_name: str | None = None, *args: object, **kwargs: object
    ) -> Any:
        if fn_name in PREDICTIONS:
            prediction, is_logits = PREDICTIONS[fn_name]
            last.update(prediction=kwargs[prediction], is_logits=kwargs.get(is_logits, True))
        return call_hook(fn_name, hook_name, *args, **kwargs)

    def see_loss(
        module: nn.Module, args: Namespace, kwargs: dict[str, Any], output: Tensor
    ) -> None:
        given = loss_arguments.bind(*args, **kwargs).arguments
        if record.mask is not None or given.get("mask") is None:
            return
        record.strong, record.mask = given["logits"], given["mask"].detach()
        if last:
            prediction = last["prediction"].detach()
            record.weak = prediction if last["is_logits"] else prediction.log()

    handle = algorithm.consistency_loss.register_forward_hook(see_loss, with_kwargs=True)
    try:
        with replaced(algorithm, process_batch=see_batch, call_hook=see_prediction):
            yield record
    finally:
        handle.remove()


@contextmanager
def replaced(owner: Any, **methods: Any) -> Iterator[None]:
    """Replaces methods of one object, or of a class, and puts back what was there."""
    before = {name: vars(owner)[name] for name in methods if name in vars(owner)}
    for name, method in methods.items():
        setattr(owner, name, method)
    try:
        yield
    finally:
        for name in methods:
            delattr(owner, name)
        for name, method in before.items():
            setattr(owner, name, method)
