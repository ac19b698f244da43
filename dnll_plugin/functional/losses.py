"""The losses of learning from pseudo-negative labels (DNLL, arXiv:2301.03976).

Pure functions of tensors, on any device, without host synchronisation. Logits may be in any
floating dtype; half precisions are computed in float32. L labeled and U unlabeled rows, B = L + U,
K classes. Where a function takes a :class:`Prediction` in the place of logits, softmax and
log-softmax of the same logits are computed once for all of them.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.functional.prediction import Prediction, full_precision

EPSILON = 1e-6
"""Keeps the logarithm of the negative-label loss finite, as in the published code."""


class Heads(NamedTuple):
    """Logits (N, K) of a net's two heads; a net with one head has it, the same tensor, twice."""

    class_logits: Tensor
    cons_logits: Tensor

    @classmethod
    def of(cls, output: dict[str, Tensor]) -> "Heads":
        """Takes the heads out of what a net returns: ``logits`` and, if there, ``logits_cons``."""
        return cls(output["logits"], output.get("logits_cons", output["logits"]))

    @classmethod
    def join(cls, several: "Sequence[Heads]") -> "Heads":
        """The rows of several, one after the other."""
        if len(several) == 1:
            return several[0]
        class_logits = torch.cat([heads.class_logits for heads in several])
        if all(heads.is_one for heads in several):
            return cls(class_logits, class_logits)
        return cls(class_logits, torch.cat([heads.cons_logits for heads in several]))

    def split(self, count: int) -> tuple["Heads", "Heads"]:
        """The heads of the first ``count`` rows and those of the others."""
        sizes = [count, len(self.class_logits) - count]
        first, others = self.class_logits.split(sizes)
        if self.is_one:
            return Heads(first, first), Heads(others, others)
        first_cons, others_cons = self.cons_logits.split(sizes)
        return Heads(first, first_cons), Heads(others, others_cons)

    @property
    def is_one(self) -> bool:
        """Whether the net has one head."""
        return self.cons_logits is self.class_logits


def negative_label_loss(
    logits: Tensor | Prediction,
    negatives: Tensor,
    rows: Tensor | None = None,
    count: Tensor | int | None = None,
    kind: str = "each",
) -> Tensor:
    """Lowers the probability of classes that rows do not belong to (arXiv:2301.03976, section 3).

    Args:
        logits: (N, K) logits of the submodel that learns, or their prediction.
        negatives: Boolean (N, K), the negative labels of each row.
        rows: (N,), the rows that learn: boolean, or a weight in [0, 1] each; None for all of them.
        count: Number to divide the sum over rows by; None for the number of ``rows``. Several ranks
            pass their average number of rows. (S,) where N holds the rows of S submodels, one after
            the other, which are divided each by its own.
        kind: A key of :data:`NEGATIVE_LOSSES`: ``each`` (published) or ``together``.

    Returns:
        0-dim mean over the chosen rows, of S submodels the mean of theirs; 0 when there is no such
        row or no negative.

    Raises:
        ValueError: If there is no such kind.
    """
    if kind not in NEGATIVE_LOSSES:
        raise ValueError(f"kind must be one of {', '.join(NEGATIVE_LOSSES)}, got {kind!r}")
    row_loss = NEGATIVE_LOSSES[kind](Prediction.of(logits), negatives)
    if rows is not None:
        row_loss = row_loss * rows
    if count is None:
        count = max(1, len(row_loss)) if rows is None else rows.sum().clamp_(min=1)
    if isinstance(count, Tensor) and count.dim() > 0:
        return (row_loss.view(len(count), -1).sum(dim=1) / count).mean()
    return row_loss.sum() / count


def each_negative(prediction: Prediction, negatives: Tensor) -> Tensor:
    """Mean over the negatives S of a row of ``-log(1 - p_j + 1e-6)``, the published loss.

    Returns:
        (N,), each >= 0; 0 where S is empty.
    """
    class_loss = torch.log(1.0 - prediction.probabilities + EPSILON)
    return (class_loss * negatives).sum(dim=1) / negatives.sum(dim=1).clamp_(min=1).neg_()


def negatives_together(prediction: Prediction, negatives: Tensor) -> Tensor:
    """``-log(1 - sum of p_j over j in S)``: the row belongs to one of the classes that are left.

    The loss of a set of candidates in learning from partial labels (Jin and Ghahramani, NIPS 2002).
    With one class left it is the cross-entropy with that class; unlike :func:`each_negative` it
    weighs more the more classes are ruled out. It has no epsilon, so no bound either; S must leave
    a class.

    Returns:
        (N,), each >= 0; 0 where S is empty.
    """
    full = prediction.logits.to(full_precision(prediction.logits))
    left = full.masked_fill(negatives, torch.finfo(full.dtype).min)
    # any class that is left has the same ratio of its probabilities in both spaces
    first = left.detach().argmax(dim=1, keepdim=True)
    ratio = torch.log_softmax(left, dim=1) - prediction.log_probabilities
    return ratio.gather(1, first).squeeze(1)


NEGATIVE_LOSSES: dict[str, Callable[[Prediction, Tensor], Tensor]] = {
    "each": each_negative,
    "together": negatives_together,
}
"""The values of the key ``negative_loss``: of a prediction and negatives (N, K) a loss a row."""


