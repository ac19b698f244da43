"""DNLL-Dual: two submodels that tell each other which classes an image does not belong to."""

from functools import reduce
from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS, get_net_builder
from torch import Tensor

from dnll_plugin.algorithms.base import DNLLBase, LabeledViews, weighted_sum
from dnll_plugin.functional.losses import Heads, consistency, dual_losses
from dnll_plugin.functional.negatives import rows_without_pull, stable_rows
from dnll_plugin.functional.schedules import sigmoid_rampup
from dnll_plugin.hooks.monitor import is_log_step
from dnll_plugin.hooks.role_swap import RoleSwapHook
from dnll_plugin.nets.pair import PEER, SIDES, evaluate_pair, pair_builder

BySide = dict[str, Tensor]
"""A tensor for ``left`` and one for ``right``."""


@ALGORITHMS.register("dnll_dual")
class DNLLDual(LabeledViews, DNLLBase):
    """Two submodels with different initial weights (arXiv:2301.03976; Dual Student, 1909.01804).

    Left learns from the first view of an unlabeled image and predicts the second without gradient,
    right the reverse (``weak_weak``); or both learn from the strong view and predict the weak one
    (``weak_strong``). Where its peer is stable a submodel is pulled towards the peer; elsewhere it
    learns classes that the peer does not predict.

    Keys, beside those of :class:`DNLLBase`:
        - roles: ``mutual`` (both learn at each iteration) or ``alternate`` (they take turns)
        - stabilization_weight, stabilization_rampup: weight of the pull
        - stable_threshold: confidence above which a prediction counts as stable
        - lb_views: 2 gives labeled images a second view, as in the authors' batches
        - net_right: net of the right submodel, None for the same net as left
    """

    negative_sources = ("other", "self")

    def __init__(self, args: Any, net_builder: Any, tb_log: Any = None, logger: Any = None) -> None:
        right_builder = net_builder
        if args.net_right is not None:
            right_builder = get_net_builder(args.net_right, args.net_from_name)
        super().__init__(args, pair_builder(net_builder, right_builder), tb_log, logger)

    def rampups(self) -> tuple[str, ...]:
        return (*super().rampups(), "stabilization_rampup")

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
        with self.amp_cm():
            labeled, own, other_all = self.forward_views(learners, x_lb, x_lb_2, x_ulb_w, x_ulb_s)
            other = {side: logits[-len(idx_ulb) :] for side, logits in other_all.items()}
            stable, learns = self.choose_rows(own, other)
            negatives = {
                side: self.call_hook(
                    "gen_negatives",
                    "NegativeLabelHook",
                    logits=other[PEER[side] if self.negative_source == "other" else side],
                    learner=own[side].cons_logits,
                )
                for side in learners
            }
            terms = {
                side: dual_losses(
                    labeled[side],
                    own[side],
                    y_lb,
                    other_all[side],
                    self.pull_target(PEER[side], own, other),
                    negatives[side],
                    learns[side],
                    self.consistency_type,
                    self.call_hook("count_rows", "NegativeLabelHook", rows=learns[side]),
                    self.args.negative_loss,
                )
                for side in learners
            }
            weights = self.weights()
            total_loss = reduce(
                torch.add, (weighted_sum(terms[side], weights) for side in learners)
            )

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(
            **self.log_losses(total_loss, [terms[side] for side in learners])
        )
        if is_log_step(self):
            classes = [own[side].class_logits.argmax(dim=1) for side in SIDES]
            log_dict = self.process_log_dict(
                log_dict,
                **self.log_negatives(
                    idx_ulb,
                    torch.cat([negatives[side] for side in learners]),
                    torch.cat([learns[side] for side in learners]),
                ),
                agreement=(classes[0] == classes[1]).float().mean(),
                stable_ratio=torch.cat([stable[side] for side in SIDES]).float().mean(),
            )
        return out_dict, log_dict

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
        own_lb = {"left": x_lb, "right": x_lb if x_lb_2 is None else x_lb_2}
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
    def choose_rows(self, own: dict[str, Heads], other: BySide) -> tuple[BySide, BySide]:
        """Rows (U,) on which each submodel is stable, and rows on which it learns negatives."""
        stable, inconsistency = {}, {}
        for side in SIDES:
            heads = own[side]
            stable[side] = stable_rows(heads.class_logits, other[side], self.args.stable_threshold)
            inconsistency[side] = consistency(heads.cons_logits, other[side], self.consistency_type)
        learns = {
            side: rows_without_pull(
                stable[side], stable[PEER[side]], inconsistency[side], inconsistency[PEER[side]]
            )
            for side in SIDES
        }
        return stable, learns

    def pull_target(self, peer: str, own: dict[str, Heads], other: BySide) -> Tensor:
        """What a submodel is pulled towards: the peer's own view, or its weak one."""
        if self.ulb_views == "weak_strong":
            return other[peer]
        return own[peer].class_logits.detach()

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
