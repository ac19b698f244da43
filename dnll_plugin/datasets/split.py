"""Which training images keep their label, and which are shown without one.

The draw is the toolbox's own (shuffle each class, label the first few), but from a generator of
its own: it neither follows nor disturbs numpy's global one, so that two runs with the same seed
share a split whatever else they drew before. It equals the toolbox's ``split_ssl_data`` called
right after ``numpy.random.seed(seed)``.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnll_plugin.errors import InputError

Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Split:
    """Positions in the training set, in the order in which the data sets hold them.

    Attributes:
        labeled: (L,) int64.
        unlabeled: (U,) int64; starts with the labeled ones where these are shown unlabeled too,
            and ends with the OOD images.
    """

    labeled: Indices
    unlabeled: Indices


@dataclass(frozen=True)
class SplitSettings:
    """What decides a split; names and meaning are those of the toolbox's config keys.

    Attributes:
        num_labels: labeled images in all; with an imbalance ratio, those of the largest class.
        seed: of the draw.
        ulb_num_labels: unlabeled images, counted as ``num_labels``; None: all that are left.
        lb_imb_ratio: largest over smallest class of the labeled images; negative: reversed.
        ulb_imb_ratio: the same of the unlabeled ones.
        include_lb_to_ulb: show the labeled images without their label too.
        ulb_ood: share of images of none of the classes (OOD) among the unlabeled ones.
    """

    num_labels: int
    seed: int
    ulb_num_labels: int | None = None
    lb_imb_ratio: float = 1.0
    ulb_imb_ratio: float = 1.0
    include_lb_to_ulb: bool = True
    ulb_ood: float = 0.0


def shuffled_by_class(
    targets: npt.NDArray[np.integer], num_classes: int, seed: int
) -> list[Indices]:
    """Return the positions of each class in a random order that ``seed`` alone decides."""
    generator = np.random.RandomState(seed)
    pools = []
    for label in range(num_classes):
        pool = np.flatnonzero(targets == label)
        generator.shuffle(pool)
        pools.append(pool)
    return pools


def class_counts(key: str, total: int, num_classes: int, imbalance_ratio: float) -> list[int]:
    """Return how many images each class gives.

    Args:
        key: config key that ``total`` comes from, for the error.
        total: images of all classes; with an imbalance ratio, of the largest class.
        num_classes: K >= 2.
        imbalance_ratio: 1 for balanced classes.

    Raises:
        InputError: if ``total`` cannot be shared evenly.
    """
    if imbalance_ratio != 1:
        from semilearn.datasets.utils import make_imbalance_data

        return list(make_imbalance_data(total, num_classes, imbalance_ratio))
    if total % num_classes:
        raise InputError(
            f"{key}: {total} cannot be shared evenly by {num_classes} classes: "
            f"write a multiple of {num_classes}"
        )
    return [total // num_classes] * num_classes


def draw_labeled(
    pools: Sequence[Indices],
    num_labels: int,
    imbalance_ratio: float = 1.0,
    names: Sequence[str] = (),
) -> tuple[Indices, list[Indices]]:
    """Take the labeled images off the shuffled classes.

    ``num_labels`` equal to the size of the training set takes every image, balanced or not.

    Args:
        pools: the positions of each class.
        num_labels: see :class:`SplitSettings`.
        imbalance_ratio: ``lb_imb_ratio`` there.
        names: what to call each class in an error; ``class 0`` if not given.

    Returns:
        The labeled positions, class by class, and what is left of each class.

    Raises:
        InputError: if a class would get no label or has fewer images than labels.
    """
    num_classes, size = len(pools), sum(len(pool) for pool in pools)
    balanced = imbalance_ratio == 1
    if balanced and num_labels == size:
        return np.concatenate(pools), [pool[:0] for pool in pools]
    if balanced and num_labels < num_classes:
        raise InputError(
            f"num_labels: {num_labels} is fewer than the {num_classes} classes: "
            "write at least one label a class"
        )
    counts = class_counts("num_labels", num_labels, num_classes, imbalance_ratio)
    if min(counts) < 1:
        raise InputError(
            f"lb_imb_ratio: {imbalance_ratio} leaves the smallest class no label when the largest "
            f"has {num_labels}: write a smaller ratio or more num_labels"
        )
    for label, (pool, count) in enumerate(zip(pools, counts, strict=True)):
        if count > len(pool):
            name = names[label] if names else f"class {label}"
            most = min(map(len, pools)) * num_classes
            smaller = f"write at most {most}" if balanced and most else "write a smaller number"
            raise InputError(
                f"num_labels: asks for {count} images of {name}, which has {len(pool)}: {smaller}"
            )
    labeled = [pool[:count] for pool, count in zip(pools, counts, strict=True)]
    left = [pool[count:] for pool, count in zip(pools, counts, strict=True)]
    return np.concatenate(labeled), left


def draw_unlabeled(pools: Sequence[Indices], settings: SplitSettings) -> Indices:
    """Take the unlabeled images off the shuffled classes; all of them unless settings say how many.

    A class that has fewer than asked for gives what it has, as in the toolbox.

    Raises:
        InputError: if the number cannot be shared evenly, or a ratio lacks its number.
    """
    if settings.ulb_num_labels is None:
        if settings.ulb_imb_ratio != 1:
            raise InputError(
                "ulb_imb_ratio needs ulb_num_labels: write the number of unlabeled images of the "
                "largest class"
            )
        return np.concatenate(pools)
    counts = class_counts(
        "ulb_num_labels", settings.ulb_num_labels, len(pools), settings.ulb_imb_ratio
    )
    return np.concatenate([pool[:count] for pool, count in zip(pools, counts, strict=True)])


def draw_ood(ood: Indices, share: float, others: int, seed: int) -> Indices:
    """Take as many OOD images as are a share of the unlabeled images.

    With the same seed a larger share adds to the OOD images of a smaller one.

    Args:
        ood: positions of all that there are.
        share: in [0, 1), of all unlabeled images.
        others: unlabeled images that are none.
        seed: of the draw.

    Raises:
        InputError: if there are too few.
    """
    count = round(others * share / (1.0 - share))
    if count > len(ood):
        most = len(ood) / (len(ood) + others)
        raise InputError(
            f"ulb_ood: {share} of the unlabeled images are {count} OOD images, and there are only "
            f"{len(ood)}: write at most {math.floor(100 * most) / 100}"
        )
    return np.random.RandomState([seed, 1]).permutation(ood)[:count]


def split_indices(
    targets: npt.NDArray[np.integer],
    num_classes: int,
    settings: SplitSettings,
    labeled: Indices | None = None,
    names: Sequence[str] = (),
) -> Split:
    """Split a training set into labeled and unlabeled images.

    Args:
        targets: (N,) labels; those from num_classes on are OOD.
        num_classes: K >= 2.
        settings: what decides the split.
        labeled: positions that are labeled instead of drawn ones, as a label file gives them.
        names: what to call each class in an error.

    Returns:
        Both index sets; they share no image unless ``include_lb_to_ulb``.

    Raises:
        InputError: if the settings ask for what the training set does not have.
    """
    pools = shuffled_by_class(targets, num_classes, settings.seed)
    if labeled is None:
        labeled, rest = draw_labeled(pools, settings.num_labels, settings.lb_imb_ratio, names)
    else:
        rest = [pool[~np.isin(pool, labeled)] for pool in pools]
    unlabeled = draw_unlabeled(rest, settings)
    if settings.include_lb_to_ulb:
        unlabeled = np.concatenate([labeled, unlabeled])
    if len(unlabeled) == 0:
        raise InputError(
            f"num_labels: all {len(targets)} training images are labeled and none is left: "
            "write fewer labels or include_lb_to_ulb: true"
        )
    ood = np.flatnonzero(targets >= num_classes)
    drawn = draw_ood(ood, settings.ulb_ood, len(unlabeled), settings.seed)
    return Split(labeled, np.concatenate([unlabeled, drawn]))