def consistency(
    logits: Tensor | Prediction, target_logits: Tensor | Prediction, kind: str = "mse"
) -> Tensor:
    """Distance of the prediction to a target prediction, row by row.

    Args:
        logits: (N, K), with gradient, or their prediction.
        target_logits: The same of the target; pass them detached.
        kind: ``mse``: squared distance of the probabilities, summed over classes, / K.
            ``kl``: sum over classes of ``q (log q - log p)`` with q the target, not divided by K.

    Returns:
        (N,), each >= 0.

    Raises:
        ValueError: If ``kind`` is neither.
    """
    prediction, target = Prediction.of(logits), Prediction.of(target_logits)
    if kind == "mse":
        return _squared_distance(prediction.probabilities, target.probabilities)
    if kind == "kl":
        log_ratio = target.log_probabilities - prediction.log_probabilities
        return (target.probabilities * log_ratio).sum(dim=1)
    raise ValueError(f"kind must be 'mse' or 'kl', got {kind!r}")


def head_distance(heads: Heads) -> Tensor:
    """Squared distance of the logits of the two heads, summed over classes, / K.

    Keeps the consistency head near the class head (Tarvainen and Valpola, arXiv:1703.01780).

    Returns:
        (N,); zeros for a net with one head.
    """
    full = full_precision(heads.class_logits)
    if heads.is_one:
        return torch.zeros(len(heads.class_logits), dtype=full, device=heads.class_logits.device)
    return _squared_distance(heads.class_logits.to(full), heads.cons_logits.to(full))


class NegativeLabels(NamedTuple):
    """What the unlabeled rows of the dual pair are told that they are not.

    Attributes:
        classes: Boolean (U, K), the negative labels of each row.
        rows: Boolean (U,), the rows that learn them.
        rows_to_divide_by: See ``count`` of :func:`negative_label_loss`.
        kind: See :func:`negative_label_loss`.
    """

    classes: Tensor
    rows: Tensor
    rows_to_divide_by: Tensor | None = None
    kind: str = "each"


def dual_losses(
    labeled: Heads,
    unlabeled: Heads,
    labels: Tensor,
    other_view: Tensor | Prediction,
    pull_target: Tensor | Prediction,
    negatives: NegativeLabels,
    kind: str = "mse",
) -> dict[str, Tensor]:
    """The terms of one submodel of the dual pair, before their weights.

    Sums over rows are divided by B; the negative-label loss by the number of rows that learn. Or of
    both submodels at once, the rows of left followed by those of right in every tensor: each term
    is then the mean of theirs.

    Args:
        labeled: Heads (L, K) of the submodel on the labeled rows.
        unlabeled: Heads (U, K) on its own view of the unlabeled rows.
        labels: Integer (L,).
        other_view: Its class logits on the other view, without gradient: of the unlabeled rows
            (U, K), or of the labeled rows followed by the unlabeled ones (B, K).
        pull_target: Class logits (U, K) of the peer, without gradient.
        negatives: Of the unlabeled rows; those that do not learn are pulled towards the peer.
        kind: Criterion of consistency and pull, ``mse`` or ``kl``.

    Returns:
        0-dim tensors ``sup``, ``consistency``, ``stabilization``, ``negative``, and where the net
        has two heads ``logit_distance``.
    """
    batch = len(labels) + len(unlabeled.cons_logits)
    own = consistent = Prediction(unlabeled.cons_logits)
    if len(other_view) == batch:
        consistent = Prediction(torch.cat((labeled.cons_logits, unlabeled.cons_logits)))
        own = consistent[len(labels) :]
    pull = consistency(own, pull_target, kind) * ~negatives.rows
    return {
        "sup": _summed_cross_entropy(labeled.class_logits, labels) / batch,
        "consistency": consistency(consistent, other_view, kind).sum() / batch,
        "stabilization": pull.sum() / batch,
        "negative": negative_label_loss(own, *negatives),
        **head_distance_term(labeled, unlabeled),
    }


def meanteacher_losses(
    labeled: Heads,
    unlabeled: Heads,
    labels: Tensor,
    teacher: Tensor,
    negatives: Tensor,
    kind: str = "mse",
    negative_loss: str = "each",
) -> dict[str, Tensor]:
    """The terms of the student of a Mean Teacher that also learns negatives, before their weights.

    Args:
        labeled: Heads (L, K) of the student on the labeled rows.
        unlabeled: Heads (U, K) of the student on the unlabeled rows.
        labels: Integer (L,).
        teacher: Class logits (U, K) of the teacher, without gradient.
        negatives: Boolean (U, K).
        kind: Criterion of the consistency, ``mse`` or ``kl``.
        negative_loss: See ``kind`` of :func:`negative_label_loss`.

    Returns:
        0-dim tensors ``sup``, ``consistency``, ``negative``, and where the net has two heads
        ``logit_distance``.
    """
    own = Prediction(unlabeled.cons_logits)
    return {
        "sup": _summed_cross_entropy(labeled.class_logits, labels) / (len(labels) + len(own)),
        "consistency": consistency(own, teacher, kind).mean(),
        "negative": negative_label_loss(own, negatives, kind=negative_loss),
        **head_distance_term(labeled, unlabeled),
    }


def head_distance_term(labeled: Heads, unlabeled: Heads) -> dict[str, Tensor]:
    """Mean over all rows of the distance of the two heads; no term where there is one head."""
    if labeled.is_one:
        return {}
    return {"logit_distance": head_distance(Heads.join((labeled, unlabeled))).mean()}


def _summed_cross_entropy(logits: Tensor, labels: Tensor) -> Tensor:
    return F.nll_loss(Prediction(logits).log_probabilities, labels, reduction="sum")


def _squared_distance(one: Tensor, other: Tensor) -> Tensor:
    """Sum over classes of the squared difference of (N, K), / K: (N,)."""
    return F.mse_loss(one, other, reduction="none").mean(dim=1)
