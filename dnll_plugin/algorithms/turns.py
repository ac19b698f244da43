"""Two submodels that take turns in the step of an algorithm made for one net."""

from argparse import Namespace
from typing import Any

import torch
from semilearn.core import AlgorithmBase
from torch import Tensor

from dnll_plugin.hooks.role_swap import RoleSwapHook
from dnll_plugin.nets.pair import PEER, NetBuilder, OneOf, evaluate_pair, pair_builder
from dnll_plugin.protocols import ToolboxLogger


class TakesTurns(AlgorithmBase):
    """With ``negative_source: peer``, trains two submodels, one in each iteration.

    The algorithm's step sees the submodel whose turn it is in place of its model; the other one
    predicts. Each gets half of the updates. What the algorithm keeps from step to step, such as
    thresholds, is common to both.
    """

    model: Any

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        self.has_peer = args.negative_source == "peer"
        if self.has_peer:
            net_builder = pair_builder(net_builder, net_builder)
        super().__init__(args, net_builder, tb_log, logger)

    def set_hooks(self) -> None:
        if self.has_peer:
            self.register_hook(RoleSwapHook("alternate"), "RoleSwapHook")
        super().set_hooks()

    def train_step(self, **batch: Tensor) -> tuple[dict[str, Any], dict[str, Any]]:
        if not self.has_peer:
            return super().train_step(**batch)
        pair = self.model
        (learner,) = self.call_hook("learners", "RoleSwapHook")
        self.model = OneOf(pair, learner)
        try:
            return super().train_step(**batch)
        finally:
            self.model = pair

    @torch.no_grad()
    def predict_as_peer(self, x: Tensor) -> Tensor:
        """Class logits (N, K) of the submodel whose turn it is not, on images (N, C, H, W)."""
        return OneOf(self.model.pair, PEER[self.model.side])(x)["logits"]

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]:
        if not self.has_peer:
            return super().evaluate(eval_dest, out_key, return_logits)
        return evaluate_pair(self, super().evaluate, eval_dest, out_key, return_logits)
