"""Local clustering of features (arXiv:2004.09665): near rows are drawn nearer.

Pure functions of tensors. L labeled and U unlabeled rows of F features.
"""

import torch
from torch import Tensor


def local_clustering_loss(
    labeled: Tensor, unlabeled: Tensor, threshold: float, relative: bool = False
) -> Tensor:
    """Mean of ``d exp(-d / threshold)`` over the pairs of rows whose distance d is within it.

    The distance of two rows is the mean squared difference of their features. Pairs are those of a
    labeled with an unlabeled row, and those of two unlabeled rows (ordered, a row with itself
    included); each kind has a mean of its own.

    Args:
        labeled: Features (L, F); half precisions are computed in float32.
        unlabeled: Features (U, F).
        threshold: Above 0. What is near depends on the net and the number of features.
        relative: Whether the threshold is in units of the mean distance of a kind's pairs.

    Returns:
        0-dim sum of both means; the mean of no pair is 0. Memory grows with (L + U) * U.
    """
    full = torch.promote_types(unlabeled.dtype, torch.float32)
    with torch.autocast(unlabeled.device.type, enabled=False):
        labeled, unlabeled = labeled.to(full), unlabeled.to(full)
        # distances do not depend on it, and lose fewer digits
        centre = unlabeled.detach().mean(dim=0)
        labeled, unlabeled = labeled - centre, unlabeled - centre
        across = _near_mean(squared_distances(labeled, unlabeled), threshold, relative)
        within = _near_mean(squared_distances(unlabeled, unlabeled.detach()), threshold, relative)
        # each pair of unlabeled rows counts both ways: the columns' gradient is the rows' again
        return across + 2 * within - within.detach()


def squared_distances(rows: Tensor, columns: Tensor) -> Tensor:
    """Mean squared difference of the features of each row (N, F) and each column (M, F).

    Returns:
        (N, M), each >= 0, from one product of matrices: nothing of the size (N, M, F) is made.
    """
    features = rows.shape[1]
    norms = rows.square().sum(dim=1, keepdim=True) + columns.square().sum(dim=1)
    distances = torch.addmm(norms, rows, columns.T, beta=1 / features, alpha=-2 / features)
    return distances.clamp(min=0)


def _near_mean(distances: Tensor, threshold: float, relative: bool) -> Tensor:
    limit: Tensor | float = threshold
    if relative:
        limit = (threshold * distances.detach().mean()).clamp(min=torch.finfo(distances.dtype).tiny)
    near = distances <= limit
    pairs = torch.where(near, distances, 0.0)
    return (pairs * torch.exp(pairs / -limit)).sum() / near.sum().clamp(min=1)
