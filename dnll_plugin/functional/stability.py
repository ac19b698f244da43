"""On which unlabeled rows the submodels of a pair are stable, and what those rows teach.

Pure functions of tensors, on any device, without host synchronisation. K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.functional.losses import Heads, consistency
from dnll_plugin.functional.prediction import Prediction


class ChosenRows(NamedTuple):
    """What the unlabeled rows of a step teach, in one tensor for all submodels.

    Attributes:
        stable: Boolean (2, U), rows on which each submodel is stable; the learners come first.
        learns: Boolean (S, U), rows on which each of S learners learns negatives.
        other_view: The learners' prediction of the other view, of S * U rows or, where labeled
            images have two views, S * L labeled rows before them; without gradient.
        pull_target: What the other rows are pulled towards, of S * U rows, without gradient.
    """

    stable: Tensor
    learns: Tensor
    other_view: Prediction
    pull_target: Prediction


def stable_rows(
    own_view: Tensor | Prediction, other_view: Tensor | Prediction, threshold: float
) -> Tensor:
    """Rows on which a submodel is stable (arXiv:2301.03976 after Dual Student, arXiv:1909.01804).

    Args:
        own_view: Class logits (N, K) of the submodel on the view it learns from, or their
            prediction.
        other_view: The same on the other view.
        threshold: Confidence in [0, 1] that at least one of both predictions must exceed.

    Returns:
        Boolean (N,): both views give the same class and one of them is confident.
    """
    own_confidence, own_class = Prediction.of(own_view).most_likely
    other_confidence, other_class = Prediction.of(other_view).most_likely
    confident = torch.maximum(own_confidence, other_confidence) > threshold
    return confident & (own_class == other_class)


def rows_without_pull(
    stable: Tensor, peer_stable: Tensor, inconsistency: Tensor, peer_inconsistency: Tensor
) -> Tensor:
    """Rows on which a submodel is not pulled towards its peer, and so learns negatives instead.

    A peer that is unstable on a row does not teach there. Where both are stable the one with the
    smaller inconsistency between its two views is trusted, and is not pulled; when equal, both are.

    Args:
        stable: Boolean (N,), rows on which the submodel is stable; or of any other shape.
        peer_stable: The same of its peer.
        inconsistency: Consistency criterion between the two views of the submodel, of that shape.
        peer_inconsistency: The same of its peer.

    Returns:
        Boolean, of that shape.
    """
    trusted_if_both_are = stable & (inconsistency < peer_inconsistency)
    return ~peer_stable | trusted_if_both_are


def choose_rows(
    own: Heads,
    labeled: Sequence[Tensor],
    other: Sequence[Tensor],
    targets: Sequence[Tensor],
    threshold: float,
    kind: str,
) -> ChosenRows:
    """Finds out which rows teach the S learners of a pair what.

    Both submodels are looked at in one tensor: softmax is computed once for all rows.

    Args:
        own: Heads (2 * U, K) of both submodels on their own views, the learners first.
        labeled: Class logits (L, K) of each learner on its other view of the labeled images; of no
            rows where those have one view.
        other: Class logits (U, K) of both on their other views, in the order of ``own``.
        targets: Class logits (U, K) that each learner is pulled towards.
        threshold: See :func:`stable_rows`.
        kind: Criterion of consistency, ``mse`` or ``kl``.
    """
    rows = len(own.class_logits)
    seen = Prediction(torch.cat([*labeled, *other, own.class_logits, *targets]))
    begin = sum(map(len, labeled))
    end = begin + 2 * rows
    other_class, own_class = seen[begin : begin + rows], seen[begin + rows : end]
    own_cons = own_class if own.is_one else Prediction(own.cons_logits)

    stable = stable_rows(own_class, other_class, threshold).view(2, -1)
    inconsistency = consistency(own_cons, other_class, kind).view(2, -1)
    learns = rows_without_pull(stable, stable.flip(0), inconsistency, inconsistency.flip(0))
    return ChosenRows(
        stable,
        learns[: len(targets)],
        other_view=seen[: begin + sum(map(len, targets))],
        pull_target=seen[end:],
    )
