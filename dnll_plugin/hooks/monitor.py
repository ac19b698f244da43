"""The hook that measures how unlabeled rows are used."""

import torch
from semilearn.core.hooks import Hook
from torch import Tensor

from dnll_plugin.functional.negatives import negative_accuracy
from dnll_plugin.protocols import ToolboxAlgorithm


def is_log_step(algorithm: ToolboxAlgorithm) -> bool:
    """Whether the current step is logged: at ``num_log_iter``, at ``num_eval_iter``, the last."""
    done = algorithm.it + 1
    every = (algorithm.num_log_iter, algorithm.num_eval_iter)
    return done == algorithm.num_train_iter or any(n > 0 and done % n == 0 for n in every)


def read_hidden_labels(algorithm: ToolboxAlgorithm, device: torch.device) -> Tensor:
    """Labels of the unlabeled set, where its data set has them, else -1; they serve to measure."""
    dataset = algorithm.loader_dict["train_ulb"].dataset
    targets = [-1] * len(dataset) if dataset.targets is None else dataset.targets
    labels = torch.as_tensor(targets)
    if not has_ood_classes(algorithm) and (labels < 0).any():
        labels = torch.full_like(labels, -1)  # those that are known are of the labeled images
    return labels.to(device)


def has_ood_classes(algorithm: ToolboxAlgorithm) -> bool:
    """Whether some classes of the data set are out of distribution, whose hidden label is -1."""
    return getattr(algorithm.args, "ood_classes", 0) > 0


def average_by_kind(name: str, share: Tensor, ood: Tensor) -> dict[str, Tensor]:
    """Mean of rows of the classes and of OOD images, NaN where the batch has none.

    Args:
        name: Of the number, ``_inlier`` and ``_outlier`` are appended.
        share: (U,), boolean or in [0, 1].
        ood: Boolean (U,).
    """
    kinds = {"inlier": ~ood, "outlier": ood}
    return {f"{name}_{kind}": (share * rows).sum() / rows.sum() for kind, rows in kinds.items()}


class MonitorHook(Hook):
    """Measures, at the steps that are logged, what the unlabeled rows of the batch teach."""

    def __init__(self) -> None:
        super().__init__()
        self.labels: Tensor | None = None

    @torch.no_grad()
    def observe(
        self, algorithm: ToolboxAlgorithm, idx_ulb: Tensor, negatives: Tensor, learns: Tensor
    ) -> dict[str, Tensor]:
        """Measures which unlabeled rows teach what.

        Args:
            algorithm: The running algorithm.
            idx_ulb: Integer (U,), places of the rows in the unlabeled set.
            negatives: Boolean (U, K).
            learns: (U,), the rows that learn their negatives: boolean, or a weight each.

        Returns:
            ``util_ratio`` and ``negative_ratio`` (shares of rows that teach positively and
            negatively) and ``negative_acc`` (share of negatives that are right, NaN where no hidden
            label is known), 0-dim tensors; both shares of inliers and of outliers too, where some
            classes are out of distribution.
        """
        if self.labels is None:
            self.labels = read_hidden_labels(algorithm, idx_ulb.device)
        labels, learns = self.labels[idx_ulb], learns.float()
        seen = {
            "util_ratio": 1.0 - learns.mean(),
            "negative_ratio": learns.mean(),
            "negative_acc": negative_accuracy(negatives, labels, learns),
        }
        if has_ood_classes(algorithm):
            seen |= average_by_kind("util_ratio", 1.0 - learns, labels < 0)
            seen |= average_by_kind("negative_ratio", learns, labels < 0)
        return seen
