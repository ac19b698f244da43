"""Calibration: how far a net's confidence is from its accuracy."""

import torch
from torch import Tensor

BINS = 15


def expected_calibration_error(confidence: Tensor, correct: Tensor, bins: int = BINS) -> Tensor:
    """Expected calibration error (arXiv:1706.04599, equation 3), with bins of equal width.

    Args:
        confidence: Probability of the predicted class, (N,), in [0, 1], N at least 1.
        correct: Whether the prediction is right, boolean (N,).
        bins: Number of bins, at least 1.

    Returns:
        ``sum over bins of (rows of the bin / N) * |accuracy - mean confidence|``, 0-dim float64, in
        [0, 1].
    """
    confidence = confidence.double()
    # a bin holds its upper end, as in the paper: (m / M, (m + 1) / M]
    place = (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)
    gaps = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    gaps.index_add_(0, place, correct.double() - confidence)
    return gaps.abs().sum() / len(confidence)
