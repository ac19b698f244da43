"""The images that a run was tested on, as its evaluation sees them."""

import io
from collections.abc import Sequence
from contextlib import redirect_stdout
from http.client import HTTPException
from pathlib import Path
from typing import Any

from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.folders import OF_NO_CLASS, folder_facts
from dnll_plugin.datasets.parts import TEST
from dnll_plugin.datasets.toolbox_files import explain_loading_error, find_missing_files
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.parts import read_part
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.settings.resolve import resolve
from dnll_plugin.training.loaders import use_seed


def has_unknown(run: TrainedRun) -> bool:
    """Whether some test images of a run are of none of its classes."""
    row = DATASETS.get(run.dataset)
    if row is not None and row.read_facts is folder_facts:
        return (Path(run.data_dir) / "test" / OF_NO_CLASS).is_dir()
    return run.ood_classes > 0


def load_test_images(run: TrainedRun) -> tuple[Any, Any]:
    """The test images of the run's classes and, or None, those of none of them.

    Returns:
        Data sets of the toolbox, whose items hold ``x_lb``.

    Raises:
        InputError: They cannot be read, or are others than those that the run was tested on.
    """
    from semilearn.core.utils import get_dataset

    args = resolve(run.config_file, plugin=run.plugin).namespace()
    args.value_ranges = dict(run.ranges)
    folder, missing = find_missing_files(args.dataset, args.data_dir)
    if missing:  # the toolbox would download them
        raise InputError(f"data_dir: {folder} has no {', '.join(missing)}")
    place = (args.num_labels, args.num_classes, args.data_dir, args.include_lb_to_ulb)
    try:
        with use_seed(args.seed), redirect_stdout(io.StringIO()):
            made = get_dataset(args, args.algorithm, args.dataset, *place)
    except (OSError, RuntimeError, HTTPException) as error:
        raise explain_loading_error(args.dataset, args.data_dir, error) from error
    about = getattr(made["train_lb"], "about", None)
    if about is not None and TEST in about.cut:
        check_same(run, about.cut[TEST])
    # the toolbox calls the validation images "eval" where there are some
    tested = made["eval"] if made.get("test") is None else made["test"]
    return tested, getattr(tested, "unknown", None)


def check_same(run: TrainedRun, paths: Sequence[str]) -> None:
    """Checks that the images that are cut off for the test are those of the run.

    Raises:
        InputError: They are others, since images came or went; the run may have trained on some.
    """
    if set(paths) != read_part(run, TEST):
        raise InputError(
            f"data_dir: the images in {run.data_dir} have changed since the run, so that others "
            "would be cut off for the test than the run left out"
        )
