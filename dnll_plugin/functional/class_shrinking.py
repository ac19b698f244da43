"""Shrinking the class space until a prediction is certain (ShrinkMatch, arXiv:2308.06777).

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes. As the
authors' code computes them.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor


class Shrunk(NamedTuple):
    """The class space of each row after its confusion classes were removed.

    Attributes:
        label: Integer (N,), the first class, which stays.
        first_kept_rank: Integer (N,), the rank from 0 of the first class that stays after it.
        kept: Boolean (N, K), the classes of the shrunk space.
        confidence: (N,), the first class's probability among them.
        satisfied: Boolean (N,), whether that reaches the threshold.
    """

    label: Tensor
    first_kept_rank: Tensor
    kept: Tensor
    confidence: Tensor
    satisfied: Tensor


def shrink_classes(probabilities: Tensor, threshold: float) -> Shrunk:
    """Removes the likeliest classes after the first, one by one, until the first one is certain.

    At least one goes, also where the row is certain already, and with the first at least one stays,
    also where it is not certain then. With two classes none can go.

    Args:
        probabilities: (N, K), K >= 2, of each row's classes; they need not sum to 1.
        threshold: Confidence in [0, 1] that the first class must reach among those that stay.
    """
    by_rank, order = probabilities.sort(dim=1, descending=True, stable=True)
    first = by_rank[:, :1]
    from_rank_on = by_rank.flip(1).cumsum(dim=1).flip(1)
    confidence = first / (first + from_rank_on)
    last = probabilities.shape[1] - 1
    lowest = min(2, last)
    # it grows from rank to rank, so that counting finds the first rank that suffices
    first_kept = lowest + (confidence[:, lowest:last] < threshold).sum(dim=1, keepdim=True)
    reached = confidence.gather(1, first_kept).squeeze(1)
    ranks = torch.arange(last + 1, device=order.device)
    stays = (ranks == 0) | (ranks >= first_kept)
    return Shrunk(
        label=order[:, 0],
        first_kept_rank=first_kept.squeeze(1),
        kept=torch.empty_like(stays).scatter_(1, order, stays),
        confidence=reached,
        satisfied=reached >= threshold,
    )


def weigh_rows(shrunk: Shrunk, target: Tensor, certain: Tensor) -> Tensor:
    """The first reweighting: an uncertain row counts by its confidence before it was shrunk.

    Args:
        shrunk: The spaces of the N rows.
        target: (N, K), the probabilities by which a row is certain.
        certain: (N,), 1 for the rows that are certain, 0 for the others.

    Returns:
        (N,), in [0, 1]: 0 for certain rows, and for those that shrinking cannot make certain.
    """
    return target.amax(dim=1) * (1.0 - certain) * shrunk.satisfied


def shrunk_cross_entropy(logits: Tensor, classes: Tensor, labels: Tensor) -> Tensor:
    """Cross-entropy of each row within its own space of classes.

    Args:
        logits: (N, K), with gradient; half precisions are computed in float32.
        classes: Boolean (N, K), the space of each row.
        labels: Integer (N,), a class of its row's space.

    Returns:
        (N,), each >= 0; 0 for a row with one class. Other classes get no gradient.
    """
    full = logits.to(torch.promote_types(logits.dtype, torch.float32))
    return F.cross_entropy(full.masked_fill(~classes, -torch.inf), labels, reduction="none")


def shrink_loss(auxiliary: Tensor, shrunk: Shrunk, weights: Tensor) -> Tensor:
    """Cross-entropy with the first class of each row in its shrunk space, before the second weight.

    Args:
        auxiliary: Logits (N, K) of the auxiliary head on the strong view, with gradient.
        shrunk: The spaces of the N rows.
        weights: (N,), of :func:`weigh_rows`.

    Returns:
        0-dim mean over all N rows.
    """
    return (shrunk_cross_entropy(auxiliary, shrunk.kept, shrunk.label) * weights).mean()


def align_distribution(probabilities: Tensor, average: Tensor, epsilon: float = 0.0) -> Tensor:
    """Divides by what is predicted on average (distribution alignment to even classes).

    Args:
        probabilities: (N, K).
        average: (K,), without ``epsilon`` up to a factor.
        epsilon: What is added to it.

    Returns:
        (N, K), each row sums to 1.
    """
    ratio = probabilities / (average + epsilon).clamp(min=torch.finfo(average.dtype).tiny)
    return ratio / ratio.sum(dim=1, keepdim=True)
