"""What is predicted of an image."""

from collections.abc import Iterable, Sequence
from itertools import compress
from typing import NamedTuple

from torch import Tensor


class Row(NamedTuple):
    """The prediction for one image.

    Attributes:
        file: path relative to the folder of the images, with forward slashes.
        label: the most probable class, however low its probability.
        confidence: its probability.
        ruled_out: classes that it is not, where the confidence is below the threshold.
        probabilities: of each class, by its name.
        known: whether it is taken for an image of a class; None if that was not asked.
        unknown_score: what decides it, higher for an image more likely of no class.
    """

    file: str
    label: str
    confidence: float
    ruled_out: tuple[str, ...]
    probabilities: dict[str, float]
    known: bool | None = None
    unknown_score: float | None = None


def rule_out(probabilities: Tensor, threshold: float) -> Tensor:
    """Rules out classes of each image whose most probable class is not certain enough.

    Of an image whose highest probability is below the threshold: the largest set of classes that
    together have a probability of at most ``1 - threshold``, the least probable ones first. So the
    model gives the statement "it is none of these" at least the probability that it must give a
    label. Of the other images: none.

    Args:
        probabilities: float (N, K), rows that sum to 1.
        threshold: above 0, at most 1.

    Returns:
        Boolean (N, K); never holds the most probable class.
    """
    # stable: of equally probable classes argmax takes the first, which stays at the front here
    descending, order = probabilities.sort(dim=1, descending=True, stable=True)
    at_most = descending.flip(1).cumsum(dim=1).flip(1)  # of a class and all less probable ones
    within = at_most <= 1 - threshold
    within[:, 0] = False
    chosen = within.new_zeros(within.shape).scatter(1, order, within)
    return chosen & (descending[:, :1] < threshold)


def describe_rows(
    files: Sequence[str], probabilities: Tensor, classes: Sequence[str], threshold: float
) -> list[Row]:
    """The rows of a batch.

    Args:
        files: names of N images.
        probabilities: float (N, K).
        classes: K names.
        threshold: see `rule_out`.
    """
    confidences, labels = probabilities.amax(dim=1), probabilities.argmax(dim=1)
    ruled_out = rule_out(probabilities, threshold)
    per_image = zip(
        files,
        labels.tolist(),
        confidences.tolist(),
        ruled_out.tolist(),
        probabilities.tolist(),
        strict=True,
    )
    return [
        Row(
            file,
            classes[label],
            confidence,
            tuple(compress(classes, negatives)),
            dict(zip(classes, row, strict=True)),
        )
        for file, label, confidence, negatives, row in per_image
    ]


def mark_unknown(rows: Iterable[Row], scores: Tensor, unknown_above: float) -> list[Row]:
    """The rows of N images, each with whether it is known.

    Args:
        rows: N rows.
        scores: float64 (N,), higher for an image more likely of no class.
        unknown_above: an image is unknown whose score is higher.
    """
    return [
        row._replace(known=not score > unknown_above, unknown_score=score)
        for row, score in zip(rows, scores.tolist(), strict=True)
    ]
