"""Calibration: how far a net's confidence is from its accuracy."""

import torch
from torch import Tensor

BINS = 15
"""Bins of confidence, of equal width, as in arXiv:1706.04599."""


def find_bins(confidence: Tensor, bins: int = BINS) -> Tensor:
    """The bin of each confidence, integer (N,); a bin holds its upper end: (m / M, (m + 1) / M]."""
    return (confidence * bins).ceil().long().sub(1).clamp(0, bins - 1)


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
    gaps = torch.zeros(bins, dtype=torch.float64, device=confidence.device)
    gaps.index_add_(0, find_bins(confidence, bins), correct.double() - confidence)
    return gaps.abs().sum() / len(confidence)
