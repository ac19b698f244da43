"""One classifier a class, of this class or not (OpenMatch, arXiv:2105.14148; IOMatch too).

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes; half
precisions are computed in float32. As the authors' code computes them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.functional.prediction import full_precision, full_precision_softmax

EPSILON = 1e-8
"""Keeps logarithms finite, as in the published code."""


class OneVsAll(NamedTuple):
    """What K classifiers say, each (N, K) in [0, 1]; for each row and class both sum to 1.

    Attributes:
        outlier: The probability that the row is not of the class.
        inlier: The probability that it is.
    """

    outlier: Tensor
    inlier: Tensor

    @classmethod
    def of(cls, logits: Tensor) -> "OneVsAll":
        """The probabilities behind logits (N, 2K): K of "not of class k", K of "of class k"."""
        pairs = logits.view(len(logits), 2, -1)
        outlier, inlier = torch.softmax(pairs, dim=1, dtype=full_precision(logits)).unbind(dim=1)
        return cls(outlier, inlier)


def one_vs_all_loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Of its class a row is taught that it is, of the other likeliest one that it is not.

    ``-log(inlier_y + 1e-8)`` plus the largest over k != y of ``-log(outlier_k + 1e-8)``.

    Args:
        logits: (N, 2K), K >= 2, with gradient; see :meth:`OneVsAll.of`.
        labels: Integer (N,).

    Returns:
        0-dim mean over rows.
    """
    says, own = OneVsAll.of(logits), labels.unsqueeze(1)
    positive = -torch.log(says.inlier.gather(1, own) + EPSILON)
    others = (-torch.log(says.outlier + EPSILON)).scatter(1, own, -torch.inf)
    return (positive + others.max(dim=1, keepdim=True).values).mean()


def one_vs_all_entropy(logits: Tensor) -> Tensor:
    """How undecided the K classifiers are: the mean over rows and classes of their entropy.

    Args:
        logits: (N, 2K), with gradient; see :meth:`OneVsAll.of`.
    """
    probabilities = torch.stack(OneVsAll.of(logits))
    return -(probabilities * torch.log(probabilities + EPSILON)).sum(dim=0).mean()


def one_vs_all_consistency(logits: Tensor, other_view: Tensor) -> Tensor:
    """Soft open-set consistency: squared distance of what the classifiers say of two views.

    Args:
        logits: (N, 2K) of one view, with gradient; see :meth:`OneVsAll.of`.
        other_view: The same of the other view, with gradient too.

    Returns:
        0-dim: the sum over classes of both probabilities' distances, the mean over rows.
    """
    one, other = OneVsAll.of(logits), OneVsAll.of(other_view)
    distance = (torch.stack(one) - torch.stack(other)).square()
    return distance.sum(dim=(0, 2)).mean()


def outlier_at_prediction(closed: Tensor, binary: Tensor) -> Tensor:
    """The probability that a row is not of the class that it is predicted to be of.

    Args:
        closed: Logits (N, K) of the classes.
        binary: Logits (N, 2K); see :meth:`OneVsAll.of`.

    Returns:
        (N,), in [0, 1].
    """
    predicted = closed.argmax(dim=1, keepdim=True)
    return OneVsAll.of(binary).outlier.gather(1, predicted).squeeze(1)


def select_inliers(closed: Tensor, binary: Tensor) -> Tensor:
    """The rows that are sooner of their predicted class than not; arguments as above.

    Returns:
        Boolean (N,).
    """
    return outlier_at_prediction(closed, binary) < 0.5


def predict_or_reject(closed: Tensor, binary: Tensor) -> Tensor:
    """The predicted class of a row, or K where it is sooner not of that class than of it.

    Returns:
        Integer (N,), from 0 to K.
    """
    rejected = outlier_at_prediction(closed, binary) > 0.5
    return torch.where(rejected, closed.shape[1], closed.argmax(dim=1))


def fixmatch_loss(strong: Tensor, weak: Tensor, threshold: float) -> tuple[Tensor, Tensor]:
    """FixMatch's loss (arXiv:2001.07685) with hard labels.

    Args:
        strong: Logits (N, K) of the strong view, with gradient.
        weak: Logits (N, K) of the weak view; they get none.
        threshold: Confidence in [0, 1] from which a row learns.

    Returns:
        0-dim mean over all N rows, and the rows that learn, boolean (N,).
    """
    confidence, label = full_precision_softmax(weak.detach()).max(dim=1)
    learns = confidence >= threshold
    full = strong.to(full_precision(strong))
    return (
        torch.nn.functional.cross_entropy(full, label, reduction="none") * learns
    ).mean(), learns
