"""One row a data set: all that the commands know about it, for our sets and the toolbox's.

To add a set, write its reader as a module of this package and its row here. A module of your own
adds a row by ``DATASETS[name] = DataSet(...)``; see docs/extending.md.

Importing this module is cheap: a data set's code, and with it torch and the toolbox, is imported
when its images or views are asked for.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from dnll_plugin.datasets import names
from dnll_plugin.datasets.folders import folder_facts

if TYPE_CHECKING:
    from dnll_plugin.datasets.transforms import View, Views

Builder = Callable[..., tuple[Any, ...]]
"""``builder(args, alg, name, num_labels, num_classes, data_dir, include_lb_to_ulb)`` returns
``(labeled, unlabeled, test)``, as the toolbox's own ``get_cifar`` does, or ``(labeled, unlabeled,
validation, test)``, as its ``get_pkl_dset`` does."""

MakeViews = Callable[[int, float], "Views"]
"""From ``img_size`` and ``crop_ratio`` to the views of an image."""


@dataclass(frozen=True)
class DataSet:
    """What the commands know about a data set.

    Attributes:
        build: makes its three parts; None where the toolbox's ``get_dataset`` does.
        views: makes the views of its images; None where the toolbox does.
        evaluation_view: makes the view that a net is evaluated with; by default that of ``views``.
        classes: their names in the order of the labels; empty where they are not known.
        superclasses: names of groups of them, each with theirs in one text.
        folder: where its files lie, under ``data_dir``.
        files: what has to be in ``folder``.
        originals: the training files under ``data_dir`` that give an image its number in a
            ``label_file``, each with its MD5 (of the unpacked file); empty where no file decides
            it; None where images have no numbers.
        comes_split: whether its files say which images are labeled, instead of the seed.
        has_ood: whether some of its classes can be out of distribution (``ood_classes``).
        closed_set: whether every image is of one of its classes, where ``has_ood`` does not tell.
        can_hold_out: whether some of its training images can be tested on (``held_out``).
        train_images: number of training images, where all of them may be labeled although the
            classes share them unevenly.
        read_facts: the names of the classes and the number of labels, or None where the config says
            it, from ``data_dir``; for own images, of which nothing else is known.
    """

    build: Builder | None = None
    views: MakeViews | None = None
    evaluation_view: "Callable[[int, float], View] | None" = None
    classes: Sequence[str] = ()
    superclasses: Mapping[str, str] = field(default_factory=dict)
    folder: str = ""
    files: Sequence[str] = ()
    originals: Mapping[str, str] | None = None
    comes_split: bool = False
    has_ood: bool = False
    closed_set: bool = False
    can_hold_out: bool = False
    train_images: int | None = None
    read_facts: Callable[[str], tuple[list[str], int | None]] | None = None

    def make_evaluation_view(self, img_size: int, crop_ratio: float) -> "View | None":
        """The view that a net is evaluated with, for images of any size; None: not known."""
        if self.evaluation_view is not None:
            return self.evaluation_view(img_size, crop_ratio)
        return None if self.views is None else self.views(img_size, crop_ratio).evaluation


def _late(module: str) -> Builder:
    """A builder that imports its module of this package only when it is called."""

    def build(*args: object, **kwargs: object) -> tuple[Any, ...]:
        builder: Builder = import_module(f"dnll_plugin.datasets.{module}").build
        return builder(*args, **kwargs)

    return build


def _gray(make: str, mean: float, std: float) -> MakeViews:
    """Views of gray pictures as three equal channels; ``make`` is a function of `transforms`."""

    def views(img_size: int, crop_ratio: float) -> "Views":
        from dnll_plugin.datasets import transforms

        made: Views = getattr(transforms, make)(img_size, crop_ratio, (mean,) * 3, (std,) * 3)
        return made

    return views


def _photos(img_size: int, crop_ratio: float) -> "Views":
    from dnll_plugin.datasets.transforms import photo_views

    return photo_views(img_size, crop_ratio)


def _toolboxs(module: str, name: str) -> "Callable[[int, float], View]":
    """The evaluation view of a set whose module in the toolbox holds its ``mean`` and ``std``."""

    def view(img_size: int, crop_ratio: float) -> "View":
        from dnll_plugin.datasets.transforms import center_view

        found = import_module(f"semilearn.datasets.cv_datasets.{module}")
        return center_view(img_size, found.mean[name], found.std[name])

    return view


def _at_half(img_size: int, crop_ratio: float) -> "View":
    from dnll_plugin.datasets.transforms import center_view

    return center_view(img_size, (0.5,) * 3, (0.5,) * 3)


_MNIST: dict[str, Any] = {
    "build": _late("mnist"),
    "classes": names.DIGITS.split(),
    "folder": "MNIST/raw",
    "files": (
        *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
        *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
    ),
    "originals": {
        "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
    },
    "has_ood": True,
    "can_hold_out": True,
}
_USPS: dict[str, Any] = {
    "classes": names.DIGITS.split(),
    "folder": "usps",
    "files": ("usps.bz2", "usps.t.bz2"),
    "originals": {"usps/usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197"},
    "train_images": 7291,
}
_CIFAR10_BATCHES = "cifar10/cifar-10-batches-py"

# Mean and standard deviation of pixels scaled to 0..1. For MNIST the customary figures; for digits
# and USPS measured on their training images; for USPS to MNIST a fixed range, which favours neither
# side.
_OURS = {
    "digits": DataSet(
        build=_late("digits"),
        views=_gray("digit_views", 0.3061, 0.3765),
        classes=names.DIGITS.split(),
        originals={},
        has_ood=True,
        can_hold_out=True,
        train_images=1297,
    ),
    "mnist": DataSet(**_MNIST, views=_gray("digit_views", 0.1307, 0.3081)),
    "mnist_plain": DataSet(**_MNIST, views=_gray("plain_views", 0.1307, 0.3081)),
    "usps": DataSet(
        **_USPS,
        build=_late("usps"),
        views=_gray("digit_views", 0.2545, 0.3847),
        has_ood=True,
        can_hold_out=True,
    ),
    "usps2mnist": DataSet(
        **_USPS,
        build=_late("usps2mnist"),
        views=_gray("digit_views", 0.5, 0.5),
        closed_set=True,
    ),
    "imagefolder": DataSet(
        build=_late("imagefolder"), views=_photos, originals={}, read_facts=folder_facts
    ),
}

_SEMI_FGVC: dict[str, Any] = {"views": _photos, "folder": "semi_fgvc", "comes_split": True}
_IMAGENET: dict[str, Any] = {
    "views": _photos,
    "files": ("train", "val"),
    "comes_split": True,
    "closed_set": True,
}
_TOOLBOXS = {
    "cifar10": DataSet(
        evaluation_view=_toolboxs("cifar", "cifar10"),
        classes=names.CIFAR10.split(),
        folder=_CIFAR10_BATCHES,
        files=(*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch", "batches.meta"),
        originals={
            f"{_CIFAR10_BATCHES}/data_batch_1": "c99cafc152244af753f735de768cd75f",
            f"{_CIFAR10_BATCHES}/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
            f"{_CIFAR10_BATCHES}/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
            f"{_CIFAR10_BATCHES}/data_batch_4": "634d18415352ddfa80567beed471001a",
            f"{_CIFAR10_BATCHES}/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
        },
        has_ood=True,
    ),
    "cifar100": DataSet(
        evaluation_view=_toolboxs("cifar", "cifar100"),
        classes=names.CIFAR100.split(),
        superclasses=names.CIFAR100_SUPERCLASSES,
        folder="cifar100/cifar-100-python",
        files=("train", "test", "meta"),
        originals={"cifar100/cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d"},
        has_ood=True,
    ),
    "svhn": DataSet(
        evaluation_view=_toolboxs("svhn", "svhn"),
        classes=names.DIGITS.split(),
        folder="svhn",
        files=("train_32x32.mat", "extra_32x32.mat", "test_32x32.mat"),
        originals={
            "svhn/train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
            "svhn/extra_32x32.mat": "a93ce644f1a588dc4d68dda5feec44a7",
        },
        has_ood=True,
    ),
    "stl10": DataSet(
        evaluation_view=_toolboxs("stl10", "stl10"),
        classes=names.STL10.split(),
        folder="stl10/stl10_binary",
        files=("train_X.bin", "unlabeled_X.bin", "test_X.bin"),
    ),
    "eurosat": DataSet(
        evaluation_view=_at_half, folder="eurosat", files=("eurosat_rgb",), closed_set=True
    ),
    "tissuemnist": DataSet(
        evaluation_view=_at_half,
        folder="medmnist/tissuemnist",
        files=("tissuemnist.npz",),
        closed_set=True,
    ),
    "food101": DataSet(folder="food101", files=("food-101",), closed_set=True),
    "semi_aves": DataSet(**_SEMI_FGVC, files=("semi_aves",), closed_set=True),
    "semi_aves_out": DataSet(**_SEMI_FGVC, files=("semi_aves",)),
    "semi_inat": DataSet(**_SEMI_FGVC, files=("semi_inat",)),
    "imagenet": DataSet(**_IMAGENET, folder="imagenet"),
    "imagenet127": DataSet(**_IMAGENET, folder="imagenet127"),
}

DATASETS: dict[str, DataSet] = {**_OURS, **_TOOLBOXS}
"""Every set of images that a run can have, of either version of the toolbox, by name."""

TEXT_AND_AUDIO_SETS = frozenset(
    (
        *("aclImdb", "ag_news", "amazon_review", "dbpedia", "yahoo_answers", "yelp_review"),
        *("esc50", "fsdnoisy", "gtzan", "superbks", "superbsi", "urbansound8k"),
    )
)
"""Sets of the toolbox that are not images."""
