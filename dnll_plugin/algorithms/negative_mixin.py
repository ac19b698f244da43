"""DNLL for the toolbox's own algorithms: rows that their mask drops learn negative labels."""

import sys
from argparse import Namespace
from collections.abc import Collection
from difflib import get_close_matches

from semilearn.algorithms.utils import SSL_Argument
from semilearn.core import AlgorithmBase
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.base import LearnsNegatives, get_negative_arguments
from dnll_plugin.algorithms.masked_rows import MaskedRowsMixin, PendingLoss
from dnll_plugin.algorithms.table import OWN_ALGORITHMS, Algorithm, add_algorithm
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

    @classmethod
    def views_like(cls, args: Namespace) -> str:
        """The toolbox's algorithm whose views of an image are this one's: the base."""
        return cls.base_name

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss | None:
        weight = self.negative_weight()
        if weight == 0:
            return None
        source = self.predict_as_peer(self.batch["x_ulb_w"]) if self.has_peer else weak
        negatives = self.call_hook(
            "gen_negatives", "NegativeLabelHook", logits=source, learner=strong
        )
        learns = 1.0 - mask.float()
        loss = negative_label_loss(strong, negatives, learns, len(learns), self.args.negative_loss)
        log = {}
        if is_log_step(self):
            log = self.observe_negatives(negatives, learns)
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


def learn_negatives_too(
    base_name: str, sources: tuple[str, ...] = ("self", "peer")
) -> type[NegativeMixin]:
    """Makes ``dnll_<base_name>`` of an algorithm that is not in the plugin's own table.

    Args:
        base_name: Name under which the algorithm is registered with the toolbox.
        sources: What ``negative_source`` may be, the default first; no ``peer`` where the algorithm
            wraps its net.

    Returns:
        The class, registered. It is an attribute of the module of the algorithm's class, so that
        whoever unpickles it imports what makes it.

    Raises:
        ValueError: If there is no such algorithm, or there is another ``dnll_<base_name>``.
    """
    module = find_algorithm(base_name).__module__
    row = Algorithm(f"dnll_{base_name}", module, base=base_name, negative_sources=sources)
    add_algorithm(row)
    return make_class(row)


def make_class(row: Algorithm) -> type[NegativeMixin]:
    """Makes and registers the class of a row with a base, as an attribute of the row's module.

    Raises:
        ValueError: If the toolbox has no such base.
    """
    base = find_algorithm(str(row.base))
    name = f"DNLL{base.__name__}"
    members = {
        "base_name": row.base,
        "negative_sources": row.negative_sources,
        "__doc__": f"{base.__name__} that learns negatives too.",
        "__module__": row.module,
    }
    made = type(name, (NegativeMixin, base), members)
    setattr(sys.modules[row.module], name, made)
    ALGORITHMS[row.name] = made
    return made


def find_algorithm(name: str) -> type[AlgorithmBase]:
    """The class that is registered with the toolbox under a name.

    Raises:
        ValueError: If there is none.
    """
    if name not in ALGORITHMS:
        nearest = get_close_matches(name, ALGORITHMS.keys(), n=3)
        hint = f"; write {' or '.join(nearest)}" if nearest else ""
        raise ValueError(f"the toolbox has no algorithm {name!r} to learn negatives{hint}")
    return ALGORITHMS[name]


def make_classes(rows: Collection[Algorithm]) -> None:
    """Makes the class of each row with a base; where the toolbox is older, of those that it has."""
    is_newest = any(row.base in ALGORITHMS for row in rows if row.newest_only)
    for row in rows:
        if row.base is not None and (is_newest or not row.newest_only):
            make_class(row)


make_classes([row for row in OWN_ALGORITHMS.values() if row.module == __name__])
