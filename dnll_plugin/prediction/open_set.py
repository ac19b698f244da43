"""Which images are of no class: the score that says it, and the threshold from which it does."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from dnll_plugin.errors import InputError
from dnll_plugin.functional.negatives import NEGATIVE_SAMPLERS
from dnll_plugin.functional.open_set import (
    confidence_score,
    score_of_negatives,
    threshold_at_share,
)
from dnll_plugin.prediction.net import apply_net, find_heads, to_probabilities
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.prediction.selection import check_share
from dnll_plugin.prediction.tested_images import load_test_images

Score = Callable[[Mapping[str, Tensor]], Tensor]
"""From the logits of N images, see `apply_net`, to (N,), higher for one more likely of no class."""


@dataclass(frozen=True)
class MeasuredScores:
    """The scores of a run's test images.

    Attributes:
        known: float64 (N,), of images of its classes.
        unknown: float64 (M,), of images of none; M may be 0.
    """

    known: Tensor
    unknown: Tensor

    def describe(self, unknown_above: float) -> str:
        """How many of them are above a threshold."""
        told = f"{_count(self.known, unknown_above)} test images of the classes have"
        if len(self.unknown):
            told += f", and {_count(self.unknown, unknown_above)} of no class"
        return told


def find_score(run: TrainedRun) -> Score:
    """The score that a run's evaluation calls the algorithm's own; without any, that of confidence.

    It is that of the heads that are trained for it (IOMatch, OpenMatch); or the share of classes
    that the negatives leave; else one minus the highest probability.
    """
    heads = find_heads(run.algorithm)
    if heads is not None:
        return heads.score_unknown
    sampler = NEGATIVE_SAMPLERS.get(run.negative_sampling or "")
    own = None if sampler is None else score_of_negatives(sampler)
    of_logits = own or confidence_score
    return lambda outputs: of_logits(outputs["logits"])


def predict_and_score(net: nn.Module, images: Tensor, score: Score) -> tuple[Tensor, Tensor]:
    """Class probabilities (N, K) and scores (N,), both float64 on the CPU, of images."""
    outputs = apply_net(net, images)
    return to_probabilities(outputs["logits"]), score(outputs).double()


def score_test_images(net: nn.Module, run: TrainedRun, batch_size: int) -> MeasuredScores:
    """The scores of a run's test images.

    Args:
        net: the run's, with its heads.
        run: the run.
        batch_size: images a forward pass.

    Raises:
        InputError: They cannot be read, or are others than those that the run was tested on.
    """
    known, unknown = load_test_images(run)
    score = find_score(run)

    def score_all(dataset: Dataset) -> Tensor:
        loader: Iterable[Any] = DataLoader(dataset, batch_size, num_workers=run.num_workers)
        return torch.cat([score(apply_net(net, data["x_lb"])).double() for data in loader])

    no_scores = torch.empty(0).double()
    return MeasuredScores(score_all(known), no_scores if unknown is None else score_all(unknown))


def find_threshold(
    net: nn.Module, run: TrainedRun, share: float, batch_size: int
) -> tuple[float, MeasuredScores]:
    """The threshold above which at most a share of the run's test images of its classes is.

    Args:
        net: the run's, with its heads.
        run: the run.
        share: in (0, 1).
        batch_size: images a forward pass.

    Returns:
        The threshold, and the scores that it comes from.

    Raises:
        InputError: The share is none, or there are too few test images for it.
    """
    check_share(share)
    try:
        scores = score_test_images(net, run, batch_size)
    except InputError as error:
        raise InputError(
            f"--unknown_share: needs the run's test images, which cannot be had ({error}); give "
            "--unknown_above, a threshold of your own, instead"
        ) from error
    number = len(scores.known)
    if share * number < 1:
        raise InputError(
            f"--unknown_share {share:g}: is less than one of the run's {number:,} test images of "
            f"its classes; give at least {math.ceil(1e6 / number) / 1e6:g}, or --unknown_above"
        )
    return float(threshold_at_share(scores.known, share)), scores


def _count(scores: Tensor, unknown_above: float) -> str:
    number = int((scores > unknown_above).sum())
    return f"{number:,} of {len(scores):,} ({number / len(scores):.1%})"
