"""ShrinkMatch: uncertain rows learn their first class among those it is not confused with."""

from argparse import Namespace
from typing import Any

import torch
from semilearn.algorithms.fixmatch import FixMatch
from semilearn.algorithms.utils import SSL_Argument, str2bool
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.heads import HeadsMixin
from dnll_plugin.functional.class_shrinking import shrink_classes, shrink_loss, weigh_rows
from dnll_plugin.functional.prediction import full_precision_softmax
from dnll_plugin.hooks.alignment import ALIGNMENTS
from dnll_plugin.hooks.certainty import CertaintyHook
from dnll_plugin.nets.auxiliary import AuxiliaryHeadNet
from dnll_plugin.nets.pair import Net, NetBuilder
from dnll_plugin.protocols import ToolboxLogger

NORMS = {"strong": {"momentum": 0.1, "eps": 1e-5}, "all": {"momentum": 0.001, "eps": 1e-3}}
"""The auxiliary head's batch norms by ``auxiliary_rows``, as published for either."""


@ALGORITHMS.register("shrinkmatch")
class ShrinkMatch(HeadsMixin, FixMatch):
    """Shrinking Class Space for Enhanced Certainty (ICCV 2023, arXiv:2308.06777).

    A row below ``p_cutoff`` loses its confusion classes, those ranked right after the first, until
    the first one's confidence among the rest reaches ``p_cutoff``; its strong view then learns the
    first class among the classes that stay, by an auxiliary head. Rows above it learn as in
    FixMatch. It computes what the authors' code does, by default that for CIFAR. Other than there,
    the norms of the auxiliary head have no weight decay, as no norm has in the toolbox, and the
    weights are averaged after the step.

    Keys, beside ``p_cutoff`` of FixMatch:
        - certain_target: what the rows above it learn, ``soft`` (CIFAR) or ``hard`` (STL-10, SVHN)
        - alignment: of predictions to even classes, ``queue`` (CIFAR), ``average`` (STL-10) or
          ``none`` (SVHN)
        - shrink_by: prediction whose classes are shrunk, ``aligned`` (CIFAR) or ``raw`` (the
          others)
        - auxiliary_rows: which rows go through the auxiliary head, ``strong`` (CIFAR) or ``all``
        - uncertain_weight: weight of the uncertain rows' loss
        - ema_p: momentum of the share of certain rows, which weighs that loss too
        - restart_share: whether the share starts anew in each epoch (CIFAR) or never
    """

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        super(FixMatch, self).__init__(args, net_builder, tb_log, logger)  # which reads more keys
        self.p_cutoff = args.p_cutoff

    def add_heads(self, net: Net) -> AuxiliaryHeadNet:
        return AuxiliaryHeadNet(net, self.num_classes, **NORMS[self.args.auxiliary_rows])

    def set_hooks(self) -> None:
        args = self.args
        self.register_hook(CertaintyHook(args.ema_p, args.restart_share), "CertaintyHook")
        if args.alignment != "none":
            self.register_hook(ALIGNMENTS[args.alignment](), "DistAlignHook")
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        with self.amp_cm():
            labeled, weak, strong, auxiliary = self.forward_views(x_lb, x_ulb_w, x_ulb_s)
            sup_loss = self.ce_loss(labeled, y_lb, reduction="mean")

            raw = target = full_precision_softmax(weak.detach())
            if self.registered_hook("DistAlignHook"):
                target = self.call_hook("dist_align", "DistAlignHook", probs_x_ulb=raw)
            mask = self.call_hook(
                "masking", "MaskingHook", logits_x_ulb=target, softmax_x_ulb=False
            )
            is_hard = self.args.certain_target == "hard"
            learned = target.argmax(dim=1) if is_hard else target
            certain_loss = self.consistency_loss(strong, learned, "ce", mask=mask)

            share = self.call_hook("update", "CertaintyHook", certain=mask)
            shrunk = shrink_classes(raw if self.args.shrink_by == "raw" else target, self.p_cutoff)
            uncertain_loss = shrink_loss(auxiliary, shrunk, weigh_rows(shrunk, target, mask))
            unsup_loss = certain_loss + self.args.uncertain_weight * share * uncertain_loss
            total_loss = sup_loss + self.lambda_u * unsup_loss

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            unsup_loss=certain_loss.detach(),
            uncertain_loss=uncertain_loss.detach(),
            total_loss=total_loss.detach(),
            util_ratio=mask.mean(),
            certain_share=share,
        )
        return out_dict, log_dict

    def forward_views(
        self, x_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Logits of labeled rows and of both views, and the auxiliary ones of the strong view."""
        first = 0 if self.args.auxiliary_rows == "all" else None
        rows = len(x_ulb_w)
        if self.use_cat:
            inputs = torch.cat((x_lb, x_ulb_w, x_ulb_s))
            if first is None:
                first = len(inputs) - rows
            outputs = self.model(inputs, heads_from=first)
            labeled, weak, strong = outputs["logits"].split((len(x_lb), rows, rows))
            return labeled, weak, strong, outputs["logits_auxiliary"][-rows:]
        labeled = self.model(x_lb, heads_from=first)["logits"]
        of_strong = self.model(x_ulb_s, heads_from=0)
        with torch.no_grad():
            weak = self.model(x_ulb_w, heads_from=first)["logits"]
        return labeled, weak, of_strong["logits"], of_strong["logits_auxiliary"]

    def get_save_dict(self) -> dict[str, Any]:
        save_dict = super().get_save_dict()
        save_dict["certain_share"] = self.hooks_dict["CertaintyHook"].share
        if self.registered_hook("DistAlignHook"):
            save_dict["alignment"] = self.hooks_dict["DistAlignHook"].state_dict()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        checkpoint = super().load_model(load_path)
        device = next(self.model.parameters()).device
        self.hooks_dict["CertaintyHook"].share = checkpoint["certain_share"].to(device)
        if self.registered_hook("DistAlignHook"):
            hook = self.hooks_dict["DistAlignHook"]
            hook.load_state_dict(checkpoint["alignment"], device)
        return checkpoint

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *(key for key in FixMatch.get_argument() if key.name == "--p_cutoff"),
            SSL_Argument("--certain_target", str, "soft"),
            SSL_Argument("--alignment", str, "queue"),
            SSL_Argument("--shrink_by", str, "aligned"),
            SSL_Argument("--auxiliary_rows", str, "strong"),
            SSL_Argument("--uncertain_weight", float, 1.0),
            SSL_Argument("--ema_p", float, 0.999),
            SSL_Argument("--restart_share", str2bool, True),
        ]
