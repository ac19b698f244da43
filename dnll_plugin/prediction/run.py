"""What the folder of a run says about the net that it trained."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dnll_plugin.algorithms.negative_keys import choose_negative_keys, has_pseudo_labels
from dnll_plugin.algorithms.table import OWN_ALGORITHMS, PAIR
from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.value_ranges import Range, parse_ranges
from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import BEST, LATEST, RunFolder
from dnll_plugin.settings.resolve import read_run_config

WEIGHTS = {"last": LATEST, "best": BEST}
"""The checkpoints that can predict: that of the last step, whose error the run reports, and that of
the best evaluation, which is chosen on the validation images or, where the run had none, on the
images that it is tested on."""


@dataclass(frozen=True)
class TrainedRun:
    """A run that has a checkpoint.

    Attributes:
        plugin: modules that it was trained with; then those that the user names.
        negative_sampling: how its algorithm chooses negative labels, if it learns any.
        classes: names, in the order of the labels.
        submodels: what can predict; the first is the default.
        ranges: the values that become black and white in images of more than 8 bits.
    """

    config_file: Path
    checkpoint: Path
    algorithm: str
    net: str
    net_right: str | None
    dataset: str
    num_classes: int
    img_size: int
    crop_ratio: float
    num_workers: int
    strict_images: bool
    plugin: str | None
    classes: tuple[str, ...]
    submodels: tuple[str, ...]
    ranges: Mapping[str, Range]
    negative_sampling: str | None
    data_dir: str
    ood_classes: int

    @property
    def is_pair(self) -> bool:
        return "ensemble" in self.submodels


def read_run(path: Path, weights: str = "last") -> TrainedRun:
    """Reads a run folder.

    Args:
        path: the folder.
        weights: a key of `WEIGHTS`.

    Raises:
        InputError: it is none, or the run has no checkpoint yet.
    """
    folder = RunFolder(path)
    if not folder.config.is_file():
        raise InputError(f"--run {path}: not a run folder of dnll train: it has no config.yaml")
    checkpoint = path / WEIGHTS[weights]
    if not checkpoint.is_file():
        others = [name for name, file in WEIGHTS.items() if (path / file).is_file()]
        mend = f"give --weights {others[0]}, or " if others else ""
        raise InputError(
            f"--run {path}: has no checkpoint {checkpoint.name}: {mend}go on with the run by "
            "dnll train --resume"
        )
    config = read_run_config(folder.config)
    submodels = find_submodels(config)
    sampling = find_sampling(config)
    for key in ("negative_source", "negative_sampling", "pseudo_labels", "ulb_views"):
        del config[key]
    return TrainedRun(
        config_file=folder.config,
        checkpoint=checkpoint,
        **config,
        negative_sampling=sampling,
        classes=class_names(folder.classes, config),
        submodels=submodels,
        ranges=parse_ranges(folder.ranges) if folder.ranges.exists() else {},
    )


def find_submodels(config: dict[str, Any]) -> tuple[str, ...]:
    """The models of a run that can predict; the first is the default."""
    if config.get("negative_source") == "peer":
        return PAIR
    row = OWN_ALGORITHMS.get(config["algorithm"])
    return ("model",) if row is None else row.submodels


def find_sampling(config: dict[str, Any]) -> str | None:
    """How the algorithm of a run chooses negatives; None where it learns none."""
    written = config["negative_sampling"]
    if written is not None or config["negative_source"] is None:
        return written
    pseudo_labels = has_pseudo_labels(config["pseudo_labels"], config["ulb_views"])
    return choose_negative_keys(pseudo_labels)["negative_sampling"]


def class_names(file: Path, config: dict[str, Any]) -> tuple[str, ...]:
    """The names of the classes: the run's own, else those of the data set, else their numbers.

    Raises:
        InputError: the run's own cannot be read, or are not as many as its net has classes.
    """
    number = config["num_classes"]
    if not file.is_file():
        row = DATASETS.get(config["dataset"])
        known = row.classes[:number] if row is not None else ()
        return tuple(known) or tuple(str(label) for label in range(number))
    try:
        names = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: is no JSON; take the file that the run wrote") from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: is no list of names; take the file that the run wrote")
    if len(names) != number:
        raise InputError(f"{file}: has {len(names)} names, the run {number} classes")
    return tuple(names)
