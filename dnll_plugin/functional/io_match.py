"""IOMatch: images of no class as one class more (ICCV 2023, arXiv:2308.13168).

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes. As the
authors' code computes them.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.functional.one_vs_all import OneVsAll
from dnll_plugin.functional.prediction import full_precision_softmax


class OpenTargets(NamedTuple):
    """What the weak view of a row teaches its strong one, without gradient.

    Attributes:
        open_set: (N, K + 1), each row sums to 1; the last class is that of no class.
        outlier_score: (N,), in [0, 1]: the last column of ``open_set``.
    """

    open_set: Tensor
    outlier_score: Tensor


def fuse_targets(target: Tensor, binary: Tensor) -> OpenTargets:
    """Joins a prediction of the classes with what one-vs-all classifiers say (section 3.2).

    Args:
        target: (N, K), each row sums to 1.
        binary: Logits (N, 2K); see :meth:`~dnll_plugin.functional.one_vs_all.OneVsAll.of`.
    """
    says = OneVsAll.of(binary.detach())
    outlier_score = (target * says.outlier).sum(dim=1)
    open_set = torch.cat((target * says.inlier, outlier_score.unsqueeze(1)), dim=1)
    return OpenTargets(open_set, outlier_score)


def outlier_score(closed: Tensor, binary: Tensor) -> Tensor:
    """How surely rows are of no class: the ``outlier_score`` of their unaligned prediction.

    Args:
        closed: Logits (N, K) of the classes.
        binary: Logits (N, 2K); see :func:`fuse_targets`.

    Returns:
        (N,), in [0, 1].
    """
    return fuse_targets(full_precision_softmax(closed), binary).outlier_score
