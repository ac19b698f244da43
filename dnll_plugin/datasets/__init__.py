"""The data sets: one row each (:mod:`table`), the readers of those that the toolbox lacks.

========================  =========================================================================
ours                      files under ``data_dir``
========================  =========================================================================
``digits``                none: scikit-learn ships them
``mnist``                 ``MNIST/raw/*-ubyte``
``mnist_plain``           the same, no view augmented
``usps``                  ``usps/usps.bz2`` and ``usps/usps.t.bz2``
``usps2mnist``            both: labeled USPS, unlabeled MNIST, tested on MNIST
``imagefolder``           own images; see :mod:`dnll_plugin.datasets.folders`
========================  =========================================================================

A reader returns the toolbox's BasicDataset triple.
"""

from dnll_plugin.datasets.table import DATASETS, Builder, DataSet

__all__ = ["DATASETS", "Builder", "DataSet"]
