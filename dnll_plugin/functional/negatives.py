"""Which classes are the pseudo-negative labels of a row.

Pure functions of tensors, on any device, without host synchronisation. N rows, K classes; a set of
negative labels is a boolean mask (N, K).
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from dnll_plugin.functional.prediction import full_precision_softmax

ROUNDING = 1e-5
"""Relative margin below an average: where all rows agree, only rounding sets them apart from it."""

SURE = 0.95**2
"""Probability above which FullMatch's published code takes a class for sure."""

Shard = tuple[int, int]
"""``(rank, world size)``. Rows are dealt to ranks in turn, as the toolbox's sampler does, and
random classes are drawn for the rows of all ranks, so that any number of ranks draws the same."""


def uniform_negatives(
    logits: Tensor,
    num_negatives: int,
    generator: torch.Generator | None = None,
    shard: Shard = (0, 1),
) -> Tensor:
    """Draws classes uniformly, with replacement, from the K - 1 that are not predicted.

    The published choice. A class drawn twice counts once. With K = 2 this is the opposite
    pseudo-label.

    Args:
        logits: Class logits (N, K) of the generating submodel, K >= 2.
        num_negatives: Number of draws a row, >= 1.
        generator: Source of randomness on the device of ``logits``.
        shard: This rank among all, see :data:`Shard`.

    Returns:
        Boolean (N, K), between 1 and ``num_negatives`` classes a row.
    """
    rows, classes = logits.shape
    rank, world = shard
    draws = torch.randint(
        classes - 1, (rows * world, num_negatives), generator=generator, device=logits.device
    )[rank::world]
    draws = draws + (draws >= logits.argmax(dim=1, keepdim=True))
    return _mask_of(draws, logits)


def distinct_negatives(
    logits: Tensor,
    num_negatives: int,
    generator: torch.Generator | None = None,
    shard: Shard = (0, 1),
) -> Tensor:
    """Draws ``num_negatives`` different classes uniformly from the K - 1 that are not predicted.

    Args and returns as :func:`uniform_negatives`, with exactly ``num_negatives`` <= K - 1 a row.
    """
    rows, classes = logits.shape
    rank, world = shard
    score = torch.rand(rows * world, classes, generator=generator, device=logits.device)[
        rank::world
    ]
    score = score.scatter(1, logits.argmax(dim=1, keepdim=True), -1.0)
    return _mask_of(score.topk(num_negatives, dim=1).indices, logits)


def least_likely_negatives(
    logits: Tensor,
    num_negatives: int,
    generator: torch.Generator | None = None,
    shard: Shard = (0, 1),
) -> Tensor:
    """Takes the ``num_negatives`` classes that the generator finds least likely.

    Args and returns as :func:`distinct_negatives`; nothing is random, so ``generator`` and
    ``shard`` change nothing.
    """
    never = logits.scatter(1, logits.argmax(dim=1, keepdim=True), torch.inf)
    return _mask_of(never.topk(num_negatives, dim=1, largest=False).indices, logits)


def below_average_negatives(
    logits: Tensor,
    generator: torch.Generator | None = None,
    shard: Shard = (0, 1),
    average: Tensor | None = None,
) -> Tensor:
    """Takes every class that a row finds less likely than the batch does on average.

    A class that the generator predicts too often is ruled out wherever it is not sure of it, the
    predicted class too; one that it hardly ever predicts, only where it is surer than elsewhere
    that it is not that one. The class that stands out most above its average is never taken.

    Args:
        logits: Class logits (N, K) of the generating submodel.
        generator: Changes nothing, for nothing is random.
        shard: Changes nothing either.
        average: (K,), the mean probabilities of the whole batch where it is shared among ranks;
            None for those of these rows.

    Returns:
        Boolean (N, K), between 0 and K - 1 classes a row.
    """
    probabilities = full_precision_softmax(logits)
    if average is None:
        average = probabilities.mean(dim=0)
    tiny = torch.finfo(average.dtype).tiny
    most = (probabilities / average.clamp(min=tiny)).argmax(dim=1, keepdim=True)
    return (probabilities < average * (1 - ROUNDING)).scatter_(1, most, False)


