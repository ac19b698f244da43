"""Which classes of a data set are known; images of the others are out of distribution (OOD)."""

from argparse import Namespace
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnll_plugin.datasets.table import DATASETS, DataSet


def list_classes(row: DataSet, known: str) -> list[str]:
    """The names of the classes that the config key ``known_classes`` lists.

    Args:
        row: that of the data set.
        known: names of classes and super-classes, separated by commas.
    """
    listed = known.split(",")
    return [part for name in listed for part in row.superclasses.get(name, name).split(" ")]


def order_classes(args: Namespace, dataset: str) -> list[int]:
    """The labels of a data set in the order in which a run numbers its classes.

    The known ones come first, then the others; both in the order of the data set.

    Args:
        args: the settings; ``known_classes`` has been checked.
        dataset: its name in ``DATASETS``.
    """
    row, known = DATASETS[dataset], getattr(args, "known_classes", None)
    chosen = set() if known is None else set(list_classes(row, known))
    return sorted(range(len(row.classes)), key=lambda label: row.classes[label] not in chosen)


def renumber(targets: npt.NDArray[np.int64], order: Sequence[int]) -> npt.NDArray[np.int64]:
    """Labels (N,) of a data set as those of a run; see :func:`order_classes`."""
    return np.argsort(order)[targets]
