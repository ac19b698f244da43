"""DNLL-Dual: two submodels that tell each other which classes an image does not belong to."""

from argparse import Namespace
from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS, get_net_builder
from torch import Tensor

from dnll_plugin.algorithms.base import LabeledViews, weighted_sum
from dnll_plugin.algorithms.dnll_base import DNLLBase
from dnll_plugin.functional.losses import Heads, NegativeLabels, dual_losses
from dnll_plugin.functional.schedules import sigmoid_rampup
from dnll_plugin.functional.stability import ChosenRows, choose_rows
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.hooks.role_swap import RoleSwapHook
from dnll_plugin.nets.pair import PEER, SIDES, NetBuilder, evaluate_pair, pair_builder
from dnll_plugin.protocols import ToolboxLogger

BySide = dict[str, Tensor]
"""A tensor for ``left`` and one for ``right``."""


@ALGORITHMS.register("dnll_dual")
class DNLLDual(LabeledViews, DNLLBase):
    """Two submodels with different initial weights (arXiv:2301.03976; Dual Student, 1909.01804).

    With ``ulb_views: weak_strong`` both learn from the strong view what the other predicts of the
    weak one: its class where it is sure, else the classes that it rules out. With ``weak_weak``, as
    published, left learns from the first view of an unlabeled image and predicts the second without
    gradient, right the reverse: where its peer is stable a submodel is pulled towards the peer,
    elsewhere it learns classes that the peer does not predict.

    Keys, beside those of :class:`DNLLBase`:
        - roles: ``mutual`` (both learn at each iteration) or ``alternate`` (they take turns)
        - stabilization_weight, stabilization_rampup: weight of the published pull
        - stable_threshold: confidence above which a prediction counts as stable
        - lb_views: 2 gives labeled images a second view, as in the authors' batches
        - net_right: net of the right submodel, None for the same net as left
    """

    negative_sources = ("other", "self")
    pseudo_label_source = "other"

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        right_builder = net_builder
        if args.net_right is not None:
            right_builder = get_net_builder(args.net_right, args.net_from_name)
        super().__init__(args, pair_builder(net_builder, right_builder), tb_log, logger)
        own = {side: side for side in SIDES}
        self.generators = PEER if self.negative_source == "other" else own

    def rampups(self) -> tuple[str, ...]:
        published = super().rampups()
        return (*published, "stabilization_rampup") if published else ()

    def set_hooks(self) -> None:
        self.register_hook(RoleSwapHook(self.args.roles), "RoleSwapHook")
        super().set_hooks()

    def weights(self) -> dict[str, float]:
        ramp = sigmoid_rampup(self.it // self.num_iter_per_epoch, self.args.stabilization_rampup)
        pull = self.lambda_u * self.args.stabilization_weight * ramp
        return {**super().weights(), "stabilization": pull}

    def train_step(
        self,
        x_lb: Tensor,
        y_lb: Tensor,
        idx_ulb: Tensor,
        x_ulb_w: Tensor,
        x_ulb_s: Tensor,
        x_lb_2: Tensor | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        learners = self.call_hook("learners", "RoleSwapHook")
        if self.args.pseudo_labels:
            labeled_views = self.labeled_views(x_lb, x_lb_2)
            return self.learn_pseudo_labels(
                learners, labeled_views, y_lb, idx_ulb, x_ulb_w, x_ulb_s
            )
        with self.amp_cm():
            labeled, own, other = self.forward_views(learners, x_lb, x_lb_2, x_ulb_w, x_ulb_s)
            chosen = self.choose_rows(learners, own, other)
            negatives = self.choose_negatives(learners, own, other)
            terms = dual_losses(
                Heads.join([labeled[side] for side in learners]),
                Heads.join([own[side] for side in learners]),
                y_lb.repeat(len(learners)),
                chosen.other_view,
                chosen.pull_target,
                NegativeLabels(
                    negatives,
                    chosen.learns.flatten(),
                    self.call_hook("count_rows", "NegativeLabelHook", rows=chosen.learns),
                    self.args.negative_loss,
                ),
                self.consistency_type,
            )
            weights = self.weights()
            total_loss = weighted_sum(terms, {k: len(learners) * w for k, w in weights.items()})

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(**self.log_losses(total_loss, terms))
        if is_log_step(self):
            classes = [own[side].class_logits.argmax(dim=1) for side in SIDES]
            log_dict = self.process_log_dict(
                log_dict,
                **self.log_negatives(idx_ulb, negatives, chosen.learns.flatten()),
                agreement=(classes[0] == classes[1]).float().mean(),
                stable_ratio=chosen.stable.float().mean(),
            )
        return out_dict, log_dict

    def learn_pseudo_labels(
        self,
        learners: tuple[str, ...],
        x_lb: BySide,
        y_lb: Tensor,
        idx_ulb: Tensor,
        x_ulb_w: Tensor,
        x_ulb_s: Tensor,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The step in which strong views learn what the other submodel says of the weak ones."""
        with self.amp_cm():
            labeled, strong = self.learn(
                {side: x_lb[side] for side in learners}, dict.fromkeys(learners, x_ulb_s)
            )
            generated = [
                self.generate(
                    self.predict_averaged(self.generators[side], x_ulb_w),
                    strong[side].class_logits,
                )
                for side in learners
            ]
            return self.learn_generated(
                torch.cat([labeled[side].class_logits for side in learners]),
                torch.cat([strong[side].class_logits for side in learners]),
                y_lb,
                idx_ulb,
                generated,
            )

    def labeled_views(self, x_lb: Tensor, x_lb_2: Tensor | None) -> BySide:
        """The view of the labeled images that each submodel learns."""
        return {"left": x_lb, "right": x_lb if x_lb_2 is None else x_lb_2}

    def choose_negatives(
        self, learners: tuple[str, ...], own: dict[str, Heads], other: BySide
    ) -> Tensor:
        """Negative labels, boolean (S * U, K), of each of S learners on its own view."""
        chosen = []
        for side in learners:
            learner = own[side].cons_logits
            logits = other[self.generators[side]][-len(learner) :]
            chosen.append(
                self.call_hook("gen_negatives", "NegativeLabelHook", logits=logits, learner=learner)
            )
        return torch.cat(chosen)

    def forward_views(
        self,
        learners: tuple[str, ...],
        x_lb: Tensor,
        x_lb_2: Tensor | None,
        x_ulb_w: Tensor,
        x_ulb_s: Tensor,
    ) -> tuple[dict[str, Heads], dict[str, Heads], BySide]:
        """Runs the passes of a step; only those of the learners on their own views have gradient.

        The passes with gradient come first: autocast caches the weights that it casts, and a weight
        first cast without gradient would stay without it.

        Returns:
            By side: the learners' heads (L, K) on labeled rows, the heads (U, K) of both on their
            own views, and the class logits of both on their other views: (U, K), or (B, K) with the
            labeled rows first where those have two views.
        """
        own_ulb, other_ulb = self.unlabeled_views(x_ulb_w, x_ulb_s)
        own_lb = self.labeled_views(x_lb, x_lb_2)
        labeled, own = self.learn(
            {side: own_lb[side] for side in learners}, {side: own_ulb[side] for side in learners}
        )
        for side in SIDES:
            if side not in learners:
                own[side] = self.predict(side, own_ulb[side])
        other = {}
        for side in SIDES:
            x = other_ulb[side]
            if x_lb_2 is not None and side in learners:
                x = torch.cat((own_lb[PEER[side]], x))
            other[side] = self.predict(side, x).class_logits
        return labeled, own, other

    def unlabeled_views(self, x_ulb_w: Tensor, x_ulb_s: Tensor) -> tuple[BySide, BySide]:
        """The view that each submodel learns from, and the one that it predicts."""
        if self.ulb_views == "weak_strong":
            return dict.fromkeys(SIDES, x_ulb_s), dict.fromkeys(SIDES, x_ulb_w)
        return {"left": x_ulb_w, "right": x_ulb_s}, {"left": x_ulb_s, "right": x_ulb_w}

    def learn(self, x_lb: BySide, x_ulb: BySide) -> tuple[dict[str, Heads], dict[str, Heads]]:
        """Passes of the learners with gradient; both kinds of rows in one with ``use_cat``."""
        if not self.use_cat:
            labeled, unlabeled = self.model(x_lb), self.model(x_ulb)
            return (
                {side: Heads.of(output) for side, output in labeled.items()},
                {side: Heads.of(output) for side, output in unlabeled.items()},
            )
        outputs = self.model({side: torch.cat((x_lb[side], x_ulb[side])) for side in x_lb})
        labeled, unlabeled = {}, {}
        for side, output in outputs.items():
            labeled[side], unlabeled[side] = Heads.of(output).split(len(x_lb[side]))
        return labeled, unlabeled

    @torch.no_grad()
    def predict(self, side: str, x: Tensor) -> Heads:
        """Heads of a submodel without gradient, in the mode (train) that the pair is in."""
        pair = getattr(self.model, "module", self.model)
        return Heads.of(getattr(pair, side)(x))

    @torch.no_grad()
    def predict_averaged(self, side: str, x: Tensor) -> Tensor:
        """Class logits of the averaged weights of a submodel (``ema_m``), as they are evaluated."""
        return getattr(self.averaged(), side)(x)["logits"]

    @torch.no_grad()
    def choose_rows(
        self, learners: tuple[str, ...], own: dict[str, Heads], other: BySide
    ) -> ChosenRows:
        """Finds out which rows teach the learners what.

        Args:
            learners: The sides that learn.
            own: By side, the heads (U, K) on the own view.
            other: By side, the class logits on the other view, as :meth:`forward_views` gives them.
        """
        sides = (*learners, *(side for side in SIDES if side not in learners))
        rows = len(own[sides[0]].class_logits)
        return choose_rows(
            Heads.join([own[side] for side in sides]),
            [other[side][:-rows] for side in learners],
            [other[side][-rows:] for side in sides],
            [self.pull_target(PEER[side], own, other) for side in learners],
            self.args.stable_threshold,
            self.consistency_type,
        )

    def pull_target(self, peer: str, own: dict[str, Heads], other: BySide) -> Tensor:
        """What a submodel is pulled towards: the peer's own view, or its weak one."""
        class_logits = own[peer].class_logits
        if self.ulb_views == "weak_strong":
            return other[peer][-len(class_logits) :]
        return class_logits

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]:
        return evaluate_pair(self, super().evaluate, eval_dest, out_key, return_logits)

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *DNLLBase.get_argument(),
            SSL_Argument("--roles", str, "mutual"),
            SSL_Argument("--stabilization_weight", float, 100.0),
            SSL_Argument("--stabilization_rampup", float, 5.0),
            SSL_Argument("--stable_threshold", float, 0.8),
            SSL_Argument("--lb_views", int, 1),
            SSL_Argument("--net_right", str, None),
        ]
