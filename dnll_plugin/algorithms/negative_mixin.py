"""DNLL for the toolbox's own algorithms: rows that their mask drops learn negative labels."""

from typing import Any

from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.base import LearnsNegatives, get_negative_arguments
from dnll_plugin.algorithms.masked_rows import MaskedRowsMixin, PendingLoss
from dnll_plugin.algorithms.turns import TakesTurns
from dnll_plugin.functional.losses import negative_label_loss
from dnll_plugin.hooks.monitor import is_log_step


class NegativeMixin(TakesTurns, MaskedRowsMixin, LearnsNegatives):
    """Adds negative labels to an algorithm of the toolbox that masks its consistency loss.

    A row with mask m learns, with weight 1 - m and on its strong view, which classes the prediction
    behind its pseudo-label finds less likely than the batch does on average, or that of a second
    submodel (``negative_source: peer``). The loss is a mean over all rows, as the masked one is:
    over the learning rows alone, as in arXiv:2301.03976, the last few of a run, which are hard or
    strange, would weigh most.

    With ``negative_weight: 0``, and no second submodel, this is the toolbox's algorithm, bit for
    bit.

    Keys: those of the algorithm and of :class:`LearnsNegatives`.
    """

    base_name: str
    """Name of the toolbox's algorithm."""

    def set_dataset(self) -> Any:
        """The views of an image depend on the algorithm's name, and are those of the base."""
        self.algorithm = self.base_name
        dataset_dict = super().set_dataset()
        self.algorithm = self.args.algorithm
        return dataset_dict

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss | None:
        weight = self.negative_weight()
        if weight == 0:
            return None
        source = self.predict_as_peer() if self.has_peer else weak
        negatives = self.call_hook("gen_negatives", "NegativeLabelHook", logits=source)
        learns = 1.0 - mask.float()
        loss = negative_label_loss(strong, negatives, learns, len(learns), self.args.negative_loss)
        log = {}
        if is_log_step(self) and self.idx_ulb is not None:
            log = self.call_hook(
                "observe",
                "MonitorHook",
                idx_ulb=self.idx_ulb.to(learns.device),
                negatives=negatives,
                learns=learns,
            )
            del log["util_ratio"]  # the algorithm's to tell
            log["negative_loss"] = loss.detach()
        return weight * loss, log

    @classmethod
    def get_argument(cls) -> list[SSL_Argument]:
        own = get_negative_arguments(
            negative_sampling="below_average",
            negative_loss="together",
            negative_weight=1.0,
            negative_rampup=0.0,
            negative_late_epoch=None,
        )
        return [*super().get_argument(), *own]


def learn_negatives_too(base_name: str, sources: tuple[str, ...] = ("self", "peer")) -> None:
    """Registers ``dnll_<base_name>``, where the toolbox has the algorithm ``base_name``.

    Args:
        base_name: The algorithm's name.
        sources: What ``negative_source`` may be; no ``peer`` where the algorithm wraps its net.
    """
    if base_name in ALGORITHMS:
        base = ALGORITHMS[base_name]
        members = {
            "base_name": base_name,
            "negative_sources": sources,
            "__doc__": f"{base.__name__} that learns negatives too.",
        }
        ALGORITHMS[f"dnll_{base_name}"] = type(
            f"DNLL{base.__name__}", (NegativeMixin, base), members
        )


learn_negatives_too("adamatch")
learn_negatives_too("comatch", sources=("self",))
learn_negatives_too("dash")
learn_negatives_too("defixmatch")
learn_negatives_too("fixmatch")
learn_negatives_too("flexmatch")
learn_negatives_too("freematch")
learn_negatives_too("pseudolabel")
learn_negatives_too("refixmatch")
learn_negatives_too("sequencematch")
learn_negatives_too("simmatch", sources=("self",))
learn_negatives_too("softmatch")
learn_negatives_too("uda")
