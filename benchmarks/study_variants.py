"""Algorithms of ``study.py``: the plugin's own, measured, and what was tried and not kept.

Each is one of the plugin's classes with one method overridden. ``dnll ... --plugin study_variants``
registers them, from this folder; nothing here is meant for training. What a variant averages over
steps is in no checkpoint.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property, partial
from typing import Any

import torch
from semilearn.core import AlgorithmBase
from semilearn.core.utils import ALGORITHMS
from torch import Tensor

import dnll_plugin  # noqa: F401  (registers the algorithms that are varied here)
from dnll_plugin.algorithms.dnll_base import DNLLBase, Generated
from dnll_plugin.algorithms.masked_rows import PendingLoss
from dnll_plugin.algorithms.table import OWN_ALGORITHMS, add_algorithm
from dnll_plugin.functional.prediction import full_precision_softmax
from dnll_plugin.functional.pseudo_labels import find_pseudo_labels, join_pseudo_labels
from dnll_plugin.hooks.monitor import is_log_step, read_hidden_labels

MOMENTUM = 0.99
"""Of what a variant averages over steps."""

Choose = Callable[..., Tensor]


def find_true_class(labels: Tensor, num_classes: int) -> Tensor:
    """Boolean (U, K), the class of each row; none where the label (U,) is below 0."""
    return labels.unsqueeze(1) == torch.arange(num_classes, device=labels.device)


def keep_right_negatives(negatives: Tensor, labels: Tensor) -> Tensor:
    """Negatives (U, K) without the true class; those of rows of no class are all right."""
    return negatives & ~find_true_class(labels, negatives.shape[1])


def find_wrong_classes(labels: Tensor, num_classes: int) -> Tensor:
    """Boolean (U, K), every class but the true one; no class where a row is of none."""
    return (labels >= 0).unsqueeze(1) & ~find_true_class(labels, num_classes)


def pseudo_label_accuracy(classes: Tensor, labels: Tensor, learns: Tensor) -> Tensor:
    """Share of the rows (U,) that learn their class which are of it: NaN where none learns.

    A row of no class that learns one learns a wrong one.
    """
    return ((classes == labels) * learns).sum() / learns.sum()


class Studied(AlgorithmBase):
    """Knows the batch of the step and its hidden labels, and how negatives are chosen."""

    def process_batch(self, input_args: list[str] | None = None, **batch: Tensor) -> dict[str, Any]:
        self.step_batch: dict[str, Any] = super().process_batch(input_args, **batch)
        return self.step_batch

    @cached_property
    def every_label(self) -> Tensor:
        return read_hidden_labels(self, self.step_batch["x_ulb_w"].device)

    @property
    def hidden_labels(self) -> Tensor:
        """True classes (U,) of the step's unlabeled rows, -1 of those of no class."""
        return self.every_label[self.step_batch["idx_ulb"].to(self.every_label.device)]

    def set_hooks(self) -> None:
        super().set_hooks()
        hook = self.hooks_dict["NegativeLabelHook"]
        choose = partial(self.choose_negatives_of, hook.sampler.choose)
        hook.sampler = hook.sampler._replace(choose=choose)

    def choose_negatives_of(self, choose: Choose, logits: Tensor, **given: Any) -> Tensor:
        """Negatives (U, K) by the sampler's ``choose``; what the variants override."""
        return choose(logits, **given)


