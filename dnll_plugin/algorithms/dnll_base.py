"""What the algorithms of the paper share: their two ways to learn from unlabeled images."""

from argparse import Namespace
from collections.abc import Sequence
from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument, str2bool
from torch import Tensor, nn

from dnll_plugin.algorithms.base import (
    ConsistencyBase,
    LearnsNegatives,
    get_consistency_arguments,
    get_negative_arguments,
    weighted_sum,
)
from dnll_plugin.algorithms.negative_keys import (
    PUBLISHED,
    choose_negative_keys,
    has_pseudo_labels,
)
from dnll_plugin.functional.pseudo_labels import (
    PseudoLabels,
    find_pseudo_labels,
    join_pseudo_labels,
    join_rows,
    strong_view_losses,
)
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.nets.pair import NetBuilder
from dnll_plugin.protocols import ToolboxLogger

Generated = tuple[PseudoLabels, Tensor]
"""What a generator says of unlabeled rows: their pseudo-labels, and their negatives (U, K)."""


class DNLLBase(LearnsNegatives, ConsistencyBase):
    """Base of the algorithms of the paper, two submodels that teach each other (arXiv:2301.03976).

    With weak views alone they learn as published. Where one view is strong it learns from the weak
    one, which a generator predicts: images of which the generator is sure learn its class, as in
    FixMatch (arXiv:2001.07685), the others the classes that it rules out.

    Keys, beside those of :class:`LearnsNegatives` and of :class:`ConsistencyBase`:
        - pseudo_labels: whether the second holds; None: where ``ulb_views`` is ``weak_strong``
        - p_cutoff: confidence from which a generator is sure
    """

    pseudo_label_source = "auto"
    """What ``negative_source: auto`` is where there are pseudo-labels."""

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        args.pseudo_labels = has_pseudo_labels(args.pseudo_labels, args.ulb_views)
        if args.pseudo_labels and args.negative_source == "auto":
            args.negative_source = self.pseudo_label_source
        for key, value in choose_negative_keys(args.pseudo_labels).items():
            if getattr(args, key) is None:
                setattr(args, key, value)
        super().__init__(args, net_builder, tb_log, logger)

    def rampups(self) -> tuple[str, ...]:
        return () if self.args.pseudo_labels else super().rampups()

    def learn_generated(
        self,
        labeled: Tensor,
        strong: Tensor,
        y_lb: Tensor,
        idx_ulb: Tensor,
        generated: Sequence[Generated],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The losses of S learners whose strong views learn what is said of the weak ones.

        Args:
            labeled: Class logits (S * L, K) of the learners on the labeled images, one after the
                other. A second head of a net learns nothing.
            strong: Class logits (S * U, K) on the strong views.
            y_lb: Integer (L,).
            idx_ulb: Integer (U,), places of the unlabeled images.
            generated: Of each learner, what :meth:`generate` gave.

        Returns:
            What a step returns; the loss is the sum of the learners'.
        """
        learners = len(generated)
        pseudo_labels = join_pseudo_labels([found for found, _ in generated])
        negatives = join_rows([chosen for _, chosen in generated])
        labels = join_rows([y_lb] * learners)
        kind = self.args.negative_loss
        terms = strong_view_losses(labeled, strong, labels, pseudo_labels, negatives, kind)
        weights = {name: learners * weight for name, weight in self.weights().items()}
        total_loss = weighted_sum(terms, weights)
        log = self.log_losses(total_loss, terms)
        if is_log_step(self):
            agrees = strong.argmax(dim=1) == pseudo_labels.classes
            log |= self.log_negatives(idx_ulb, negatives, ~pseudo_labels.sure)
            log["agreement"] = agrees.float().mean()
        return self.process_out_dict(loss=total_loss), self.process_log_dict(**log)

    def averaged(self) -> nn.Module:
        """The averaged weights, as they are evaluated."""
        if self.ema_model.training:  # eval() walks every module
            self.ema_model.eval()
        return self.ema_model

    @torch.no_grad()
    def generate(self, weak: Tensor, learner: Tensor) -> Generated:
        """Chooses what the weak views teach.

        Args:
            weak: Class logits (U, K) of the submodel that generates, on the weak views.
            learner: Those of the submodel that learns, on the strong views.

        Returns:
            The pseudo-labels and the negatives, boolean (U, K).
        """
        negatives = self.call_hook(
            "gen_negatives", "NegativeLabelHook", logits=weak, learner=learner
        )
        return find_pseudo_labels(weak, self.args.p_cutoff), negatives

    def weights(self) -> dict[str, float]:
        own = {"pseudo_label": self.lambda_u, "negative": self.negative_weight()}
        return {**super().weights(), **own}

    def log_negatives(
        self, idx_ulb: Tensor, negatives: Tensor, learns: Tensor
    ) -> dict[str, Tensor]:
        """How the unlabeled rows teach; with two learners, their rows one after the other."""
        idx_ulb = idx_ulb.repeat(len(negatives) // len(idx_ulb))
        return self.call_hook(
            "observe", "MonitorHook", idx_ulb=idx_ulb, negatives=negatives, learns=learns
        )

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *get_negative_arguments(**dict.fromkeys(PUBLISHED)),
            *get_consistency_arguments(ulb_views="weak_strong"),
            SSL_Argument("--pseudo_labels", str2bool, None),
            SSL_Argument("--p_cutoff", float, 0.95),
        ]
