"""The hook that chooses pseudo-negative labels in a training step."""

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.functional.negatives import (
    default_num_negatives,
    find_top_k,
    negative_sampler,
)
from dnll_plugin.functional.prediction import full_precision_softmax
from dnll_plugin.hooks.across_ranks import average_ranks, highest_of_ranks
from dnll_plugin.protocols import ToolboxAlgorithm


class NegativeLabelHook(Hook):
    """Chooses negatives from a generator's prediction, called like ``gen_ulb_targets``.

    It has a random generator of its own, so that neither dropout nor augmentation shifts its draws
    and a resumed run continues them.

    Args:
        num_classes: K >= 2.
        num_negatives: 1..K-1, or None for ``min(2, K - 1)``.
        sampling: A key of :data:`dnll_plugin.functional.negatives.NEGATIVE_SAMPLERS`.
        seed: Seed of the draws.

    Raises:
        ValueError: If ``num_negatives`` or ``sampling`` is out of range.
    """

    def __init__(
        self, num_classes: int, num_negatives: int | None, sampling: str, seed: int
    ) -> None:
        super().__init__()
        if num_negatives is None:
            num_negatives = default_num_negatives(num_classes)
        if not 1 <= num_negatives <= num_classes - 1:
            raise ValueError(
                f"num_negatives must be between 1 and {num_classes - 1} with {num_classes} "
                f"classes, got {num_negatives}"
            )
        self.sampler = negative_sampler(sampling, num_negatives)
        self.generator = torch.Generator().manual_seed(seed)

    @torch.no_grad()
    def gen_negatives(
        self, algorithm: ToolboxAlgorithm, logits: Tensor, learner: Tensor | None = None
    ) -> Tensor:
        """Chooses the negatives of each row.

        Args:
            algorithm: The running algorithm.
            logits: (N, K) class logits of the generating submodel.
            learner: (N, K) class logits of the submodel that learns, on the view that it learns
                from; only a sampler with ``by_learner`` needs them.

        Returns:
            Boolean (N, K).

        Raises:
            ValueError: If the sampler needs the learner's logits, and the algorithm gives none.
        """
        if self.generator.device.type != logits.device.type:
            self.generator = _moved(self.generator, logits.device)
        shard = (algorithm.rank, algorithm.world_size) if algorithm.distributed else (0, 1)
        shared = {}
        if algorithm.distributed and self.sampler.by_average:
            average = full_precision_softmax(logits).mean(dim=0)
            shared["average"] = average_ranks(algorithm, average)
        if self.sampler.by_learner:
            if learner is None:
                raise ValueError(
                    f"negative_sampling needs what the learner predicts, which the step of "
                    f"{algorithm.args.algorithm} does not pass to gen_negatives"
                )
            shared["learner"] = learner.detach()
            shared["top_k"] = highest_of_ranks(algorithm, find_top_k(logits, learner))
        return self.sampler.choose(logits.detach(), generator=self.generator, shard=shard, **shared)

    @torch.no_grad()
    def count_rows(self, algorithm: ToolboxAlgorithm, rows: Tensor) -> Tensor:
        """Number of chosen rows, the average of all ranks, at least 1 in total.

        Dividing by it makes the averaged gradient of several ranks that of one large batch.

        Args:
            algorithm: The running algorithm.
            rows: (N,), boolean, or a weight in [0, 1] each; or (S, N), those of S submodels.

        Returns:
            Float, 0-dim or (S,).
        """
        count = rows.sum(dim=-1, dtype=torch.float32)
        ranks = algorithm.world_size if algorithm.distributed else 1
        return average_ranks(algorithm, count).clamp_(min=1 / ranks)

    def state_dict(self) -> dict[str, Tensor]:
        """State of the draws, for a checkpoint."""
        return {"generator": self.generator.get_state()}

    def load_state_dict(self, state: dict[str, Tensor], device: torch.device) -> None:
        """Continues the draws of :meth:`state_dict` on ``device``.

        They begin anew where the state is of a generator of another type of device: nothing was
        drawn yet on this one.
        """
        generator, found = torch.Generator(device), state["generator"].cpu()
        if found.shape == generator.get_state().shape:
            self.generator = generator
            self.generator.set_state(found)


def _moved(generator: torch.Generator, device: torch.device) -> torch.Generator:
    """A fresh generator on ``device`` with the same seed: its state depends on the device."""
    return torch.Generator(device).manual_seed(generator.initial_seed())
