"""What the evaluated weights predict, out of the passes that the toolbox's evaluation makes."""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor

from dnll_plugin.functional.calibration import expected_calibration_error
from dnll_plugin.protocols import ToolboxAlgorithm

PAIR = ("logits_left", "logits_right")


class Predictions:
    """Logits and labels of every row of a loader, in its first round.

    Later rounds are not kept: Mean Teacher evaluates its student in a second one.

    Args:
        loader: The toolbox's, of batches with labels ``y_lb``.

    Attributes:
        logits: By name, ``logits`` and those of a pair's submodels, batches (N, K) on the host.
        targets: Batches, integer (N,) on the host.
    """

    def __init__(self, loader: Any) -> None:
        self.loader = loader
        self.rounds = 0
        self.targets: list[Tensor] = []
        self.logits: dict[str, list[Tensor]] = defaultdict(list)

    def __iter__(self) -> Iterator[Any]:
        self.rounds += 1
        for data in self.loader:
            if self.rounds == 1:
                self.targets.append(data["y_lb"].cpu())
            yield data

    def note(self, module: object, inputs: object, output: Any) -> None:
        """Keeps what a net returned; to be registered as its forward hook."""
        if self.rounds != 1 or not isinstance(output, dict):
            return
        for name in ("logits", *PAIR):
            if name in output:
                self.logits[name].append(output[name].detach().cpu())

    def join(self, name: str = "logits") -> Tensor:
        """The logits (N, K) of all rows."""
        return torch.cat(self.logits[name])

    def calibration_errors(self, eval_dest: str) -> dict[str, float]:
        """``<eval_dest>/ece`` in [0, 1], of a pair the mean of its submodels; ``ensemble-ece``
        beside."""
        errors = {name: self._error(name) for name in self.logits}
        if not all(name in errors for name in PAIR):
            return {f"{eval_dest}/ece": errors["logits"]} if "logits" in errors else {}
        single = sum(errors[name] for name in PAIR) / len(PAIR)
        return {f"{eval_dest}/ece": single, f"{eval_dest}/ensemble-ece": errors["logits"]}

    def class_accuracies(self) -> dict[int, float]:
        """The share in [0, 1] of each class's rows that are right, by label; of a pair the mean of
        its submodels. A class without a row has none."""
        names = PAIR if all(name in self.logits for name in PAIR) else ("logits",)
        if names[0] not in self.logits:
            return {}
        targets = torch.cat(self.targets)
        right = [(self.join(name).argmax(dim=1) == targets).double() for name in names]
        share = torch.stack(right).mean(dim=0)
        return {label: share[targets == label].mean().item() for label in targets.unique().tolist()}

    def _error(self, name: str) -> float:
        confidence, predicted = self.join(name).float().softmax(dim=1).max(dim=1)
        return expected_calibration_error(confidence, predicted == torch.cat(self.targets)).item()


@contextmanager
def record_predictions(
    algorithm: ToolboxAlgorithm, eval_dest: str = "eval"
) -> Iterator[Predictions]:
    """Records what the algorithm's model predicts on a loader while the context is open."""
    loader = algorithm.loader_dict[eval_dest]
    predictions = Predictions(loader)
    handle = algorithm.model.register_forward_hook(predictions.note)
    algorithm.loader_dict[eval_dest] = predictions
    try:
        yield predictions
    finally:
        algorithm.loader_dict[eval_dest] = loader
        handle.remove()
