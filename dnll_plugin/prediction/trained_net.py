"""A trained net as an object: what ``dnll_plugin.load`` gives."""

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageOps
from torch import Tensor, nn

from dnll_plugin.datasets.image_files import read_image, shrink, to_rgb
from dnll_plugin.datasets.transforms import View, evaluation_view, short_side
from dnll_plugin.datasets.value_ranges import Ranges
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.net import class_probabilities, load_net
from dnll_plugin.prediction.open_set import find_score, find_threshold, predict_and_score
from dnll_plugin.prediction.run import WEIGHTS, TrainedRun, read_run
from dnll_plugin.prediction.selection import check_plugin, choose_submodel
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.runs.records import Record, read
from dnll_plugin.settings.given import read_yaml
from dnll_plugin.toolbox.plugins import import_plugins
from dnll_plugin.training.device import select_device

AnyImage = str | Path | Image.Image | npt.NDArray[Any]
"""A file, an image of Pillow, or an array (H, W), (H, W, 3) or (H, W, 4): uint8, or floating point
with values from 0 to 1."""

Images = AnyImage | Iterable[AnyImage]
"""One image, or any number."""


class Prediction(NamedTuple):
    """What a net says of N images.

    Attributes:
        labels: the most probable class of each.
        probabilities: float64 (N, K) on the CPU.
    """

    labels: list[str]
    probabilities: Tensor


class OpenSetPrediction(NamedTuple):
    """What a net says of N images, of which some may be of none of its classes.

    Attributes:
        labels: the most probable class of each, whether known or not.
        probabilities: float64 (N, K) on the CPU.
        known: boolean (N,), whether an image is taken for one of a class.
        unknown_scores: float64 (N,) on the CPU, what decides it: higher for an image more likely of
            no class.
    """

    labels: list[str]
    probabilities: Tensor
    known: Tensor
    unknown_scores: Tensor


@dataclass(frozen=True)
class TrainedNet:
    """The net of a run, with all that it takes to use it.

    Attributes:
        net: in evaluation mode; of images as ``transform`` makes them, (N, 3, H, W), it gives a
            mapping that holds ``logits``. A pair gives those of the ensemble, and holds ``left``
            and ``right``. Of IOMatch and OpenMatch it holds the net as ``backbone``, with the heads
            beside.
        submodel: which model of the run it is: ``model``; ``ensemble``, ``left`` or ``right``;
            ``teacher`` or ``student``.
        weights: ``last`` or ``best``.
        run: what the run's folder says.
    """

    net: nn.Module
    submodel: str
    weights: str
    run: TrainedRun

    @property
    def folder(self) -> RunFolder:
        """The run's folder."""
        return RunFolder(self.run.config_file.parent)

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes, in the order of the logits."""
        return self.run.classes

    @property
    def transform(self) -> View:
        """Makes the net's input, float (3, H, W), of an RGB image of Pillow."""
        return evaluation_view(self.run.dataset, self.run.img_size, self.run.crop_ratio)

    @property
    def config(self) -> dict[str, Any]:
        """The settings of the run."""
        return read_yaml(self.folder.config)

    @property
    def metrics(self) -> list[Record]:
        """What the run recorded, one mapping a logged step."""
        return read(self.folder.metrics)

    @property
    def result(self) -> dict[str, Any] | None:
        """What came out of the run; None if it is not finished."""
        if not self.folder.is_finished():
            return None
        result: dict[str, Any] = json.loads(self.folder.result.read_text(encoding="utf-8"))
        return result

    def predict(self, images: Images, batch_size: int = 256) -> Prediction:
        """Classifies images, each as the run's evaluation sees it.

        Args:
            images: one image, or any number; see `AnyImage`.
            batch_size: images a forward pass.

        Raises:
            ValueError: An array is no image.
            Exception: Whatever Pillow raises for a file that it cannot read.
        """
        batches = self._load(images, batch_size)
        parts = [class_probabilities(self.net, batch) for batch in batches]
        probabilities = torch.cat([torch.empty(0, len(self.classes)).double(), *parts])
        return Prediction(self._name(probabilities), probabilities)

    def predict_open_set(
        self, images: Images, unknown_above: float, batch_size: int = 256
    ) -> OpenSetPrediction:
        """Classifies images, and says which are of none of the classes.

        Args:
            images: one image, or any number; see `AnyImage`.
            unknown_above: an image is unknown whose score is higher; of :meth:`find_threshold`.
            batch_size: images a forward pass.

        Raises:
            ValueError: An array is no image.
            Exception: Whatever Pillow raises for a file that it cannot read.
        """
        score = find_score(self.run)
        batches = self._load(images, batch_size)
        parts = [predict_and_score(self.net, batch, score) for batch in batches]
        none = torch.empty(0).double()
        probabilities = torch.cat([none.view(0, len(self.classes)), *(part[0] for part in parts)])
        scores = torch.cat([none, *(part[1] for part in parts)])
        known = ~(scores > unknown_above)
        return OpenSetPrediction(self._name(probabilities), probabilities, known, scores)

    def find_threshold(self, share: float, batch_size: int = 256) -> float:
        """The score above which at most a share of the run's test images of its classes is.

        Args:
            share: in (0, 1).
            batch_size: images a forward pass.

        Raises:
            InputError: The share is none, or the test images are not there or too few.
        """
        return find_threshold(self.net, self.run, share, batch_size)[0]

    def __repr__(self) -> str:
        return f"TrainedNet({str(self.run.config_file.parent)!r}, {len(self.classes)} classes)"

    def _name(self, probabilities: Tensor) -> list[str]:
        return [self.classes[index] for index in probabilities.argmax(dim=1).tolist()]

    def _load(self, images: Images, batch_size: int) -> Iterator[Tensor]:
        alone = isinstance(images, (str, Path, Image.Image)) or _is_one_image(images)
        given: Iterable[Any] = [images] if alone else images  # type: ignore[assignment]
        view, side = self.transform, short_side(self.run.img_size, self.run.crop_ratio)
        views = (view(load_image(image, side, self.run.ranges)) for image in given)
        while batch := list(islice(views, batch_size)):
            yield torch.stack(batch)


