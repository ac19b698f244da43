"""Which rows learn a pseudo-label, and the loss of those that do and of those that do not.

Pure functions of tensors, on any device, without host synchronisation. L labeled and U unlabeled
rows, K classes.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.functional.class_shrinking import align_distribution
from dnll_plugin.functional.losses import Heads, head_distance_term, negative_label_loss
from dnll_plugin.functional.prediction import Prediction

EPSILON = 1e-6
"""Added to both averages of the alignment, as in the toolbox's AdaMatch."""


class PseudoLabels(NamedTuple):
    """What a generator says of unlabeled rows, without gradient.

    Attributes:
        classes: Integer (U,), the likeliest class of each.
        sure: Boolean (U,), the rows that learn it; the others learn negatives.
        logits: (U, K), logarithms of the aligned probabilities, by which negatives are chosen.
    """

    classes: Tensor
    sure: Tensor
    logits: Tensor


def find_pseudo_labels(
    probabilities: Tensor, seen: Tensor, expected: Tensor, threshold: Tensor
) -> PseudoLabels:
    """Aligns predictions to those of labeled rows, and takes the class of the confident ones.

    Distribution alignment and relative threshold of AdaMatch (arXiv:2106.04732, sections 3.2, 3.3).

    Args:
        probabilities: (U, K), predictions of the weak view.
        seen: (K,), what is predicted of unlabeled rows on average.
        expected: (K,), what is predicted of labeled rows on average.
        threshold: 0-dim, confidence from which a row learns its pseudo-label.
    """
    aligned = align_distribution(probabilities * (expected + EPSILON), seen, EPSILON)
    confidence, classes = aligned.max(dim=1)
    return PseudoLabels(classes, confidence >= threshold, aligned.log())


def strong_view_losses(
    labeled: Heads,
    strong: Heads,
    labels: Tensor,
    pseudo_labels: PseudoLabels,
    negatives: Tensor,
    kind: str = "together",
) -> dict[str, Tensor]:
    """The terms of a submodel whose strong view learns from the weak one, before their weights.

    Or of several submodels at once, the rows of one followed by those of the next in every tensor:
    each term is then the mean of theirs.

    Args:
        labeled: Heads (L, K) on the labeled rows.
        strong: Heads (U, K) on the strong view of the unlabeled rows.
        labels: Integer (L,).
        pseudo_labels: Of the weak view.
        negatives: Boolean (U, K); the rows without a pseudo-label learn theirs.
        kind: See :func:`dnll_plugin.functional.losses.negative_label_loss`.

    Returns:
        0-dim tensors ``sup``, ``pseudo_label``, ``negative``, each a sum over rows divided by the
        number of all labeled or all unlabeled rows, and where the net has two heads
        ``logit_distance``.
    """
    own = Prediction(strong.cons_logits)
    wrong = F.nll_loss(own.log_probabilities, pseudo_labels.classes, reduction="none")
    return {
        "sup": F.cross_entropy(labeled.class_logits, labels),
        "pseudo_label": (wrong * pseudo_labels.sure).mean(),
        "negative": negative_label_loss(own, negatives, ~pseudo_labels.sure, len(own), kind),
        **head_distance_term(labeled, strong),
    }


def join_pseudo_labels(several: list[PseudoLabels]) -> PseudoLabels:
    """The rows of several, one after the other."""
    return PseudoLabels(*(torch.cat(parts) for parts in zip(*several, strict=True)))
