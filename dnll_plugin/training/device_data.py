"""Loaders that keep a data set's images on the run's device and make its batches there.

A batch holds what the toolbox's loaders would put into it, made of the same images in the same
order; only its random augmentations are other ones, drawn for the whole batch from its seed.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import Sampler

from dnll_plugin.augment.geometry import quarter_turns
from dnll_plugin.augment.host import to_device_async
from dnll_plugin.augment.views import View
from dnll_plugin.errors import InputError
from dnll_plugin.protocols import ToolboxAlgorithm, ToolboxDataset
from dnll_plugin.training.device_views import Item, NotInBatches, inspect_item, translate_pipeline
from dnll_plugin.training.loaders import ROTATED, SeededBatch, list_train_loaders
from dnll_plugin.training.open_set import UNKNOWN

Batch = dict[str, Tensor]


class BatchesInOrder(Sampler[SeededBatch]):
    """All indices in their order, for evaluation, where nothing is random."""

    def __init__(self, length: int, batch_size: int) -> None:
        self.length = length
        self.batch_size = batch_size

    def __iter__(self) -> Iterator[SeededBatch]:
        for first in range(0, self.length, self.batch_size):
            yield [0, *range(first, min(first + self.batch_size, self.length))]

    def __len__(self) -> int:
        return -(-self.length // self.batch_size)


class DeviceLoader:
    """Yields the batches of a data set whose images lie on a device.

    Args:
        dataset: the toolbox's BasicDataset over an array of images, or a data set around one.
        batch_sampler: deals seeds and indices.
        device: where the images are kept and the batches made.
        host_targets: leave the labels on the host, where evaluation wants them.
        images: what another loader keeps of the same images, of :func:`to_device`.

    Raises:
        NotInBatches: if the images are no array, or are augmented in a way that is not known.
    """

    def __init__(
        self,
        dataset: ToolboxDataset,
        batch_sampler: Sampler[SeededBatch],
        device: torch.device,
        host_targets: bool = False,
        images: Tensor | None = None,
    ) -> None:
        self.dataset = dataset
        self.batch_sampler = self.sampler = batch_sampler
        self.device = device
        check_images(dataset)
        self.item = inspect_item(dataset)
        resize, self.views = translate_views(self.item)
        if images is None and self.views:
            images = to_device(dataset.data, resize, device)
        self.images = images
        targets = torch.as_tensor(np.asarray(dataset.targets if self.item.target else ()))
        self.targets = targets if host_targets else targets.to(device)

    def __iter__(self) -> Iterator[Batch]:
        for seed, *indices in self.batch_sampler:
            yield self.batch(torch.tensor(indices), torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.batch_sampler)  # type: ignore[arg-type]

    def batch(self, indices: Tensor, generator: torch.Generator) -> Batch:
        """Makes the batch of some images.

        Args:
            indices: (N,) int64 on the host.
            generator: of the host.
        """
        rows, batch = to_device_async(indices, self.device), {}
        if self.item.index:
            batch[self.item.index] = rows
        if self.item.target:
            on_host = self.targets.device == indices.device
            batch[self.item.target] = self.targets[indices if on_host else rows]
        if self.images is not None:
            images = self.images.index_select(0, rows)  # on a CPU far faster than [rows]
            made = {number: view(images, generator) for number, view in self.views.items()}
            batch |= {key: made[number] for key, number in self.item.views.items()}
        for key in [key for key in self.item.views if key.endswith("_rot")]:
            batch["rot_v"] = to_device_async(
                torch.randint(4, indices.shape, generator=generator), self.device
            )
            batch[key] = quarter_turns(batch[key], batch["rot_v"])
        return batch


def check_images(dataset: ToolboxDataset) -> None:
    """Checks that the images are an array.

    Raises:
        NotInBatches: if they are anything else.
    """
    data = getattr(dataset, "data", None)
    if not isinstance(data, np.ndarray) or data.dtype != np.uint8 or data.shape[3:] != (3,):
        raise NotInBatches("its images are not held in memory")


def translate_views(item: Item) -> tuple[Any, dict[int, View]]:
    """Translates the pipelines of an item.

    Returns:
        The resize that all of them begin with, or None; and of each number the view.

    Raises:
        NotInBatches: if a pipeline is not known, or they differ in their resize.
    """
    translated = {
        number: translate_pipeline(pipeline) for number, pipeline in item.pipelines.items()
    }
    resizes = {str(resize): resize for resize, _ in translated.values()}
    if len(resizes) > 1:
        raise NotInBatches(f"its views begin with {' or '.join(resizes)}")
    resize = next(iter(resizes.values()), None)
    return resize, {number: view for number, (_, view) in translated.items()}


def to_device(
    images: npt.NDArray[np.uint8], resize: Callable[[Any], Any] | None, device: torch.device
) -> Tensor:
    """Copies images to a device, resized once and for all.

    Args:
        images: (N, H, W, 3).
        resize: from one PIL image to another; None leaves them as they are.
        device: where to.

    Returns:
        (N, 3, h, w) uint8.
    """

    def resized(image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.asarray(resize(Image.fromarray(image))) if resize else image

    if resized(images[0]).shape != images.shape[1:]:
        images = np.stack([resized(image) for image in images])
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2))).to(device)


def find_images(dataset: ToolboxDataset, loaders: Iterable[Any]) -> Tensor | None:
    """The images of a data set where another loader keeps them; its pipelines are the same."""
    there = (loader for loader in loaders if isinstance(loader, DeviceLoader))
    return next((each.images for each in there if each.dataset.data is dataset.data), None)


def keep_on_device(algorithm: ToolboxAlgorithm, device: torch.device) -> None:
    """Replaces an algorithm's resumable loaders by ones whose images lie on the device.

    Args:
        algorithm: An algorithm of the toolbox, after
            :func:`dnll_plugin.training.loaders.make_loaders_resumable`.
        device: The device of the run.

    Raises:
        InputError: If its data set cannot be kept there.
    """
    loaders = algorithm.loader_dict
    try:
        for name in list_train_loaders(algorithm):
            if name == ROTATED:  # it loads its images itself
                continue
            batches, dataset = loaders[name].batch_sampler, loaders[name].dataset.dataset
            images = find_images(dataset, loaders.values())
            loaders[name] = DeviceLoader(dataset, batches, device, images=images)
        for name in [name for name in ("eval", UNKNOWN) if name in loaders]:
            dataset, size = loaders[name].dataset, loaders[name].batch_size
            in_order = BatchesInOrder(len(dataset), size)
            loaders[name] = DeviceLoader(dataset, in_order, device, host_targets=True)
    except NotInBatches as error:
        name = algorithm.args.dataset
        raise InputError(f"data_on: device cannot take {name}: {error}; write loaders") from error