def load(
    run: str | Path,
    *,
    weights: str = "last",
    submodel: str | None = None,
    device: str = "auto",
    plugin: str | None = None,
) -> TrainedNet:
    """Loads a trained net; see :func:`dnll_plugin.load`.

    Raises:
        InputError: The folder is none of a run, or its checkpoint is damaged or missing.
    """
    if weights not in WEIGHTS:
        raise InputError(f"weights: must be {' or '.join(WEIGHTS)}, got {weights!r}")
    if plugin is not None:
        import_plugins(plugin)
    trained = read_run(Path(run), weights)
    check_plugin(plugin, trained)
    trained = replace(trained, plugin=plugin)
    chosen = choose_submodel(submodel, trained)
    net = load_net(trained, chosen, select_device(device), with_heads=True)
    return TrainedNet(net, chosen, weights, trained)


def load_image(image: AnyImage, side: int, ranges: Ranges) -> Image.Image:
    """An RGB image, shrunk as the run's data set shrinks its files.

    Args:
        image: See `AnyImage`.
        side: Pixels of the short side.
        ranges: The values that become black and white in a file of more than 8 bits.

    Raises:
        ValueError: An array is no image.
    """
    if isinstance(image, (str, Path)):
        return read_image(image, side, ranges)
    if not isinstance(image, Image.Image):
        image = _from_array(np.asarray(image))
    return shrink(to_rgb(ImageOps.exif_transpose(image), ranges), side)


def _from_array(array: npt.NDArray[Any]) -> Image.Image:
    if not (array.ndim == 2 or (array.ndim == 3 and array.shape[2] in (3, 4))):
        raise ValueError(f"an image is (H, W), (H, W, 3) or (H, W, 4), got {array.shape}")
    if not array.size:
        raise ValueError(f"an image has pixels, got {array.shape}")
    if np.issubdtype(array.dtype, np.floating) and array.min() >= 0 and array.max() <= 1:
        array = np.rint(array * 255).astype(np.uint8)
    if array.dtype != np.uint8:
        raise ValueError(
            f"an image is uint8, or floating point from 0 to 1, got {array.dtype} from "
            f"{array.min()} to {array.max()}"
        )
    return Image.fromarray(array)


def _is_one_image(images: object) -> bool:
    """Whether an array is one image, and not a batch of them."""
    shape: Sequence[int] = getattr(images, "shape", ())
    return len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))
