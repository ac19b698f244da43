"""The images to predict, in batches, as the run's evaluation sees them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from dnll_plugin.datasets.image_files import read_image
from dnll_plugin.datasets.transforms import evaluation_view, short_side
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.run import TrainedRun


class Batch(NamedTuple):
    """Some of the images.

    Attributes:
        files: names of the N images that could be read.
        images: float (N, 3, img_size, img_size); None if N is 0.
        broken: names of those that could not, each with the reason.
    """

    files: list[str]
    images: Tensor | None
    broken: list[tuple[str, str]]


class ImageFiles(Dataset):
    """Files as the views that a run is evaluated with, or the reason why one cannot be read.

    Args:
        root: folder that the names are relative to.
        files: names.
        run: decides size, normalisation and range of values.
    """

    def __init__(self, root: Path, files: Sequence[str], run: TrainedRun) -> None:
        self.root = root
        self.files = files
        self.view = evaluation_view(run.dataset, run.img_size, run.crop_ratio)
        self.short_side = short_side(run.img_size, run.crop_ratio)
        self.ranges = run.ranges

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[str, Tensor | str]:
        file = self.files[index]
        try:
            return file, self.view(read_image(self.root / file, self.short_side, self.ranges))
        except Exception as error:  # Pillow's decoders raise nearly anything for a broken file
            return file, " ".join(str(error).split()) or type(error).__name__


def batches(root: Path, files: Sequence[str], run: TrainedRun, batch_size: int) -> Iterator[Batch]:
    """Reads images batch by batch, in the order of their names.

    Raises:
        InputError: a file cannot be read and the run has ``strict_images``.
    """
    loader = DataLoader(
        ImageFiles(root, files, run),
        batch_size=batch_size,
        num_workers=run.num_workers,
        collate_fn=_batch,
    )
    for batch in loader:
        if batch.broken and run.strict_images:
            file, reason = batch.broken[0]
            raise InputError(f"cannot read image {root / file} ({reason}): mend or remove the file")
        yield batch


def read_batch(root: Path, files: Sequence[str], run: TrainedRun) -> Tensor:
    """The images of a few files that can be read, float (N, 3, img_size, img_size).

    Raises:
        InputError: none can be read.
    """
    (batch,) = batches(root, files, run, len(files))
    if batch.images is None:
        raise InputError(f"--images {root}: none of {len(files)} images can be read")
    return batch.images


def _batch(items: list[tuple[str, Tensor | str]]) -> Batch:
    whole = [(file, image) for file, image in items if isinstance(image, Tensor)]
    broken = [(file, reason) for file, reason in items if isinstance(reason, str)]
    images = torch.stack([image for _, image in whole]) if whole else None
    return Batch([file for file, _ in whole], images, broken)
