"""What the plugin adds to the toolbox's lookups: nets by name, and more data sets."""

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
    """Makes the toolbox's ``get_dataset`` know the plugin's data sets."""
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
            build = DATASETS[dataset].build if dataset in DATASETS else None
            if build is None and getattr(args, "ood_classes", 0) > 0:
                from dnll_plugin.datasets.open_set import add_ood_images

                whole = original(
                    args, "fullysupervised", dataset, num_labels, num_classes, data_dir
                )
                return add_ood_images(whole, args, algorithm, num_classes, include_lb_to_ulb)
            if build is None:
                return original(
                    args, algorithm, dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
                )
            labeled, unlabeled, test = build(
                args, algorithm, dataset, num_labels, num_classes, data_dir, include_lb_to_ulb
            )
            return {"train_lb": labeled, "train_ulb": unlabeled, "eval": test, "test": None}

        return get_dataset

    replace("get_dataset", "semilearn.core.utils.build", wrap)
