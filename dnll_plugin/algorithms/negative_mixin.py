"""DNLL for the toolbox's own algorithms: rows that their mask drops learn negative labels."""

from typing import Any

from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from torch import Tensor, nn

from dnll_plugin.algorithms.base import LearnsNegatives, negative_arguments
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.losses import negative_label_loss

PREDICTIONS = {
    "masking": ("logits_x_ulb", "softmax_x_ulb"),
    "gen_ulb_targets": ("logits", "softmax"),
}
"""Calls of hooks that hand over the weak view's prediction: as what, and whether as logits."""


class NegativeMixin(LearnsNegatives):
    """Adds negative labels to an algorithm of the toolbox that masks its consistency loss.

    A row with mask m learns, with weight 1 - m and on its strong view, classes that the prediction
    behind its pseudo-label rules out. The loss is the mean over these rows, as in arXiv:2301.03976.

    The algorithm's step stays as it is; three of its calls are listened to: a hook's, which gets
    the prediction, the first of the consistency loss in a step, which gets the mask and the strong
    view's logits, and the one that hands over the total loss. With ``negative_weight: 0`` it is the
    toolbox's algorithm, bit for bit.

    Keys: those of the algorithm and of :class:`LearnsNegatives`.
    """

    negative_sources = ("self",)
    base_name: str
    """Name of the toolbox's algorithm."""

    prediction: tuple[Tensor, bool]
    """Prediction (U, K) of the weak view, and whether it is one of logits."""
    negative_terms: dict[str, Tensor]
    """Of the step so far: ``loss``, ``negatives`` (U, K) and ``learns`` (U,); else empty."""

    def set_dataset(self) -> Any:
        """The views of an image depend on the algorithm's name, and are those of the base."""
        self.algorithm = self.base_name
        dataset_dict = super().set_dataset()
        self.algorithm = self.args.algorithm
        return dataset_dict

    def set_hooks(self) -> None:
        super().set_hooks()
        self.negative_terms = {}
        self.consistency_loss.register_forward_hook(self.learn_negatives, with_kwargs=True)

    def process_batch(self, input_args: Any = None, **batch: Any) -> dict[str, Any]:
        self.idx_ulb = batch["idx_ulb"]
        return super().process_batch(input_args, **batch)

    def call_hook(
        self, fn_name: str, hook_name: str | None = None, *args: Any, **kwargs: Any
    ) -> Any:
        if fn_name in PREDICTIONS:
            prediction, is_logits = PREDICTIONS[fn_name]
            self.prediction = kwargs[prediction].detach(), kwargs.get(is_logits, True)
        return super().call_hook(fn_name, hook_name, *args, **kwargs)

    def learn_negatives(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: Tensor
    ) -> None:
        """Called after the consistency loss; its first call in a step is the unlabeled rows'."""
        if self.negative_terms or self.negative_weight() == 0:
            return
        prediction, is_logits = self.prediction
        logits = prediction if is_logits else prediction.log()
        negatives = self.call_hook("gen_negatives", "NegativeLabelHook", logits=logits)
        learns = 1.0 - kwargs["mask"].detach().float()
        count = self.call_hook("count_rows", "NegativeLabelHook", rows=learns)
        loss = negative_label_loss(args[0], negatives, learns, count)
        self.negative_terms = {"loss": loss, "negatives": negatives, "learns": learns}

    def process_out_dict(self, out_dict: Any = None, **kwargs: Any) -> dict[str, Any]:
        if self.negative_terms:
            kwargs["loss"] = kwargs["loss"] + self.negative_weight() * self.negative_terms["loss"]
            self.total_loss = kwargs["loss"].detach()
        return super().process_out_dict(out_dict, **kwargs)

    def process_log_dict(
        self, log_dict: Any = None, prefix: str = "train", **kwargs: Any
    ) -> dict[str, Any]:
        terms, self.negative_terms = self.negative_terms, {}
        if terms:
            kwargs["total_loss"] = self.total_loss
            if is_log_step(self):
                kwargs |= self.measure(**terms)
        return super().process_log_dict(log_dict, prefix, **kwargs)

    def measure(self, loss: Tensor, negatives: Tensor, learns: Tensor) -> dict[str, Tensor]:
        """What to log; the share of rows that are used positively is the algorithm's to tell."""
        seen = self.call_hook(
            "observe",
            "MonitorHook",
            idx_ulb=self.idx_ulb.to(learns.device),
            negatives=negatives,
            learns=learns,
        )
        del seen["util_ratio"]
        return {"negative_loss": loss.detach(), **seen}

    @classmethod
    def get_argument(cls) -> list[SSL_Argument]:
        own = negative_arguments(negative_weight=1.0, negative_rampup=0.0, negative_late_epoch=None)
        return [*super().get_argument(), *own]


def learn_negatives_too(base_name: str) -> None:
    """Registers ``dnll_<base_name>``, where the toolbox has the algorithm ``base_name``."""
    if base_name in ALGORITHMS:
        base = ALGORITHMS[base_name]
        members = {"base_name": base_name, "__doc__": f"{base.__name__} that learns negatives too."}
        ALGORITHMS[f"dnll_{base_name}"] = type(
            f"DNLL{base.__name__}", (NegativeMixin, base), members
        )


learn_negatives_too("adamatch")
learn_negatives_too("comatch")
learn_negatives_too("dash")
learn_negatives_too("defixmatch")
learn_negatives_too("fixmatch")
learn_negatives_too("flexmatch")
learn_negatives_too("freematch")
learn_negatives_too("pseudolabel")
learn_negatives_too("refixmatch")
learn_negatives_too("sequencematch")
learn_negatives_too("simmatch")
learn_negatives_too("softmatch")
learn_negatives_too("uda")
