"""Every change that the plugin makes to the toolbox's behaviour, in one table with its reason.

A change is made once, when the toolbox is imported; it checks that what it replaces is there, and
leaves the toolbox alone where it is not needed.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any


class ToolboxChangedError(ImportError):
    """The toolbox has changed so that a change of the plugin has nothing to replace."""


@dataclass(frozen=True)
class Change:
    """One change of the toolbox's behaviour.

    Attributes:
        name: Short name.
        reason: Why, in one sentence.
        needed: Tells whether this toolbox, with these packages, needs it.
        make: Makes it.
    """

    name: str
    reason: str
    needed: Callable[[], bool]
    make: Callable[[], None]


def replace(name: str, modules: tuple[str, ...], wrap: Callable[[Any], Any]) -> None:
    """Replaces a function of the toolbox in every module that holds it under ``name``.

    Args:
        name: Name of the function.
        modules: The modules; the first defines it, the others imported it by name.
        wrap: Gives the replacement for the original.

    Raises:
        ToolboxChangedError: If a module does not have the name.
    """
    for module in modules:
        if not hasattr(import_module(module), name):
            raise ToolboxChangedError(
                f"the toolbox's {module} has no {name} any more: this version of dnll_plugin does "
                "not fit this toolbox; see `dnll doctor`"
            )
    replacement = wrap(getattr(import_module(modules[0]), name))
    for module in modules:
        setattr(import_module(module), name, replacement)


def _nets_by_name() -> None:
    nets = import_module("semilearn.nets")
    from dnll_plugin.errors import InputError
    from dnll_plugin.nets.lookup import find_builder

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        try:
            return find_builder(name)
        except InputError as error:
            raise AttributeError(str(error)) from error

    nets.__getattr__ = __getattr__  # type: ignore[method-assign]


def _more_data_sets() -> None:
    from dnll_plugin.datasets import DATASETS

    def wrap(original: Any) -> Any:
        def get_dataset(
            args: Any,
            algorithm: str,
            dataset: str,
            num_labels: int,
            num_classes: int,
            data_dir: str = "./data",
            include_lb_to_ulb: bool = True,
        ) -> Any:
            if dataset not in DATASETS:
                return original(
                    args, algorithm, dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
                )
            labeled, unlabeled, test = DATASETS[dataset](
                args, algorithm, dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
            )
            return {"train_lb": labeled, "train_ulb": unlabeled, "eval": test, "test": None}

        return get_dataset

    replace(
        "get_dataset",
        ("semilearn.core.utils.build", "semilearn.core.utils", "semilearn.core.algorithmbase"),
        wrap,
    )


def _splits_of_the_run() -> None:
    from dnll_plugin.datasets.label_file import labeled_indices_from_file
    from dnll_plugin.datasets.split import SplitSettings, split_indices

    def wrap(original: Any) -> Any:
        def sample_labeled_unlabeled_data(
            args: Any,
            data: Any,
            target: Any,
            num_classes: int,
            lb_num_labels: int,
            ulb_num_labels: Any = None,
            lb_imbalance_ratio: float = 1.0,
            ulb_imbalance_ratio: float = 1.0,
            load_exist: bool = True,
        ) -> Any:
            ulb_num_labels = None if ulb_num_labels == "None" else ulb_num_labels
            settings = SplitSettings(
                lb_num_labels, args.seed, ulb_num_labels, lb_imbalance_ratio, ulb_imbalance_ratio
            )
            labeled = None
            if getattr(args, "label_file", None) is not None:
                labeled = labeled_indices_from_file(
                    args.label_file, args.dataset, args.data_dir, target, lb_num_labels
                )
            args.split = split_indices(target, num_classes, settings, labeled)
            return args.split.labeled, args.split.unlabeled[len(args.split.labeled) :]

        return sample_labeled_unlabeled_data

    replace("sample_labeled_unlabeled_data", ("semilearn.datasets.utils",), wrap)


def _no_cuda() -> bool:
    import torch

    return not torch.cuda.is_available()


def _run_on_the_host() -> None:
    from dnll_plugin.toolbox import device

    device.use(device.choose("auto"))

    def wrap(original: Any) -> Any:
        def send_model_cuda(args: Any, model: Any, clip_batch: bool = True) -> Any:
            return model.to(device.current())

        return send_model_cuda

    replace("send_model_cuda", ("semilearn.core.utils.misc", "semilearn.core.utils"), wrap)


def _has_top5() -> bool:
    return hasattr(import_module("semilearn.core.algorithmbase"), "top_k_accuracy_score")


def _top5_with_few_classes() -> None:
    import numpy as np

    def wrap(original: Any) -> Any:
        def top_k_accuracy_score(y_true: Any, y_score: Any, *, k: int) -> float:
            classes = np.shape(y_score)[1]
            if k >= classes:
                return 1.0
            return original(y_true, y_score, k=k, labels=np.arange(classes))

        return top_k_accuracy_score

    replace("top_k_accuracy_score", ("semilearn.core.algorithmbase",), wrap)


def _always() -> bool:
    return True


CHANGES: tuple[Change, ...] = (
    Change(
        "nets by name",
        "the toolbox looks nets up in semilearn.nets, which knows a dozen",
        _always,
        _nets_by_name,
    ),
    Change(
        "more data sets",
        "the toolbox's get_dataset is a fixed chain that returns None for a name it does not know",
        _always,
        _more_data_sets,
    ),
    Change(
        "splits of the run",
        "the toolbox's split follows numpy's global generator, takes no list of labels, and "
        "writes index files into the package's own folder, parallel runs into the same one",
        _always,
        _splits_of_the_run,
    ),
    Change(
        "no CUDA",
        "the toolbox calls .cuda(), CUDA's events and synchronize, and refuses to place a model",
        _no_cuda,
        _run_on_the_host,
    ),
    Change(
        "top-5 accuracy with few classes",
        "the newest toolbox's evaluate fails with 2 classes, or with a class not in the test set",
        _has_top5,
        _top5_with_few_classes,
    ),
)


def make_changes(changes: tuple[Change, ...] = CHANGES) -> list[str]:
    """Makes the changes that are needed.

    Returns:
        The names of those that were.
    """
    made = []
    for change in changes:
        if change.needed():
            change.make()
            made.append(change.name)
    return made


def is_imported() -> bool:
    """Whether the toolbox is imported, or being imported, in this process."""
    return "semilearn" in sys.modules
