"""The hook that chooses, once an epoch, the unlabeled images that are taken for inliers."""

from typing import Any

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.functional.one_vs_all import select_inliers
from dnll_plugin.hooks.across_ranks import highest_of_ranks
from dnll_plugin.hooks.monitor import average_by_kind, has_ood_classes, read_hidden_labels
from dnll_plugin.protocols import Batches, ToolboxAlgorithm


class InliersHook(Hook):
    """Keeps the images whose one-vs-all classifier agrees with their prediction (OpenMatch).

    Attributes:
        chosen: Boolean (N,) over the unlabeled set on the device; None before the first choice.
        epoch: That of the last choice, -1 before.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chosen: Tensor | None = None
        self.epoch = -1
        self.labels: Tensor | None = None

    @torch.no_grad()
    def choose(self, algorithm: ToolboxAlgorithm, images: Batches, number: int) -> None:
        """Chooses anew with the averaged weights; where no image passes, the last choice stays.

        Args:
            algorithm: The running algorithm; of several ranks all call this.
            images: Batches of weak views (``x_ulb_w``) with their places (``idx_ulb``): this rank's
                share of all.
            number: Of unlabeled images.
        """
        model = algorithm.ema_model
        device = next(model.parameters()).device
        chosen = torch.zeros(number, dtype=torch.int32, device=device)
        was_training = model.training
        model.eval()
        for batch in images:
            with algorithm.amp_cm():
                outputs = model(batch["x_ulb_w"].to(device), heads_from=0)
            rows = select_inliers(outputs["logits"], outputs["logits_binary"])
            chosen[batch["idx_ulb"].to(device)] = rows.int()
        model.train(was_training)
        chosen = highest_of_ranks(algorithm, chosen).bool()
        if chosen.any():
            self.chosen = chosen
        self.epoch = algorithm.it // algorithm.num_iter_per_epoch

    def observe(self, algorithm: ToolboxAlgorithm) -> dict[str, Tensor]:
        """Share of the unlabeled images that are chosen, and of either kind where that is known."""
        if self.chosen is None:
            return {}
        seen = {"chosen_ratio": self.chosen.float().mean()}
        if has_ood_classes(algorithm):
            if self.labels is None:
                self.labels = read_hidden_labels(algorithm, self.chosen.device)
            seen |= average_by_kind("chosen_ratio", self.chosen, self.labels < 0)
        return seen

    def state_dict(self) -> dict[str, Any]:
        """What the hook remembers, for a checkpoint."""
        return {"chosen": self.chosen, "epoch": self.epoch}

    def load_state_dict(self, state: dict[str, Any], device: torch.device) -> None:
        """Goes on from :meth:`state_dict` on ``device``."""
        chosen = state["chosen"]
        self.chosen = None if chosen is None else chosen.to(device)
        self.epoch = state["epoch"]
