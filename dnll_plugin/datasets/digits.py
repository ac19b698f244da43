"""scikit-learn's 1,797 handwritten digits of 8x8 pixels: the data set that needs no files."""

import numpy as np
from sklearn.datasets import load_digits

from dnll_plugin.datasets.build import Images, array_builder, gray_images

TEST_IMAGES_PER_CLASS = 50


def load(data_dir: str) -> tuple[Images, Images]:
    """Return (training set of 1,297, test set of 500 images).

    The test set, 50 images of every class, is the same for ever, whatever the run's seed:
    ``RandomState`` promises its stream for good.

    Args:
        data_dir: not used; the images come with scikit-learn.
    """
    pixels, targets = load_digits(return_X_y=True)
    images = gray_images(np.rint(pixels / 16 * 255).astype(np.uint8).reshape(-1, 8, 8), targets)
    generator = np.random.RandomState(0)
    chosen = [
        generator.permutation(np.flatnonzero(targets == label))[:TEST_IMAGES_PER_CLASS]
        for label in range(10)
    ]
    test = np.sort(np.concatenate(chosen))
    train = np.setdiff1d(np.arange(len(targets)), test)
    return images.take(train), images.take(test)


build = array_builder(load)
