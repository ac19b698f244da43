"""ShrinkMatch: uncertain rows learn their first class among those it is not confused with."""

from typing import Any

from semilearn.algorithms.fixmatch import FixMatch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.masked_rows import MaskedRowsMixin, PendingLoss
from dnll_plugin.functional.class_shrinking import uncertain_loss
from dnll_plugin.hooks.certainty import CertaintyHook
from dnll_plugin.hooks.monitor import is_log_step


@ALGORITHMS.register("shrinkmatch")
class ShrinkMatch(MaskedRowsMixin, FixMatch):
    """Shrinking Class Space for Enhanced Certainty (ICCV 2023, arXiv:2308.06777), over FixMatch.

    A row below ``p_cutoff`` loses its confusion classes, those ranked right after the first, until
    the first one's confidence among the rest reaches ``p_cutoff``; its strong view then learns the
    first class among the classes that stay. Written from the paper's text, not from its code:

    - As in the paper: which classes are removed, the loss in the shrunk space, and the weight of a
      row, its confidence among all classes.
    - Our reading: the weight of the training's state is a running average of the share of certain
      rows (momentum ``ema_p``), and the loss is a mean over all unlabeled rows, as FixMatch's is.
    - Other than in the paper: the base is FixMatch, without the distribution alignment and the
      memory bank of SimMatch, which the paper's best figures have.

    Keys, beside those of FixMatch:
        - uncertain_weight: weight of the uncertain rows' loss
        - ema_p: momentum of the share of certain rows
    """

    def set_hooks(self) -> None:
        self.register_hook(CertaintyHook(self.args.ema_p), "CertaintyHook")
        super().set_hooks()

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss | None:
        progress = self.call_hook("update", "CertaintyHook", certain=mask)
        loss = uncertain_loss(strong, weak, mask, self.p_cutoff, progress)
        log = {}
        if is_log_step(self):
            log = {"uncertain_loss": loss.detach(), "certain_share": progress}
        return self.lambda_u * self.args.uncertain_weight * loss, log

    def get_save_dict(self) -> dict[str, Any]:
        save_dict = super().get_save_dict()
        save_dict["certain_share"] = self.hooks_dict["CertaintyHook"].share.cpu()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        checkpoint = super().load_model(load_path)
        self.hooks_dict["CertaintyHook"].share = checkpoint["certain_share"]
        return checkpoint

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *FixMatch.get_argument(),
            SSL_Argument("--uncertain_weight", float, 1.0),
            SSL_Argument("--ema_p", float, 0.999),
        ]
