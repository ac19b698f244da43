"""What is exported: a net with its normalisation inside, and what is to be known about it."""

import json
from typing import Any

import torch
from torch import Tensor, nn
from torchvision.transforms import Normalize

from dnll_plugin.datasets.transforms import evaluation_view
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.run import TrainedRun


class Classifier(nn.Module):
    """A net that takes pixels and gives logits and probabilities.

    Args:
        net: gives a mapping that holds ``logits``.
        mean: of pixels scaled to 0..1, one a channel.
        std: of the same.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, net: nn.Module, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.net = net
        self.register_buffer("mean", mean.view(3, 1, 1))
        self.register_buffer("std", std.view(3, 1, 1))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Logits and probabilities, both (N, K), of RGB pixels from 0 to 1, (N, 3, H, W)."""
        logits = self.net((pixels - self.mean) / self.std)["logits"]
        return logits, logits.softmax(dim=1)


def make_classifier(net: nn.Module, run: TrainedRun) -> Classifier:
    """The classifier of a trained net, on the CPU.

    Raises:
        InputError: The view of the run's data set does not end with a normalisation.
    """
    view: Any = evaluation_view(run.dataset, run.img_size, run.crop_ratio)
    last = getattr(view, "transforms", [view])[-1]
    if not isinstance(last, Normalize):
        raise InputError(
            f"dataset: the view of {run.dataset} does not end with torchvision's Normalize, so "
            "that nothing says how its images are normalised"
        )
    mean, std = (torch.as_tensor(values, dtype=torch.float32) for values in (last.mean, last.std))
    return Classifier(net.cpu().eval(), mean, std).eval()


def describe(classifier: Classifier, run: TrainedRun, submodel: str, weights: str) -> str:
    """What goes into the file beside the net, as one line of JSON."""
    facts = {
        "classes": run.classes,
        "img_size": run.img_size,
        "mean": [round(value, 6) for value in classifier.mean.flatten().tolist()],
        "std": [round(value, 6) for value in classifier.std.flatten().tolist()],
        "view": " ".join(str(evaluation_view(run.dataset, run.img_size, run.crop_ratio)).split()),
        "input": "pixels: float32 (N, 3, img_size, img_size), RGB from 0 to 1, not normalised",
        "output": "logits and probabilities: float32 (N, classes)",
        **{"algorithm": run.algorithm, "net": run.net, "submodel": submodel, "weights": weights},
    }
    return json.dumps(facts, ensure_ascii=False)
