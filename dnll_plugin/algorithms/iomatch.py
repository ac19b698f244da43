"""IOMatch: images of no class are one class more, which an open-set head learns."""

from argparse import Namespace
from typing import Any, NamedTuple

import torch
from semilearn.algorithms.fixmatch import FixMatch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.heads import HeadsMixin
from dnll_plugin.functional.io_match import fuse_targets
from dnll_plugin.functional.one_vs_all import one_vs_all_loss
from dnll_plugin.functional.prediction import full_precision_softmax
from dnll_plugin.hooks.alignment import QueueAlignmentHook
from dnll_plugin.nets.open_set import IOMatchNet
from dnll_plugin.nets.pair import Net, NetBuilder
from dnll_plugin.protocols import ToolboxLogger

ALIGNMENT_EPSILON = 1e-6
"""What the published code adds to average predictions."""

OUTLIER = 0.5
"""The score from which an image is taken for one of no class."""


class ViewLogits(NamedTuple):
    """What a step reads of the heads: L labeled and U unlabeled rows, K classes.

    Attributes:
        closed_labeled: (L, K).
        closed_weak: (U, K).
        closed_strong: (U, K).
        binary_labeled: (L, 2K).
        binary_weak: (U, 2K).
        open_strong: (U, K + 1).
    """

    closed_labeled: Tensor
    closed_weak: Tensor
    closed_strong: Tensor
    binary_labeled: Tensor
    binary_weak: Tensor
    open_strong: Tensor


@ALGORITHMS.register("iomatch")
class IOMatch(HeadsMixin, FixMatch):
    """Simplifying Open-Set SSL with Joint Inliers and Outliers Utilization (arXiv:2308.13168).

    Of the weak view of an unlabeled image, K one-vs-all classifiers and the prediction of the
    classes together give a score of belonging to none of them, and a target over K + 1 classes. An
    open-set head learns that target from the strong view; the classifier learns its own prediction,
    unsharpened, from images above ``p_cutoff`` that are not taken for outliers. The labeled images
    teach the one-vs-all classifiers. It computes what the authors' code does, which leaves the
    open-set loss out of the first epoch.

    Keys, beside ``p_cutoff`` of FixMatch, and ``ulb_loss_ratio``, which weighs the classifier's
    loss on unlabeled images:
        - q_cutoff: confidence of the target over K + 1 classes from which a row teaches it
        - alignment_steps: steps by which predictions are aligned to even classes; 0 for none
        - binary_weight, open_weight: of the one-vs-all loss and the open-set loss
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

    def add_heads(self, net: Net) -> IOMatchNet:
        return IOMatchNet(net, self.num_classes)

    def set_hooks(self) -> None:
        if self.args.alignment_steps > 0:
            hook = QueueAlignmentHook(self.args.alignment_steps, ALIGNMENT_EPSILON)
            self.register_hook(hook, "DistAlignHook")
        super().set_hooks()

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        args = self.args
        with self.amp_cm():
            logits = self.forward_views(x_lb, x_ulb_w, x_ulb_s)
            sup_loss = self.ce_loss(logits.closed_labeled, y_lb, reduction="mean")
            binary_loss = one_vs_all_loss(logits.binary_labeled, y_lb)

            target = full_precision_softmax(logits.closed_weak.detach())
            if self.registered_hook("DistAlignHook"):
                target = self.call_hook("dist_align", "DistAlignHook", probs_x_ulb=target)
            open_target, outlier_score = fuse_targets(target, logits.binary_weak)
            confident = self.call_hook(
                "masking", "MaskingHook", logits_x_ulb=target, softmax_x_ulb=False
            )
            mask = confident * (outlier_score < OUTLIER)
            unsup_loss = self.consistency_loss(logits.closed_strong, target, "ce", mask=mask)
            open_mask = (open_target.amax(dim=1) >= args.q_cutoff).to(mask.dtype)
            open_loss = self.consistency_loss(logits.open_strong, open_target, "ce", mask=open_mask)
            is_first_epoch = self.it < self.num_iter_per_epoch
            total_loss = (
                sup_loss
                + args.binary_weight * binary_loss
                + self.lambda_u * unsup_loss
                + (0.0 if is_first_epoch else args.open_weight) * open_loss
            )

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(
            sup_loss=sup_loss.detach(),
            binary_loss=binary_loss.detach(),
            unsup_loss=unsup_loss.detach(),
            open_loss=open_loss.detach(),
            total_loss=total_loss.detach(),
            util_ratio=mask.mean(),
            open_ratio=open_mask.mean(),
            outlier_score=outlier_score.mean(),
        )
        return out_dict, log_dict

    def forward_views(self, x_lb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor) -> ViewLogits:
        """The logits of all rows, in one pass with ``use_cat``."""
        sizes = (len(x_lb), len(x_ulb_w), len(x_ulb_s))
        if self.use_cat:
            outputs = self.model(torch.cat((x_lb, x_ulb_w, x_ulb_s)), heads_from=0)
            closed_labeled, closed_weak, closed_strong = outputs["logits"].split(sizes)
            binary_labeled, binary_weak, _ = outputs["logits_binary"].split(sizes)
            open_strong = outputs["logits_open"][-len(x_ulb_s) :]
        else:
            labeled, strong = (self.model(x, heads_from=0) for x in (x_lb, x_ulb_s))
            with torch.no_grad():
                weak = self.model(x_ulb_w, heads_from=0)
            views = (labeled, weak, strong)
            closed_labeled, closed_weak, closed_strong = (view["logits"] for view in views)
            binary_labeled, binary_weak = (view["logits_binary"] for view in (labeled, weak))
            open_strong = strong["logits_open"]
        return ViewLogits(
            closed_labeled, closed_weak, closed_strong, binary_labeled, binary_weak, open_strong
        )

    @torch.no_grad()
    def score_unknown(self, images: Tensor) -> Tensor:
        """How surely images are of none of the classes: IOMatch's outlier score, unaligned.

        Args:
            images: (N, C, H, W) on the device of the model, which is used as it stands: in
                evaluation, in evaluation mode with the averaged weights.

        Returns:
            (N,), in [0, 1], higher for a surer one.
        """
        return IOMatchNet.score_unknown(self.model(images, heads_from=0))

    @torch.no_grad()
    def classify_open_set(self, images: Tensor) -> Tensor:
        """The class of images by the open-set head, as the authors evaluate it.

        Args:
            images: See :meth:`score_unknown`.

        Returns:
            Integer (N,), from 0 to K; K for none of the classes.
        """
        predicted: Tensor = self.model(images, heads_from=0)["logits_open"].argmax(dim=1)
        return predicted

    def get_save_dict(self) -> dict[str, Any]:
        save_dict = super().get_save_dict()
        if self.registered_hook("DistAlignHook"):
            save_dict["alignment"] = self.hooks_dict["DistAlignHook"].state_dict()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        checkpoint = super().load_model(load_path)
        if self.registered_hook("DistAlignHook"):
            device = next(self.model.parameters()).device
            hook = self.hooks_dict["DistAlignHook"]
            hook.load_state_dict(checkpoint["alignment"], device)
        return checkpoint

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *(key for key in FixMatch.get_argument() if key.name == "--p_cutoff"),
            SSL_Argument("--q_cutoff", float, 0.5),
            SSL_Argument("--alignment_steps", int, 0),
            SSL_Argument("--binary_weight", float, 1.0),
            SSL_Argument("--open_weight", float, 1.0),
        ]
