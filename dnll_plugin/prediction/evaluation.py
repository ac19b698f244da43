"""How good a net is on images whose class is known: rates, the confusion matrix, calibration."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from dnll_plugin.datasets.folders import OF_NO_CLASS, FolderImages, image_paths
from dnll_plugin.errors import InputError
from dnll_plugin.functional.calibration import BINS, find_bins
from dnll_plugin.prediction.images import batches
from dnll_plugin.prediction.net import class_probabilities
from dnll_plugin.prediction.run import TrainedRun


@dataclass(frozen=True)
class Evaluation:
    """What came out for N images of K classes.

    Attributes:
        classes: K names.
        confusion: int64 (K, K), images by true class and predicted class.
        bins: by bin of confidence, from 0 to 1: number of images, their mean confidence and
            accuracy; float64 (`BINS`, 3).
        loss: mean cross-entropy.
        broken: files that cannot be read, each with the reason.
    """

    classes: tuple[str, ...]
    confusion: Tensor
    bins: Tensor
    loss: float
    broken: list[tuple[str, str]]

    @property
    def images(self) -> int:
        """Number of images that could be read."""
        return int(self.confusion.sum())

    @property
    def error_rate(self) -> float:
        """Percent of the images whose predicted class is wrong."""
        return 100.0 * (1.0 - int(self.confusion.diagonal().sum()) / self.images)

    @property
    def recall(self) -> Tensor:
        """Accuracy by true class, (K,); NaN for a class without an image."""
        return self.confusion.diagonal() / self.confusion.sum(dim=1).double()

    @property
    def precision(self) -> Tensor:
        """Share of the images called a class that are of it, (K,); NaN if none is."""
        return self.confusion.diagonal() / self.confusion.sum(dim=0).double()

    @property
    def calibration_error(self) -> float:
        """Expected calibration error (ECE): mean distance of confidence and accuracy in a bin."""
        number, confidence, accuracy = self.bins.unbind(dim=1)
        return float((number * (confidence - accuracy).abs()).sum() / number.sum())

    def summary(self) -> dict[str, Any]:
        """Plain values, for a JSON file; a rate that nothing tells is None."""
        return {
            "images": self.images,
            "error_rate": self.error_rate,
            "loss": self.loss,
            "expected_calibration_error": self.calibration_error,
            "classes": {
                name: {
                    "images": int(number),
                    "accuracy": _known(recall),
                    "precision": _known(precise),
                }
                for name, number, recall, precise in zip(
                    self.classes,
                    self.confusion.sum(dim=1),
                    self.recall,
                    self.precision,
                    strict=True,
                )
            },
            "confusion_matrix": self.confusion.tolist(),
            "calibration": [
                {"images": int(number), "confidence": confidence, "accuracy": accuracy}
                for number, confidence, accuracy in self.bins.tolist()
            ],
            "unreadable": [file for file, _ in self.broken],
        }


def find_labeled(root: Path, classes: Sequence[str]) -> FolderImages:
    """The images of the class folders, without those of no class; a class may have none.

    Raises:
        InputError: There is no such folder, a folder is of no class, or there is no image.
    """
    if not root.is_dir():
        raise InputError(f"--images {root}: there is no such folder")
    found = {path.name for path in root.iterdir() if path.is_dir() and path.name[:1] != "."}
    for name in sorted(found - {*classes, OF_NO_CLASS}):
        raise InputError(
            f"--images {root / name}: the run knows no such class; it has {', '.join(classes)}"
        )
    labeled = [
        (f"{name}/{path}", label)
        for label, name in enumerate(classes)
        if name in found
        for path in image_paths(root / name)
    ]
    if not labeled:
        raise InputError(f"--images {root}: holds no images in folders of the run's classes")
    paths, targets = zip(*labeled, strict=True)
    return FolderImages(root, list(paths), np.asarray(targets, dtype=np.int64))


def take_part(images: FolderImages, part: frozenset[str]) -> FolderImages:
    """The images of a part alone.

    Args:
        images: of which some are in the part.
        part: names, relative to the same folder.

    Raises:
        InputError: One of them is not there.
    """
    missing = part.difference(images.paths)
    if missing:
        raise InputError(
            f"--images {images.root}: holds {len(part) - len(missing):,} of the part's "
            f"{len(part):,} images, not {min(missing)}: give the folder of the classes that the "
            "run was trained on"
        )
    return images.take(np.flatnonzero([path in part for path in images.paths]))


def evaluate(net: nn.Module, run: TrainedRun, images: FolderImages, batch_size: int) -> Evaluation:
    """Predicts every image and compares.

    Raises:
        InputError: No image can be read.
    """
    label_of = dict(zip(images.paths, images.targets.tolist(), strict=True))
    parts, targets, broken = [], [], []
    for batch in batches(images.root, images.paths, run, batch_size):
        broken += batch.broken
        if batch.images is not None:
            parts.append(class_probabilities(net, batch.images))
            targets += [label_of[file] for file in batch.files]
    if not parts:
        raise InputError(f"--images {images.root}: none of the images can be read")
    return measure(torch.cat(parts), torch.tensor(targets), run.classes, broken)


def measure(
    probabilities: Tensor,
    targets: Tensor,
    classes: Sequence[str],
    broken: Sequence[tuple[str, str]] = (),
) -> Evaluation:
    """Compares predictions with the truth.

    Args:
        probabilities: float (N, K), rows that sum to 1; N is at least 1.
        targets: int64 (N,).
        classes: K names.
        broken: files that could not be read.
    """
    number = len(classes)
    confidence, predicted = probabilities.double().max(dim=1)
    confusion = torch.bincount(targets * number + predicted, minlength=number**2)
    loss = -probabilities.gather(1, targets[:, None]).clamp(min=1e-300).log().mean()
    bins = calibrate(confidence, predicted == targets)
    return Evaluation(
        tuple(classes), confusion.view(number, number), bins, float(loss), list(broken)
    )


def calibrate(confidence: Tensor, right: Tensor) -> Tensor:
    """Number, mean confidence and accuracy of the images in each bin; zeros where there are none.

    Args:
        confidence: (N,), from 0 to 1.
        right: boolean (N,), whether the prediction is.

    Returns:
        float64 (`BINS`, 3).
    """
    sums = torch.zeros(BINS, 3, dtype=torch.float64)
    confidence = confidence.double()
    added = torch.stack([torch.ones_like(confidence), confidence, right.double()], dim=1)
    sums.index_add_(0, find_bins(confidence), added)
    number = sums[:, :1]
    return torch.cat([number, sums[:, 1:] / number.clamp(min=1)], dim=1)


def _known(rate: Tensor) -> float | None:
    return None if rate.isnan() else float(rate)