def beyond_top_k_negatives(
    logits: Tensor,
    generator: torch.Generator | None = None,
    shard: Shard = (0, 1),
    learner: Tensor | None = None,
    top_k: Tensor | None = None,
) -> Tensor:
    """Takes every class beyond the k likeliest, unless the learner is sure of it.

    The choice of FullMatch (arXiv:2303.11066, section 3.2) at its published threshold.

    Args:
        logits: Class logits (N, K) of the generating submodel, K >= 2.
        generator: Changes nothing, for nothing is random.
        shard: Changes nothing either.
        learner: Class logits (N, K) of the submodel that learns, on the view that it learns from;
            None where they are the same.
        top_k: Of the batch of all ranks; None for :func:`find_top_k` of these rows.

    Returns:
        Boolean (N, K), between 0 and K - 2 classes a row.
    """
    if learner is None:
        learner = logits
    if top_k is None:
        top_k = find_top_k(logits, learner)
    return (rank_classes(logits) >= top_k) & (full_precision_softmax(learner) <= SURE)


def find_top_k(logits: Tensor, learner: Tensor) -> Tensor:
    """Finds how many likeliest classes a learner must name to agree with its generator.

    Args:
        logits: Class logits (N, K) of the generator, or of the weak view, N >= 1, K >= 2.
        learner: Those of the learner, or of the strong view.

    Returns:
        0-dim integer k from 2 to K, the smallest for which the class that the generator predicts is
        among the k likeliest of the learner, in every row (arXiv:2303.11066, section 3.2).
    """
    predicted = learner.gather(1, logits.argmax(dim=1, keepdim=True))
    return (learner > predicted).sum(dim=1).max().clamp(min=1) + 1


def rank_classes(logits: Tensor) -> Tensor:
    """The rank of each class in its row, from 0 for the likeliest: integer (N, K)."""
    order = logits.argsort(dim=1, descending=True, stable=True)
    ranks = torch.arange(logits.shape[1], device=logits.device).expand_as(order)
    return torch.empty_like(order).scatter_(1, order, ranks)


class NegativeSampler(NamedTuple):
    """A way to choose negative labels.

    Attributes:
        choose: A function of class logits (N, K), and by name of ``generator`` and ``shard``, that
            gives the negatives, boolean (N, K).
        by_number: Whether it also takes ``num_negatives``, how many classes a row gets.
        by_average: Whether it also takes ``average``, (K,), the mean probabilities of the batch of
            all ranks, where there are several.
        by_learner: Whether it also takes ``learner``, the logits (N, K) of the view that learns,
            and ``top_k``, the :func:`find_top_k` of all ranks.
    """

    choose: Callable[..., Tensor]
    by_number: bool = True
    by_average: bool = False
    by_learner: bool = False


NEGATIVE_SAMPLERS: dict[str, NegativeSampler] = {
    "uniform": NegativeSampler(uniform_negatives),
    "without_replacement": NegativeSampler(distinct_negatives),
    "least_likely": NegativeSampler(least_likely_negatives),
    "below_average": NegativeSampler(below_average_negatives, by_number=False, by_average=True),
    "beyond_top_k": NegativeSampler(beyond_top_k_negatives, by_number=False, by_learner=True),
}
"""The values of the key ``negative_sampling``; add one of your own here."""


def default_num_negatives(num_classes: int) -> int:
    """The published two classes, or the one that there is with two classes."""
    return min(2, num_classes - 1)


def negative_sampler(sampling: str, num_negatives: int) -> NegativeSampler:
    """Finds the sampler of a name, and gives it its number of negatives, if it goes by one.

    Raises:
        ValueError: If there is no such name.
    """
    if sampling not in NEGATIVE_SAMPLERS:
        names = ", ".join(NEGATIVE_SAMPLERS)
        raise ValueError(f"negative_sampling must be one of {names}, got {sampling!r}")
    sampler = NEGATIVE_SAMPLERS[sampling]
    if not sampler.by_number:
        return sampler
    return sampler._replace(choose=partial(sampler.choose, num_negatives=num_negatives))


def negative_accuracy(negatives: Tensor, labels: Tensor, rows: Tensor) -> Tensor:
    """Share of the negatives that are right: the row is truly not of that class.

    Args:
        negatives: Boolean (N, K).
        labels: Integer (N,), the hidden classes; below 0 where unknown.
        rows: (N,), the rows that learn: boolean, or a weight each.

    Returns:
        0-dim float in [0, 1]; NaN when there is no negative with a known class.
    """
    counted = negatives * (rows * (labels >= 0)).unsqueeze(1)
    truth = _mask_of(labels.clamp(min=0).unsqueeze(1), negatives)
    return 1.0 - (counted * truth).sum() / counted.sum()


def _mask_of(classes: Tensor, like: Tensor) -> Tensor:
    """Boolean mask with the shape of ``like`` that is true at the class indices (N, m)."""
    return torch.zeros_like(like, dtype=torch.bool).scatter_(1, classes, True)
