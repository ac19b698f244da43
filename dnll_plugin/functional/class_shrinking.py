"""Shrinking the class space until a prediction is certain (ShrinkMatch, arXiv:2308.06777).

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.functional.negatives import full_precision_softmax


def shrunk_classes(logits: Tensor, threshold: float) -> Tensor:
    """Finds the classes that stay when the confusion classes of a row are removed.

    The likeliest classes after the first are removed, one by one, until the first one's probability
    among those that stay reaches the threshold. A certain row keeps every class; a row that only
    the first class alone would make certain keeps that one.

    Args:
        logits: Class logits (N, K) of the weak view.
        threshold: Confidence in [0, 1] from which a row is certain.

    Returns:
        Boolean (N, K), true for the classes of the shrunk space.
    """
    probability, order = full_precision_softmax(logits).sort(dim=1, descending=True)
    first = probability[:, :1]
    from_rank_on = probability.flip(1).cumsum(dim=1).flip(1)
    # a class stays when it and all that are less likely leave the first one certain
    stays = first >= threshold * (first + from_rank_on)
    stays[:, 0] = True
    return torch.zeros_like(stays).scatter(1, order, stays)


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


def uncertain_loss(
    strong: Tensor, weak: Tensor, certain: Tensor, threshold: float, progress: Tensor | float
) -> Tensor:
    """The loss of the rows that are not certain, with both reweighting principles.

    Each row's weight is its confidence among all classes (the surer, the more reliable), and all of
    them are weighted by how far the training is.

    Args:
        strong: Logits (N, K) of the strong view, with gradient.
        weak: Logits (N, K) of the weak view, without.
        certain: (N,), 1 for the rows that are certain already, 0 for the others.
        threshold: Confidence in [0, 1] that the shrunk space must give.
        progress: Share of rows that are certain, in [0, 1].

    Returns:
        0-dim mean over all N rows, as that of the certain ones is.
    """
    confidence, label = full_precision_softmax(weak).max(dim=1)
    row_loss = shrunk_cross_entropy(strong, shrunk_classes(weak, threshold), label)
    return progress * (row_loss * confidence * (1.0 - certain)).mean()
