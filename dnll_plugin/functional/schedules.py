"""Weights and learning rates over time: pure functions of numbers.

Time of a weight is ``t``, whole epochs from 0; time of a learning rate is the training step.
"""

import math


def sigmoid_rampup(t: float, length: float) -> float:
    """Ramps up from ``exp(-5)`` at ``t = 0`` to 1 at ``t = length`` (arXiv:1610.02242).

    Args:
        t: Time in epochs, >= 0.
        length: Length of the ramp in epochs, >= 0. A ramp of length 0 is over at once.

    Returns:
        ``exp(-5 (1 - min(t, length) / length)^2)``, in (0, 1].
    """
    if length <= 0:
        return 1.0
    return math.exp(-5.0 * (1.0 - min(t, length) / length) ** 2)


def negative_label_weight(
    t: float, weight: float, rampup: float, late_epoch: float | None, late_weight: float
) -> float:
    """Weight of the negative-label loss at epoch ``t``, as in the published code.

    Args:
        t: Time in epochs, >= 0.
        weight: Full weight of the ramp; 0 switches the loss off at any time.
        rampup: Length of the ramp in epochs.
        late_epoch: Last epoch of the ramp; None: it never ends.
        late_weight: Weight after ``late_epoch``.

    Returns:
        ``weight * sigmoid_rampup(t, rampup)`` up to and including ``late_epoch``, then
        ``late_weight``.
    """
    if weight == 0:
        return 0.0
    if late_epoch is not None and t > late_epoch:
        return late_weight
    return weight * sigmoid_rampup(t, rampup)


def linear_to_zero(step: int, total_steps: int, first_step: int) -> float:
    """Factor of the learning rate that stays 1, then falls along a line to 0 at ``total_steps``.

    Args:
        step: Steps done so far, >= 0.
        total_steps: Length of the training in steps.
        first_step: Step from which it falls.

    Returns:
        A factor in [0, 1].
    """
    left = (total_steps - step) / max(1, total_steps - first_step)
    return max(0.0, min(1.0, left))


def cosine_to_zero(step: int, total_steps: int, warmup_steps: int = 0) -> float:
    """Factor of the learning rate that falls along half a cosine to 0 at ``total_steps``.

    Args:
        step: Steps done so far, >= 0.
        total_steps: Length of the training in steps.
        warmup_steps: Steps of linear warm-up from 0 before the cosine starts.

    Returns:
        A factor in [0, 1].
    """
    if step < warmup_steps:
        return step / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    return 0.5 * (1.0 + math.cos(math.pi * min(1.0, progress)))
