"""Mean Teacher with local clustering: a student whose features gather where they are near."""

from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.base import (
    ConsistencyBase,
    LabeledViews,
    get_consistency_arguments,
    weighted_sum,
)
from dnll_plugin.algorithms.meanteacher import TeacherMixin
from dnll_plugin.functional.clustering import local_clustering_loss
from dnll_plugin.functional.losses import Heads, consistency, head_distance
from dnll_plugin.functional.schedules import sigmoid_rampup


@ALGORITHMS.register("lc_meanteacher")
class LCMeanTeacher(TeacherMixin, LabeledViews, ConsistencyBase):
    """Mean Teacher (arXiv:1703.01780) with local clustering of the student's features (2004.09665).

    The student learns labels, the teacher's prediction of another view on every row, labeled ones
    too, and from some epoch on to draw near features nearer. Cross-entropy is summed over labeled
    rows and divided by all of them, as in Mean Teacher's published code.

    Keys, beside those of :class:`ConsistencyBase`:
        - clustering_weight, clustering_start, clustering_rampup: when and how much
        - clustering_threshold, clustering_threshold_type: which features are near; an absolute
          threshold fits one net and its number of features
        - lb_views: 2 gives labeled images a second view, for the teacher
    """

    def weights(self) -> dict[str, float]:
        args, weights = self.args, super().weights()
        since = self.it // self.num_iter_per_epoch - args.clustering_start
        ramp = sigmoid_rampup(since, args.clustering_rampup) if since >= 0 else 0.0
        return {**weights, "clustering": self.lambda_u * args.clustering_weight * ramp}

    def train_step(
        self,
        x_lb: Tensor,
        y_lb: Tensor,
        x_ulb_w: Tensor,
        x_ulb_s: Tensor,
        x_lb_2: Tensor | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        rows, weights = len(x_lb) + len(x_ulb_w), self.weights()
        with self.amp_cm():
            heads, features = self.learn(x_lb, x_ulb_s)
            with torch.no_grad():
                teacher_views = torch.cat((x_lb if x_lb_2 is None else x_lb_2, x_ulb_w))
                teacher = self.ema_model(teacher_views)["logits"]
            labeled = heads.class_logits[: len(x_lb)]
            terms = {
                "sup": self.ce_loss(labeled, y_lb, reduction="none").sum() / rows,
                "consistency": consistency(
                    heads.cons_logits, teacher, self.consistency_type
                ).mean(),
            }
            if not heads.is_one:
                terms["logit_distance"] = head_distance(heads).mean()
            if weights["clustering"]:
                terms["clustering"] = local_clustering_loss(
                    features[: len(x_lb)],
                    features[len(x_lb) :],
                    self.args.clustering_threshold,
                    self.args.clustering_threshold_type == "relative",
                )
            total_loss = weighted_sum(terms, weights)
        out_dict = self.process_out_dict(loss=total_loss)
        return out_dict, self.process_log_dict(**self.log_losses(total_loss, terms))

    def learn(self, x_lb: Tensor, x_ulb: Tensor) -> tuple[Heads, Tensor]:
        """The student's heads and features, labeled rows first; in one pass with ``use_cat``."""
        if self.use_cat:
            output = self.model(torch.cat((x_lb, x_ulb)))
            return Heads.of(output), output["feat"]
        outputs = [self.model(x) for x in (x_lb, x_ulb)]
        heads = [Heads.of(output) for output in outputs]
        return Heads.join(heads), torch.cat([output["feat"] for output in outputs])

    @staticmethod
    def get_argument() -> list[SSL_Argument]:
        return [
            *get_consistency_arguments(consistency_weight=100.0),
            SSL_Argument("--lb_views", int, 1),
            SSL_Argument("--clustering_weight", float, 10.0),
            SSL_Argument("--clustering_threshold", float, 50.0),
            SSL_Argument("--clustering_threshold_type", str, "absolute"),
            SSL_Argument("--clustering_start", float, 0.0),
            SSL_Argument("--clustering_rampup", float, 100.0),
        ]
