"""What the plugin adds to the toolbox's lookups: nets by name, and more data sets."""

from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from typing import Any

from dnll_plugin.toolbox.patches.change import replace


def add_nets() -> None:
    """Makes ``semilearn.nets`` find every net of the plugin, of timm, and pairs of nets."""

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        from dnll_plugin.errors import InputError
        from dnll_plugin.nets.lookup import find_builder

        try:
            return find_builder(name)
        except InputError as error:
            raise AttributeError(str(error)) from error

    import_module("semilearn.nets").__getattr__ = __getattr__  # type: ignore[method-assign]


def add_data_sets() -> None:
    """Makes the toolbox's ``get_dataset`` know the plugin's data sets and its algorithms' views.

    The toolbox chooses the views of an image by the algorithm's name; those of ours are told by
    their classes (``views_like`` and ``count_labeled_views``).
    """

    def wrap(original: Callable[..., Any]) -> Any:
        def get_dataset(
            args: Namespace,
            algorithm: str,
            dataset: str,
            num_labels: int,
            num_classes: int,
            data_dir: str = "./data",
            include_lb_to_ulb: bool = True,
        ) -> Any:
            from semilearn.algorithms import name2alg

            known = algorithm in name2alg
            kind: Any = name2alg[algorithm] if known else None  # a registry, which has no get
            views = kind.views_like(args) if hasattr(kind, "views_like") else algorithm
            place = (num_labels, num_classes, data_dir, include_lb_to_ulb)
            made = make_dataset(original, args, views, dataset, *place)
            if hasattr(kind, "count_labeled_views") and kind.count_labeled_views(args) == 2:
                from dnll_plugin.datasets.labeled_views import TwoLabeledViews

                made["train_lb"] = TwoLabeledViews(made["train_lb"])
            return made

        return get_dataset

    replace("get_dataset", "semilearn.core.utils.build", wrap)


def make_dataset(
    original: Callable[..., Any],
    args: Namespace,
    algorithm: str,
    dataset: str,
    num_labels: int,
    num_classes: int,
    data_dir: str,
    include_lb_to_ulb: bool,
) -> Any:
    """Makes a data set: one of the plugin's, or one of the toolbox's, with OOD images or without.

    Args:
        original: The toolbox's ``get_dataset``.
        args: The settings.
        algorithm: Of the toolbox, whose views an image has.
        dataset: Its name.
        num_labels: Labeled images.
        num_classes: Classes.
        data_dir: Folder of the data sets.
        include_lb_to_ulb: Whether labeled images are also unlabeled ones.
    """
    from dnll_plugin.datasets import DATASETS

    place = (num_labels, num_classes, data_dir)
    build = DATASETS[dataset].build if dataset in DATASETS else None
    if build is not None:
        labeled, unlabeled, *evaluated = build(args, algorithm, dataset, *place, include_lb_to_ulb)
        evaluation, test = evaluated if len(evaluated) == 2 else (*evaluated, None)
        return {"train_lb": labeled, "train_ulb": unlabeled, "eval": evaluation, "test": test}
    if getattr(args, "ood_classes", 0) > 0:
        from dnll_plugin.datasets.open_set import add_ood_images

        whole = original(args, "fullysupervised", dataset, *place)
        return add_ood_images(whole, args, algorithm, num_classes, include_lb_to_ulb)
    return original(args, algorithm, dataset, *place, include_lb_to_ulb)
