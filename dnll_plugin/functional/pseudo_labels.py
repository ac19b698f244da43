"""Which rows learn a pseudo-label, and the loss of those that do and of those that do not.

Pure functions of tensors, on any device, without host synchronisation. L labeled and U unlabeled
rows, K classes.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.functional.losses import negative_label_loss
from dnll_plugin.functional.prediction import Prediction, full_precision_softmax


class PseudoLabels(NamedTuple):
    """What a generator says of unlabeled rows, without gradient.

    Attributes:
        classes: Integer (U,), the likeliest class of each.
        sure: Boolean (U,), the rows that learn it; the others learn negatives.
    """

    classes: Tensor
    sure: Tensor


def find_pseudo_labels(logits: Tensor, threshold: float) -> PseudoLabels:
    """Takes the class of the rows that are predicted with confidence (arXiv:2001.07685, eq. 4).

    Args:
        logits: (U, K), predictions of the weak view, without gradient.
        threshold: Confidence from which a row learns its pseudo-label, in [0, 1].
    """
    confidence, classes = full_precision_softmax(logits).max(dim=1)
    return PseudoLabels(classes, confidence >= threshold)


def strong_view_losses(
    labeled: Tensor,
    strong: Tensor,
    labels: Tensor,
    pseudo_labels: PseudoLabels,
    negatives: Tensor,
    kind: str = "together",
) -> dict[str, Tensor]:
    """The terms of a submodel whose strong view learns from the weak one, before their weights.

    Or of several submodels at once, the rows of one followed by those of the next in every tensor:
    each term is then the mean of theirs.

    Args:
        labeled: Class logits (L, K) of the labeled rows.
        strong: Class logits (U, K) of the strong view of the unlabeled rows.
        labels: Integer (L,).
        pseudo_labels: Of the weak view.
        negatives: Boolean (U, K); the rows without a pseudo-label learn theirs.
        kind: See :func:`dnll_plugin.functional.losses.negative_label_loss`.

    Returns:
        0-dim tensors ``sup``, ``pseudo_label``, ``negative``, each a sum over rows divided by the
        number of all labeled or all unlabeled rows.
    """
    own = Prediction(strong)
    wrong = F.nll_loss(own.log_probabilities, pseudo_labels.classes, reduction="none")
    return {
        "sup": F.cross_entropy(labeled, labels),
        "pseudo_label": (wrong * pseudo_labels.sure).mean(),
        "negative": negative_label_loss(own, negatives, ~pseudo_labels.sure, len(own), kind),
    }


def join_rows(several: Sequence[Tensor]) -> Tensor:
    """The rows of several, one after the other; of one itself, for a copy costs a launch."""
    return several[0] if len(several) == 1 else torch.cat(tuple(several))


def join_pseudo_labels(several: Sequence[PseudoLabels]) -> PseudoLabels:
    """The rows of several, one after the other."""
    return PseudoLabels(*map(join_rows, zip(*several, strict=True)))
