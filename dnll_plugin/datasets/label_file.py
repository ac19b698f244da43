"""Labeled images fixed by a file instead of drawn: the config key ``label_file``.

One image a line, as its number in the original order of the training set, optionally followed by
its label: ``4711``, ``4711 3``. The lists published with Mean Teacher and its successors are
accepted as they are (``4711_cat.png cat``). Numbers mean something only in the original files, so
those are checked first.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnll_plugin.datasets.split import Indices
from dnll_plugin.errors import InputError

_MNIST = {
    "MNIST/raw/train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
    "MNIST/raw/train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
}
_USPS = {"usps/usps.bz2": "ec16c51db3855ca6c91edd34d0e9b197"}

#: data set -> training files under ``data_dir`` -> MD5 of the original, as torchvision lists it
#: (for MNIST, of the unpacked files).
ORIGINALS: dict[str, dict[str, str]] = {
    "digits": {},
    "mnist": _MNIST,
    "mnist_plain": _MNIST,
    "usps": _USPS,
    "usps2mnist": _USPS,
    "cifar10": {
        "cifar10/cifar-10-batches-py/data_batch_1": "c99cafc152244af753f735de768cd75f",
        "cifar10/cifar-10-batches-py/data_batch_2": "d4bba439e000b95fd0a9bffe97cbabec",
        "cifar10/cifar-10-batches-py/data_batch_3": "54ebc095f3ab1f0389bbae665268c751",
        "cifar10/cifar-10-batches-py/data_batch_4": "634d18415352ddfa80567beed471001a",
        "cifar10/cifar-10-batches-py/data_batch_5": "482c414d41f54cd18b22e5b47cb7c3cb",
    },
    "cifar100": {"cifar100/cifar-100-python/train": "16019d7e3df5f24257cddd939b257f8d"},
    "svhn": {
        "svhn/train_32x32.mat": "e26dedcc434d2e4c54c9b2d4a06d8373",
        "svhn/extra_32x32.mat": "a93ce644f1a588dc4d68dda5feec44a7",
    },
}

_IMAGE_LINE = re.compile(r"(?P<number>\d+)(_\S*)?(\s+(?P<label>\S.*))?")


def labeled_indices_from_file(
    label_file: str | Path,
    dataset: str,
    data_dir: str | Path,
    targets: npt.NDArray[np.integer],
    num_labels: int,
) -> Indices:
    """Return the positions of the labeled images that a file lists, in its order.

    A label written as a number must be the data set's; one written as a name must always stand for
    the same class.

    Args:
        label_file: text file, one image a line.
        dataset: name as in the config; one of :data:`ORIGINALS`.
        data_dir: folder of the data set's files.
        targets: (N,) labels of the training set in its original order.
        num_labels: the number of lines expected.

    Returns:
        (num_labels,) int64.

    Raises:
        InputError: if the file is wrong, or the data set's files are not the original's.
    """
    _require_originals(dataset, Path(data_dir))
    indices: list[int] = []
    class_of_name: dict[str, int] = {}
    for place, line in _lines(label_file):
        match = _IMAGE_LINE.fullmatch(line)
        if match is None or int(match["number"]) >= len(targets):
            raise InputError(
                f"{place}: {line!r} names no image: write a number from 0 to {len(targets) - 1}"
            )
        index = int(match["number"])
        target, label = int(targets[index]), match["label"]
        if label is not None:
            claimed = int(label) if label.isdecimal() else class_of_name.setdefault(label, target)
            if claimed != target:
                raise InputError(f"{place}: image {index} is of class {target}, not {label}")
        indices.append(index)
    return _checked(label_file, indices, targets, num_labels)


def labeled_indices_from_paths(
    label_file: str | Path,
    paths: list[str],
    targets: npt.NDArray[np.integer],
    num_labels: int,
) -> Indices:
    """Return the positions of the labeled images of a folder, one path relative to it a line.

    Raises:
        InputError: if the file is wrong or lists an image that is not there.
    """
    position = {path: index for index, path in enumerate(paths)}
    indices = []
    for place, line in _lines(label_file):
        if line not in position:
            raise InputError(
                f"{place}: no image {line!r}: write paths relative to train/, as in {paths[0]}"
            )
        indices.append(position[line])
    return _checked(label_file, indices, targets, num_labels)


def _lines(label_file: str | Path) -> Iterator[tuple[str, str]]:
    """Yield (place for an error, text) of each line that is not blank."""
    try:
        text = Path(label_file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"label_file: cannot read {label_file} as text ({type(error).__name__})"
        ) from error
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield f"label_file {label_file}, line {number}", line.strip()


def _checked(
    label_file: str | Path,
    indices: list[int],
    targets: npt.NDArray[np.integer],
    num_labels: int,
) -> Indices:
    found = np.asarray(indices, dtype=np.int64)
    images, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        raise InputError(f"label_file {label_file} lists image {images[counts > 1][0]} twice")
    if len(found) != num_labels:
        raise InputError(
            f"num_labels is {num_labels}, but label_file {label_file} lists {len(found)} images: "
            f"write num_labels: {len(found)}"
        )
    missing = np.setdiff1d(targets, targets[found])
    if len(missing):
        raise InputError(f"label_file {label_file} lists no image of class {missing[0]}")
    return found


def _require_originals(dataset: str, data_dir: Path) -> None:
    if dataset not in ORIGINALS:
        raise InputError(
            f"label_file is not known for dataset {dataset}: it works with imagefolder and "
            f"{', '.join(ORIGINALS)}"
        )
    for name, md5 in ORIGINALS[dataset].items():
        path = data_dir / name
        if not path.is_file() or _md5(path) != md5:
            raise InputError(
                f"label_file: {path} is not the original {dataset} file, so its numbers would mean "
                "other images: use the original files or remove label_file"
            )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
