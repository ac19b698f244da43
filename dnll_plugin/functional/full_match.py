"""FullMatch: negatives and an even rest for every row (CVPR 2023, arXiv:2303.11066).

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes; half
precisions are computed in float32. As the authors' code computes them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.functional.negatives import rank_classes
from dnll_plugin.functional.prediction import full_precision_softmax

EPSILON = 1e-10
"""Keeps logarithms and the mean of no class finite, as in the published code."""

TARGET_EPSILON = 1e-7
"""What the published code adds to the probability that is dealt out evenly."""


class ClassRoles(NamedTuple):
    """What each class is to each row; all boolean (N, K).

    Attributes:
        negatives: The classes that the row is taught not to be of.
        rivals: Those among the k likeliest beside the predicted one.
        evened: The rivals that are drawn to an even share, in rows with a pseudo-label.
    """

    negatives: Tensor
    rivals: Tensor
    evened: Tensor


def choose_roles(
    strong: Tensor, weak: Tensor, mask: Tensor, top_k: Tensor | int, threshold: float
) -> ClassRoles:
    """Chooses the classes that both losses are about.

    Negatives are the classes beyond the ``top_k`` likeliest of the weak view. A class of which the
    strong view is sure, with a probability above ``threshold`` squared, is left out of both.

    Args:
        strong: Logits (N, K) of the strong view.
        weak: Logits (N, K) of the weak view.
        mask: (N,), 1 for the rows with a pseudo-label, 0 for the others.
        top_k: From 2 to K, see :func:`~dnll_plugin.functional.negatives.find_top_k`.
        threshold: FixMatch's, in [0, 1].
    """
    rank = rank_classes(weak)
    unsure = full_precision_softmax(strong.detach()) <= threshold**2
    rivals = (rank >= 1) & (rank < top_k)
    evened = rivals & unsure & (mask > 0).unsqueeze(1)
    return ClassRoles((rank >= top_k) & unsure, rivals, evened)


def adaptive_negative_loss(strong: Tensor, negatives: Tensor) -> Tensor:
    """Sum over a row's negatives of ``-log(1 - r + 1e-10)``, the mean over rows (section 3.2).

    Args:
        strong: Logits (N, K) of the strong view, with gradient.
        negatives: Boolean (N, K).

    Returns:
        0-dim.
    """
    class_loss = -torch.log(1.0 - full_precision_softmax(strong) + EPSILON)
    return (class_loss * negatives).sum(dim=1).mean()


def entropy_meaning_loss(
    strong: Tensor, roles: ClassRoles, top_k: Tensor | int, count: Tensor | None = None
) -> Tensor:
    """Draws the rivals of a pseudo-label to an even share of what they have (section 3.3).

    Args:
        strong: Logits (N, K) of the strong view, with gradient, also through the even share.
        roles: Those of :func:`choose_roles`.
        top_k: The same as there.
        count: Number of evened classes to divide by, the average of all ranks; None for those of
            these rows.

    Returns:
        0-dim mean over evened classes of the binary cross-entropy with the share; 0 if there is no
        such class.
    """
    probability = full_precision_softmax(strong)
    rest = (probability * roles.rivals).sum(dim=1, keepdim=True)
    share = (rest + TARGET_EPSILON) / (top_k - 1)
    class_loss = -share * torch.log(probability + EPSILON)
    class_loss = class_loss - (1.0 - share) * torch.log(1.0 - probability + EPSILON)
    if count is None:
        count = roles.evened.sum()
    return (class_loss * roles.evened).sum() / (count + EPSILON)
