"""How well images of none of the classes (unknown ones) are told from those of the K classes.

Pure functions of tensors, on any device. A score is higher for an image that is more likely to be
unknown; finding an unknown image counts as positive.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from dnll_plugin.functional.negatives import NegativeSampler, below_average_negatives

FOUND = 0.95
"""Share of the unknown images at which false alarms are counted, as is customary."""


def confidence_score(logits: Tensor) -> Tensor:
    """One minus the probability of the most likely class (arXiv:1610.02136, section 2).

    Args:
        logits: Class logits (N, K), of any floating dtype.

    Returns:
        Float64 (N,), from 0 to 1 - 1/K. It is summed over the other classes, so that two confident
        rows differ where their highest probabilities both round to 1.
    """
    probabilities = logits.double().softmax(dim=1)
    return probabilities.scatter(1, logits.argmax(dim=1, keepdim=True), 0.0).sum(dim=1)


def energy_score(logits: Tensor) -> Tensor:
    """The free energy ``-log sum over classes of exp(logit)`` (arXiv:2010.03759, equation 4).

    The temperature is 1.

    Args:
        logits: Class logits (N, K), of any floating dtype.

    Returns:
        Float64 (N,), of any size.
    """
    return -logits.double().logsumexp(dim=1)


LOGIT_SCORES = {"confidence": confidence_score, "energy": energy_score}
"""The scores that the logits of any net give, by name."""


def possible_share(logits: Tensor) -> Tensor:
    """Share of the classes that an image's negatives leave, less its confidence in one of them.

    ``S(x) = (K - |N(x)| - max p_k) / K`` with the negatives ``N(x) = {k : p_k < 1/K}``: those of
    the sampling ``below_average``, where the average over the batch is replaced by even
    predictions, so that an image's score does not depend on the images beside it. Of an image of a
    class all other classes are ruled out; of one of no class, few are. The confidence orders the
    images of which equally many are left.

    Args:
        logits: Class logits (N, K).

    Returns:
        Float64 (N,), from 0 to 1 - 1/K².
    """
    classes = logits.shape[1]
    even = torch.full((classes,), 1.0 / classes, device=logits.device)
    others_left = classes - 1 - below_average_negatives(logits, average=even).sum(dim=1)
    return (others_left + confidence_score(logits)) / classes


def score_of_negatives(sampler: NegativeSampler) -> Callable[[Tensor], Tensor] | None:
    """The score that the negatives of a sampling give, a function of logits (N, K) to (N,).

    None with a sampling whose negatives are the same number of every image, and so tell nothing.
    """
    return possible_share if sampler.by_average else None


def area_under_roc(known: Tensor, unknown: Tensor) -> Tensor:
    """Chance that an unknown image has a higher score than a known one; a tie counts half (AUROC).

    Args:
        known: Scores (N,) of images of the classes, N >= 1.
        unknown: Scores (M,) of images of none, M >= 1.

    Returns:
        0-dim float64 in [0, 1].
    """
    ordered = known.sort().values
    below = torch.searchsorted(ordered, unknown)
    up_to = torch.searchsorted(ordered, unknown, right=True)
    return (below + up_to).double().mean() / (2 * len(known))


def false_alarm_rate(known: Tensor, unknown: Tensor, found: float = FOUND) -> Tensor:
    """Share of the known images above the threshold that finds a share of the unknown ones (FPR95).

    Args:
        known: Scores (N,) of images of the classes, N >= 1.
        unknown: Scores (M,) of images of none, M >= 1.
        found: Share in (0, 1] of the unknown images that at least is found, the true positive rate.

    Returns:
        0-dim float64 in [0, 1].
    """
    number = math.ceil(found * len(unknown) - 1e-9)
    threshold = unknown.sort(descending=True).values[max(number, 1) - 1]
    return (known >= threshold).double().mean()


def threshold_at_share(known: Tensor, share: float) -> Tensor:
    """The lowest of the scores above which at most a share of the known images lies.

    Args:
        known: Scores (N,) of images of the classes.
        share: In (0, 1), at least 1/N.

    Returns:
        0-dim; an image is unknown whose score is higher.
    """
    return known.sort(descending=True).values[math.floor(share * len(known))]


def separating_threshold(scores: Tensor) -> Tensor:
    """The threshold that splits scores into two groups with the largest variance between them.

    Otsu's method (IEEE Trans. Systems, Man, Cybernetics 9(1), 1979), exact and not on a histogram.
    It needs no label of any image.

    Args:
        scores: (N,), N >= 1.

    Returns:
        0-dim float64, the lowest score of the upper group; infinite where all scores are equal.
    """
    ordered = scores.double().sort().values
    lower = torch.arange(1, len(ordered), device=ordered.device, dtype=torch.float64)
    upper = len(ordered) - lower
    sums = (ordered - ordered.mean()).cumsum(0)[:-1]  # the sum of all is 0
    between = sums.square() / (lower * upper)
    between = torch.where(ordered[1:] > ordered[:-1], between, -1.0)
    if len(between) == 0 or between.max() < 0:
        return torch.full((), torch.inf, dtype=torch.float64)
    return ordered[between.argmax() + 1]


def reject(predicted: Tensor, scores: Tensor, threshold: Tensor, classes: int) -> Tensor:
    """The predicted class (N,), or ``classes``, which is for unknown, from a threshold on.

    Args:
        predicted: Integer (N,), from 0 to ``classes`` - 1.
        scores: (N,).
        threshold: 0-dim.
        classes: K.
    """
    return predicted.masked_fill(scores >= threshold, classes)


def balanced_accuracy(predicted: Tensor, targets: Tensor) -> Tensor:
    """Mean over the classes that ``targets`` holds of the share of their images that is right.

    Args:
        predicted: Integer (N,), N >= 1, no value below 0.
        targets: Integer (N,), no value below 0.

    Returns:
        0-dim float64 in [0, 1].
    """
    number = targets.bincount()
    right = targets[predicted == targets].bincount(minlength=len(number))
    return (right.double() / number)[number > 0].mean()
