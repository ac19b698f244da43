"""DNLL-MeanTeacher: a student that also learns which classes an image does not belong to."""

from typing import Any

import torch
from semilearn.core import AlgorithmBase
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

from dnll_plugin.algorithms.base import weighted_sum
from dnll_plugin.algorithms.dnll_base import DNLLBase
from dnll_plugin.functional.losses import Heads, meanteacher_losses
from dnll_plugin.hooks.monitor import is_log_step


class TeacherMixin(AlgorithmBase):
    """Evaluates the averaged weights, the teacher, as the toolbox does, and the student beside."""

    def evaluate(
        self, eval_dest: str = "eval", out_key: str = "logits", return_logits: bool = False
    ) -> dict[str, Any]:
        """Evaluates the teacher as the toolbox does, and the student beside it."""
        eval_dict = super().evaluate(eval_dest, out_key, return_logits)
        eval_dict[f"{eval_dest}/student-acc"] = self.student_accuracy(self.loader_dict[eval_dest])
        return eval_dict

    @torch.no_grad()
    def student_accuracy(self, loader: Any) -> float:
        """Share of the images of ``loader`` that the student classifies correctly, in [0, 1]."""
        device = next(self.model.parameters()).device
        self.model.eval()
        correct = [
            self.model(data["x_lb"].to(device))["logits"].argmax(dim=1).cpu() == data["y_lb"]
            for data in loader
        ]
        self.model.train()
        return torch.cat(correct).double().mean().item()


@ALGORITHMS.register("dnll_meanteacher")
class DNLLMeanTeacher(TeacherMixin, DNLLBase):
    """Mean Teacher (arXiv:1703.01780) whose student learns negatives too.

    The teacher is the average of the student's weights (``ema_m``). The student learns from the
    second view, the teacher predicts the first. With ``ulb_views: weak_strong`` the student learns
    the teacher's class where the teacher is sure, else the classes that the teacher rules out. With
    ``weak_weak`` it learns consistency and negatives on every unlabeled row; those come from the
    student's prediction of the first view (``student``, the authors' code) or from the teacher's
    (``teacher``, the other submodel in the text of arXiv:2301.03976; it saves the student's pass).

    Keys: those of :class:`DNLLBase`.
    """

    negative_sources = ("student", "teacher")
    pseudo_label_source = "teacher"

    def train_step(
        self, x_lb: Tensor, y_lb: Tensor, idx_ulb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        if self.args.pseudo_labels:
            return self.learn_pseudo_labels(x_lb, y_lb, idx_ulb, x_ulb_w, x_ulb_s)
        with self.amp_cm():
            labeled, unlabeled = self.learn(x_lb, x_ulb_s)
            with torch.no_grad():
                teacher = self.ema_model(x_ulb_w)["logits"]
                source = teacher
                if self.negative_source == "student":
                    source = self.model(x_ulb_w)["logits"]
            negatives = self.call_hook(
                "gen_negatives", "NegativeLabelHook", logits=source, learner=unlabeled.cons_logits
            )
            terms = meanteacher_losses(
                labeled,
                unlabeled,
                y_lb,
                teacher,
                negatives,
                self.consistency_type,
                self.args.negative_loss,
            )
            total_loss = weighted_sum(terms, self.weights())

        out_dict = self.process_out_dict(loss=total_loss)
        log_dict = self.process_log_dict(**self.log_losses(total_loss, terms))
        if is_log_step(self):
            every_row = torch.ones_like(idx_ulb, dtype=torch.bool)
            agreement = unlabeled.class_logits.argmax(dim=1) == teacher.argmax(dim=1)
            log_dict = self.process_log_dict(
                log_dict,
                **self.log_negatives(idx_ulb, negatives, every_row),
                agreement=agreement.float().mean(),
            )
            log_dict["train/util_ratio"] = torch.ones_like(total_loss)
        return out_dict, log_dict

    def learn_pseudo_labels(
        self, x_lb: Tensor, y_lb: Tensor, idx_ulb: Tensor, x_ulb_w: Tensor, x_ulb_s: Tensor
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The step in which the strong views learn what the teacher says of the weak ones."""
        with self.amp_cm():
            labeled, strong = (heads.class_logits for heads in self.learn(x_lb, x_ulb_s))
            generated = self.generate(self.predict_weak(x_ulb_w), strong)
            return self.learn_generated(labeled, strong, y_lb, idx_ulb, [generated])

    @torch.no_grad()
    def predict_weak(self, x_ulb_w: Tensor) -> Tensor:
        """Class logits (U, K) of the teacher as it is evaluated, or of the student."""
        if self.negative_source == "student":
            return self.model(x_ulb_w)["logits"]
        return self.averaged()(x_ulb_w)["logits"]

    def learn(self, x_lb: Tensor, x_ulb: Tensor) -> tuple[Heads, Heads]:
        """The student's passes with gradient; both kinds of rows in one pass with ``use_cat``."""
        if not self.use_cat:
            return Heads.of(self.model(x_lb)), Heads.of(self.model(x_ulb))
        return Heads.of(self.model(torch.cat((x_lb, x_ulb)))).split(len(x_lb))
