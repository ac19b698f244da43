"""The hook that chooses pseudo-labels in a training step."""

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.functional.prediction import full_precision_softmax
from dnll_plugin.functional.pseudo_labels import PseudoLabels, find_pseudo_labels
from dnll_plugin.hooks.across_ranks import average_ranks
from dnll_plugin.protocols import ToolboxAlgorithm


class PseudoLabelHook(Hook):
    """Chooses pseudo-labels from a generator's predictions, as AdaMatch does (arXiv:2106.04732).

    Predictions are aligned by running averages of those of unlabeled and of labeled images, each
    generator by its own.

    Args:
        cutoff: Confidence, relative to the mean one on labeled images, from which an image learns
            its pseudo-label, in [0, 1].
    """

    momentum = 0.99
    """Of the averages: those of the last hundred steps, so that short runs align too."""

    def __init__(self, cutoff: float) -> None:
        super().__init__()
        self.cutoff = cutoff
        self.averages: dict[str, Tensor] = {}

    @torch.no_grad()
    def find(
        self, algorithm: ToolboxAlgorithm, generator: str, labeled: Tensor, weak: Tensor
    ) -> PseudoLabels:
        """Takes in the predictions of a step, and chooses.

        Args:
            algorithm: The running algorithm.
            generator: Name of the generator.
            labeled: Its logits (L, K) of the labeled images.
            weak: Those (U, K) of the weak view of the unlabeled ones.
        """
        known, unknown = full_precision_softmax(labeled), full_precision_softmax(weak)
        confidence = known.amax(dim=1).mean()
        batch = torch.stack(
            (unknown.mean(dim=0), known.mean(dim=0), confidence.expand_as(known[0]))
        )
        batch = average_ranks(algorithm, batch)
        average = torch.lerp(batch[:2], self.averages.get(generator, batch[:2]), self.momentum)
        self.averages[generator] = average
        seen, expected = average
        return find_pseudo_labels(unknown, seen, expected, self.cutoff * batch[2, 0])

    def state_dict(self) -> dict[str, Tensor]:
        """The averages, for a checkpoint."""
        return self.averages

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Goes on from :meth:`state_dict` on ``device``."""
        self.averages = {name: average.to(device) for name, average in state.items()}
