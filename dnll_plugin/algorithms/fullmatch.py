"""FullMatch and FullFlex: every row learns negatives, chosen by rank."""

from semilearn.algorithms.fixmatch import FixMatch
from semilearn.algorithms.flexmatch import FlexMatch
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.masked_rows import MaskedRowsMixin, PendingLoss
from dnll_plugin.functional.full_match import (
    adaptive_negative_loss,
    choose_roles,
    entropy_meaning_loss,
)
from dnll_plugin.functional.negatives import find_top_k
from dnll_plugin.hooks.across_ranks import average_ranks, highest_of_ranks
from dnll_plugin.hooks.monitor import MonitorHook, is_log_step


class AllRowsMixin(MaskedRowsMixin):
    """Adds the two losses of FullMatch to an algorithm with a threshold ``p_cutoff``.

    Adaptive negative learning teaches every row, masked or not, that it is not of the classes
    beyond the k likeliest of its weak view; the batch decides k. Entropy meaning loss draws the
    other classes among those k to an even share, in the rows with a pseudo-label. Both have weight
    1, as published, and no key.
    """

    p_cutoff: float

    def set_hooks(self) -> None:
        self.register_hook(MonitorHook(), "MonitorHook")
        super().set_hooks()

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss:
        top_k = highest_of_ranks(self, find_top_k(weak, strong.detach()))
        roles = choose_roles(strong, weak, mask, top_k, self.p_cutoff)
        count = average_ranks(self, roles.evened.sum().float())
        negative = adaptive_negative_loss(strong, roles.negatives)
        entropy = entropy_meaning_loss(strong, roles, top_k, count)
        log = {}
        if is_log_step(self):
            log = self.observe_negatives(roles.negatives, mask.new_ones(mask.shape))
            log |= {"negative_loss": negative.detach(), "entropy_loss": entropy.detach()}
            log["top_k"] = top_k
        return self.lambda_u * (negative + entropy), log


@ALGORITHMS.register("fullmatch")
class FullMatch(AllRowsMixin, FixMatch):
    """Boosting Semi-Supervised Learning by Exploiting All Unlabeled Data (arXiv:2303.11066).

    Keys: those of FixMatch.
    """


@ALGORITHMS.register("fullflex")
class FullFlex(AllRowsMixin, FlexMatch):
    """FullMatch over FlexMatch.

    Keys: those of FlexMatch.
    """
