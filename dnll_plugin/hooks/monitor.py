"""The hook that measures how unlabeled rows are used."""

from typing import Any

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.negatives import negative_accuracy


def is_log_step(algorithm: Any) -> bool:
    """Whether the current step is logged: at ``num_log_iter``, at ``num_eval_iter``, the last."""
    done = algorithm.it + 1
    every = (algorithm.num_log_iter, algorithm.num_eval_iter)
    return done == algorithm.num_train_iter or any(n > 0 and done % n == 0 for n in every)


class MonitorHook(Hook):
    """Measures, at the steps that are logged, what the unlabeled rows of the batch teach.

    The hidden labels of the unlabeled set, where its data set has them, serve to measure the
    negatives and nothing else.
    """

    def __init__(self) -> None:
        super().__init__()
        self.hidden_labels: Tensor | None = None

    @torch.no_grad()
    def observe(
        self, algorithm: Any, idx_ulb: Tensor, negatives: Tensor, learns: Tensor
    ) -> dict[str, Tensor]:
        """Measures which unlabeled rows teach what.

        Args:
            algorithm: The running algorithm.
            idx_ulb: Integer (U,), places of the rows in the unlabeled set.
            negatives: Boolean (U, K).
            learns: Boolean (U,), the rows that learn their negatives.

        Returns:
            ``util_ratio`` and ``negative_ratio`` (shares of rows that teach positively and
            negatively) and ``negative_acc`` (share of negatives that are right, NaN where no hidden
            label is known), 0-dim tensors.
        """
        if self.hidden_labels is None:
            dataset = algorithm.loader_dict["train_ulb"].dataset
            targets = [-1] * len(dataset) if dataset.targets is None else dataset.targets
            self.hidden_labels = torch.as_tensor(targets, device=idx_ulb.device)
        ratio = learns.float().mean()
        return {
            "util_ratio": 1.0 - ratio,
            "negative_ratio": ratio,
            "negative_acc": negative_accuracy(negatives, self.hidden_labels[idx_ulb], learns),
        }
