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
from dnll_plugin.datasets.table import DATASETS
from dnll_plugin.errors import InputError

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
        dataset: name as in the config; its row has ``originals``.
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
                f"{place}: no image {line!r}: write paths from the class folder on, as {paths[0]}"
            )
        indices.append(position[line])
    return _checked(label_file, indices, targets, num_labels, paths)


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
    paths: list[str] | None = None,
) -> Indices:
    """The indices once they are checked; errors name images by their paths, if they have any."""
    found = np.asarray(indices, dtype=np.int64)
    images, counts = np.unique(found, return_counts=True)
    if (counts > 1).any():
        image = images[counts > 1][0]
        raise InputError(
            f"label_file {label_file} lists image {paths[image] if paths else image} twice"
        )
    if len(found) != num_labels:
        raise InputError(
            f"num_labels is {num_labels}, but label_file {label_file} lists {len(found)} images: "
            f"write num_labels: {len(found)}"
        )
    missing = np.setdiff1d(targets, targets[found])
    if len(missing):
        first = int(np.flatnonzero(targets == missing[0])[0])
        name = paths[first].split("/")[0] if paths else missing[0]
        raise InputError(f"label_file {label_file} lists no image of class {name}")
    return found


def explain_where_it_works(dataset: str) -> str:
    """The end of a message about a data set whose images have no numbers."""
    known = [name for name, row in DATASETS.items() if row.originals is not None]
    return f"is not known for dataset {dataset}: it works with {', '.join(known)}"


def _require_originals(dataset: str, data_dir: Path) -> None:
    originals = DATASETS[dataset].originals if dataset in DATASETS else None
    if originals is None:
        raise InputError(f"label_file {explain_where_it_works(dataset)}")
    for name, md5 in originals.items():
        path = data_dir / name
        if not path.is_file() or _md5(path) != md5:
            raise InputError(
                f"label_file: {path} is not the original {dataset} file, so its numbers would mean "
                "other images: use the original files or remove label_file"
            )


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
