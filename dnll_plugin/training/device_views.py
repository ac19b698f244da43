"""What a data set's pipelines do, and what its items hold, read from the data set itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from semilearn.datasets.augmentation import RandAugment
from torch import Tensor
from torchvision import transforms

from dnll_plugin.augment.randaugment import OPERATIONS
from dnll_plugin.augment.views import Shift, View
from dnll_plugin.protocols import ToolboxDataset
from dnll_plugin.training.loaders import use_seed

TRANSFORMS = ("transform", "medium_transform", "strong_transform")
"""The attributes in which the toolbox's BasicDataset holds its pipelines."""


class NotInBatches(Exception):
    """A data set that cannot be augmented in batches; the text says why."""


def translate_pipeline(pipeline: Any) -> tuple[Any, View]:
    """Translates one of the pipelines of the toolbox or of :mod:`dnll_plugin.datasets`.

    Args:
        pipeline: a ``Compose`` of a resize, a random crop, a random flip and a RandAugment, each
            of which may be absent, then the conversion to a tensor and the normalisation.

    Returns:
        The resize, or None, which is the same for an image at each use; and the rest.

    Raises:
        NotInBatches: if the pipeline is another one.
    """
    steps = {type(step): step for step in pipeline.transforms}
    resize = steps.pop(transforms.Resize, None)
    cut = steps.pop(transforms.RandomCrop, None)
    flip = steps.pop(transforms.RandomHorizontalFlip, None)
    augment = steps.pop(RandAugment, None)
    if [*steps] != [transforms.ToTensor, transforms.Normalize] or (flip and not cut):
        raise NotInBatches(f"no batched form of {_in_one_line(pipeline)}")
    normalize = steps[transforms.Normalize]
    view = View(
        mean=tuple(float(value) for value in normalize.mean),
        std=tuple(float(value) for value in normalize.std),
        shift=None if cut is None else translate_crop(cut, 0.0 if flip is None else flip.p),
        operations=0 if augment is None else count_operations(augment),
    )
    return resize, view


def translate_crop(cut: transforms.RandomCrop, flip: float) -> Shift:
    """Translates a random crop that is followed by a flip of that probability."""
    size, padding = set(cut.size), cut.padding or 0
    modes = {("constant", 0): "constant", ("reflect", 0): "reflect"}
    mode = modes.get((cut.padding_mode, cut.fill))
    if len(size) != 1 or not isinstance(padding, int) or mode is None or cut.pad_if_needed:
        raise NotInBatches(f"no batched form of {_in_one_line(cut)}")
    return Shift(size.pop(), padding, mode, flip)  # type: ignore[arg-type]


def count_operations(augment: Any) -> int:
    """How many operations a RandAugment of the toolbox does, which must be those that we know."""
    theirs = {(function.__name__, low, high) for function, low, high in augment.augment_list}
    ours = {(operation.name, operation.low, operation.high) for operation in OPERATIONS}
    if theirs != ours:
        changed = ", ".join(sorted({name for name, _, _ in theirs ^ ours}))
        raise NotInBatches(f"the toolbox's RandAugment has another {changed}")
    return int(augment.n)


def _in_one_line(transform: Any) -> str:
    return " ".join(str(transform).split())


@dataclass(frozen=True)
class Item:
    """What the items of a data set hold for an algorithm.

    Attributes:
        index: key of the image's index, or None.
        target: key of its label, or None.
        views: the number of the view that each other key holds; two keys may hold the same.
        pipelines: of each of these numbers, in the order in which an item is made.
    """

    index: str | None
    target: str | None
    views: dict[str, int]
    pipelines: dict[int, Any]


def inspect_item(dataset: ToolboxDataset) -> Item:
    """Finds out what an item of a data set is made of, by asking for one.

    Which views it holds depends on the algorithm and on the version of the toolbox. Each pipeline
    is replaced by one that notes its use and marks its result with the number of that use.

    Args:
        dataset: the toolbox's BasicDataset, or a data set around one.
    """
    used: list[Any] = []
    with record_pipelines(getattr(dataset, "dataset", dataset), used), use_seed(0):
        item = dataset[0]
    views = {key: int(value.max()) for key, value in item.items() if isinstance(value, Tensor)}
    return Item(
        index=next((key for key in item if key.startswith("idx_")), None),
        target=next((key for key in item if key.startswith("y_")), None),
        views=views,
        pipelines={number: used[number] for number in sorted({*views.values()})},
    )


@contextmanager
def record_pipelines(dataset: ToolboxDataset, used: list[Any]) -> Iterator[None]:
    """Replaces the pipelines of a data set by ones that append themselves to ``used``."""

    def noting(pipeline: Any) -> Any:
        def note(image: Any) -> Tensor:
            used.append(pipeline)
            return torch.full((1, 1, 1), float(len(used) - 1))

        return note

    before = {name: getattr(dataset, name, None) for name in TRANSFORMS}
    before = {name: pipeline for name, pipeline in before.items() if pipeline is not None}
    for name, pipeline in before.items():
        setattr(dataset, name, noting(pipeline))
    try:
        yield
    finally:
        for name, pipeline in before.items():
            setattr(dataset, name, pipeline)
