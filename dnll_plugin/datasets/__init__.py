"""The data sets that the toolbox lacks, each returning the toolbox's BasicDataset triple.

========================  =========================================================================
name                      files under ``data_dir``
========================  =========================================================================
``digits``                none: scikit-learn ships them
``mnist``                 ``MNIST/raw/*-ubyte``
``mnist_plain``           the same, no view augmented
``usps``                  ``usps/usps.bz2`` and ``usps/usps.t.bz2``
``usps2mnist``            both: labeled USPS, unlabeled MNIST, tested on MNIST
``imagefolder``           own images; see :mod:`dnll_plugin.datasets.folders`
========================  =========================================================================

Importing this module is cheap: a data set's code, and with it torch and the toolbox, is imported
when its builder is called.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

#: ``builder(args, alg, name, num_labels, num_classes, data_dir, include_lb_to_ulb)`` returns
#: ``(labeled, unlabeled, evaluation)``, as the toolbox's own ``get_cifar`` does.
Builder = Callable[..., tuple[Any, Any, Any]]


def _late(module: str) -> Builder:
    """Return a builder that imports its module of this package only when it is called."""

    def build(*args: Any, **kwargs: Any) -> tuple[Any, Any, Any]:
        builder: Builder = import_module(f"{__name__}.{module}").build
        return builder(*args, **kwargs)

    return build


DATASETS: dict[str, Builder] = {
    "digits": _late("digits"),
    "mnist": _late("mnist"),
    "mnist_plain": _late("mnist"),
    "usps": _late("usps"),
    "usps2mnist": _late("usps2mnist"),
    "imagefolder": _late("imagefolder"),
}