class StudiedOwn(Studied):
    """The paper's two: logs how right the pseudo-labels are."""

    def choose_rows_of(self, generated: Sequence[Generated]) -> tuple[Tensor, Tensor] | None:
        """Rows that may learn a pseudo-label, and rows that may learn negatives: boolean (U,).

        None for all; what the variants override.
        """
        return None

    def learn_generated(
        self,
        labeled: Tensor,
        strong: Tensor,
        y_lb: Tensor,
        idx_ulb: Tensor,
        generated: Sequence[Generated],
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        rows = self.choose_rows_of(generated)
        if rows is not None:
            positive, negative = rows
            generated = [
                (found._replace(sure=found.sure & positive), chosen & negative.unsqueeze(1))
                for found, chosen in generated
            ]
        out_dict, log_dict = super().learn_generated(labeled, strong, y_lb, idx_ulb, generated)
        if is_log_step(self):
            found = join_pseudo_labels([pseudo_labels for pseudo_labels, _ in generated])
            labels = self.hidden_labels.repeat(len(generated))
            right = pseudo_label_accuracy(found.classes, labels, found.sure)
            log_dict = self.process_log_dict(log_dict, pseudo_label_acc=right)
        return out_dict, log_dict


class StudiedMasked(Studied):
    """``dnll_<algorithm>``: logs how right the pseudo-labels are."""

    def learn_masked(self, strong: Tensor, weak: Tensor, mask: Tensor) -> PendingLoss | None:
        loss, log = super().learn_masked(strong, weak, mask) or (strong.new_zeros(()), {})
        if is_log_step(self):
            classes = weak.argmax(dim=1)
            log["pseudo_label_acc"] = pseudo_label_accuracy(classes, self.hidden_labels, mask)
        return loss, log


class RightNegatives(Studied):
    """Ceiling: the negatives as they are chosen, without the wrong ones."""

    def choose_negatives_of(self, choose: Choose, logits: Tensor, **given: Any) -> Tensor:
        chosen = super().choose_negatives_of(choose, logits, **given)
        return keep_right_negatives(chosen, self.hidden_labels)


class AllWrongClasses(Studied):
    """Ceiling: every wrong class is a negative; all together they are as good as the label."""

    def choose_negatives_of(self, choose: Choose, logits: Tensor, **given: Any) -> Tensor:
        return find_wrong_classes(self.hidden_labels, logits.shape[1])


class RunningAverage(Studied):
    """Negatives are less likely than in the average of the past batches."""

    average: Tensor | None = None

    def choose_negatives_of(self, choose: Choose, logits: Tensor, **given: Any) -> Tensor:
        batch = full_precision_softmax(logits).mean(dim=0)
        self.average = batch if self.average is None else self.average.lerp(batch, 1 - MOMENTUM)
        return choose(logits, **{**given, "average": self.average})


class TeacherNegatives(Studied):
    """Negatives are chosen by the averaged weights, not by the net that learns."""

    def choose_negatives_of(self, choose: Choose, logits: Tensor, **given: Any) -> Tensor:
        with torch.no_grad():
            self.ema_model.eval()
            return choose(self.ema_model(self.step_batch["x_ulb_w"])["logits"], **given)


class Aligned(DNLLBase):
    """AdaMatch's alignment and threshold (arXiv:2106.04732, eq. 2 to 4) of what the teacher says.

    Its prediction of the weak views is scaled to the distribution of those of labeled images; the
    threshold is a share of the mean confidence in the latter.
    """

    expected: Tensor | None = None
    found: Tensor | None = None

    @torch.no_grad()
    def generate(self, weak: Tensor, learner: Tensor) -> Generated:
        labeled = full_precision_softmax(self.predict_weak(self.step_batch["x_lb"]))
        unlabeled = full_precision_softmax(weak)
        if self.expected is None or self.found is None:
            self.expected = torch.full_like(unlabeled[0], 1 / unlabeled.shape[1])
            self.found = unlabeled.mean(dim=0)
        self.expected = self.expected.lerp(labeled.mean(dim=0), 1 - MOMENTUM)
        self.found = self.found.lerp(unlabeled.mean(dim=0), 1 - MOMENTUM)
        aligned = (unlabeled * (self.expected / self.found)).log()  # softmax makes them sum to 1
        _, negatives = super().generate(aligned, learner)
        threshold = self.args.p_cutoff * labeled.max(dim=1).values.mean()
        return find_pseudo_labels(aligned, threshold), negatives


class CurrentWeights(AlgorithmBase):
    """Each submodel of a pair learns from its peer's current weights, not from averaged ones."""

    def predict_averaged(self, side: str, x: Tensor) -> Tensor:
        return self.predict(side, x).class_logits


class KnownOnly(StudiedOwn):
    """Ceiling: images of no class teach nothing."""

    def choose_rows_of(self, generated: Sequence[Generated]) -> tuple[Tensor, Tensor]:
        known = self.hidden_labels >= 0
        return known, known


class KnownPseudoLabels(StudiedOwn):
    """Ceiling: images of no class teach negatives, and no pseudo-label."""

    def choose_rows_of(self, generated: Sequence[Generated]) -> tuple[Tensor, Tensor]:
        known = self.hidden_labels >= 0
        return known, torch.ones_like(known)


class Uncontradicted(DNLLBase):
    """A pseudo-label is not learned where the strong view is of another class to the learner."""

    @torch.no_grad()
    def generate(self, weak: Tensor, learner: Tensor) -> Generated:
        found, negatives = super().generate(weak, learner)
        agrees = found.classes == learner.argmax(dim=1)
        return found._replace(sure=found.sure & agrees), negatives


class LowEnergyOnly(DNLLBase):
    """The images of the highest energy (arXiv:2010.03759), as many as are OOD, teach nothing."""

    @torch.no_grad()
    def generate(self, weak: Tensor, learner: Tensor) -> Generated:
        found, negatives = super().generate(weak, learner)
        left_out = weak.logsumexp(dim=1).topk(round(self.args.ulb_ood * len(weak)), largest=False)
        teaches = torch.ones_like(found.sure).index_fill_(0, left_out.indices, False)
        return found._replace(sure=found.sure & teaches), negatives & teaches.unsqueeze(1)


class AgreedOnly(StudiedOwn):
    """Images of which the averaged submodels predict two classes teach nothing."""

    def choose_rows_of(self, generated: Sequence[Generated]) -> tuple[Tensor, Tensor]:
        (left, _), (right, _) = generated
        agreed = left.classes == right.classes
        return agreed, agreed


VARIANTS: dict[str, tuple[type[AlgorithmBase], ...]] = {
    "meanteacher": (StudiedOwn,),
    "meanteacher_right": (RightNegatives, StudiedOwn),
    "meanteacher_all": (AllWrongClasses, StudiedOwn),
    "meanteacher_aligned": (Aligned, StudiedOwn),
    "meanteacher_low_energy": (LowEnergyOnly, StudiedOwn),
    "meanteacher_running": (RunningAverage, StudiedOwn),
    "dual": (StudiedOwn,),
    "dual_right": (RightNegatives, StudiedOwn),
    "dual_all": (AllWrongClasses, StudiedOwn),
    "dual_known": (KnownOnly,),
    "dual_known_pseudo": (KnownPseudoLabels,),
    "dual_uncontradicted": (Uncontradicted, StudiedOwn),
    "dual_low_energy": (LowEnergyOnly, StudiedOwn),
    "dual_agreed": (AgreedOnly,),
    "dual_current": (CurrentWeights, StudiedOwn),
    "fixmatch": (StudiedMasked,),
    "fixmatch_right": (RightNegatives, StudiedMasked),
    "fixmatch_all": (AllWrongClasses, StudiedMasked),
    "flexmatch": (StudiedMasked,),
    "flexmatch_right": (RightNegatives, StudiedMasked),
    "flexmatch_all": (AllWrongClasses, StudiedMasked),
    "adamatch": (StudiedMasked,),
    "adamatch_teacher": (TeacherNegatives, StudiedMasked),
}
"""What each is made of, beside ``dnll_<algorithm>``; registered as ``study_<name>``."""

for name, parts in VARIANTS.items():
    base = f"dnll_{name.split('_')[0]}"
    ALGORITHMS[f"study_{name}"] = type(name, (*parts, ALGORITHMS[base]), {})
    add_algorithm(replace(OWN_ALGORITHMS[base], name=f"study_{name}", module=__name__))
