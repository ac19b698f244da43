"""Builds an algorithm of the toolbox for a run: data, nets, device, loaders, hooks."""

import argparse
import json
import os
import random
import traceback
from collections.abc import Iterable
from http.client import HTTPException
from pathlib import Path

import numpy as np
import torch

from dnll_plugin.datasets.toolbox_files import explain_loading_error
from dnll_plugin.errors import InputError
from dnll_plugin.files import replace_whole, write_or_remove
from dnll_plugin.protocols import ToolboxAlgorithm, ToolboxLogger
from dnll_plugin.runs.folder import RunFolder
from dnll_plugin.toolbox.patches.redirection import autocast
from dnll_plugin.training import device as devices
from dnll_plugin.training.own_images import read_value_ranges, store_own_images
from dnll_plugin.training.ranks import ALONE, Ranks

HOOKS_OF_TRAIN_PY = ("CheckpointHook", "TimerHook", "LoggingHook", "EvaluationHook", "WANDBHook")
"""Hooks of the toolbox that ``dnll train`` has its own for."""

HOOKS_THAT_WRITE = (*HOOKS_OF_TRAIN_PY, "AimHook")
"""With the hooks of the toolbox that report a run, which rank 0 does for all."""


def build_algorithm(
    args: argparse.Namespace,
    device: torch.device,
    folder: Path,
    logger: ToolboxLogger,
    ranks: Ranks = ALONE,
) -> ToolboxAlgorithm:
    """Builds an algorithm on its device, with resumable loaders and no hooks that write.

    Seeds the random generators as the toolbox's ``train.py`` does, so that splits and initial
    weights are those of the same seed there. The indices of the split go into the run folder.

    Args:
        args: The settings under the toolbox's names.
        device: The device of the run.
        folder: The run folder.
        logger: Where the toolbox's messages go: an object with ``info``.
        ranks: The processes of the run; rank 0 writes into the folder.

    Returns:
        The algorithm, ready for its hooks and :meth:`train`.
    """
    from dnll_plugin.hooks.ood import OODHook
    from dnll_plugin.training.device_data import keep_on_device
    from dnll_plugin.training.fast_hooks import use_fast_hooks
    from dnll_plugin.training.loaders import make_loaders_resumable
    from dnll_plugin.training.open_set import add_unknown_loader
    from dnll_plugin.training.validation import name_validation

    seed_everything(args.seed)
    args.value_ranges = read_value_ranges(folder)
    algorithm = make_algorithm(args, device, logger)
    name_validation(algorithm)
    move_to_device(algorithm, device)
    if ranks.is_first:
        store_data_facts(algorithm, folder)
    remove_hooks(algorithm, HOOKS_OF_TRAIN_PY if ranks.is_first else HOOKS_THAT_WRITE)
    if args.fast_hooks or ranks.world_size > 1:  # only these count FlexMatch's labels of all ranks
        use_fast_hooks(algorithm)
    algorithm.rank, algorithm.world_size = ranks.rank, ranks.world_size
    algorithm.distributed = ranks.world_size > 1
    if not ranks.is_first:
        seed_everything(derive_seed(ranks.rank, args.seed))
    if args.ood_classes:
        algorithm.register_hook(OODHook(), "OODHook", "HIGH")
    add_unknown_loader(algorithm)
    make_loaders_resumable(algorithm, args.seed, pin_memory=device.type == "cuda")
    if args.data_on == "device":
        keep_on_device(algorithm, device)
    return algorithm


def make_algorithm(
    args: argparse.Namespace, device: torch.device, logger: ToolboxLogger
) -> ToolboxAlgorithm:
    """Makes the toolbox's object, its nets and data sets with it.

    Raises:
        InputError: If the net or the data does not fit.
    """
    from semilearn.algorithms import get_algorithm
    from semilearn.core.utils import get_net_builder

    from dnll_plugin.nets.pair import with_input_noise

    builder = get_net_builder(args.net, args.net_from_name)
    if args.input_noise is not None:
        builder = with_input_noise(builder, args.input_noise)
    try:
        with devices.use_device(device):
            made: ToolboxAlgorithm = get_algorithm(args, builder, None, logger)
    except NotImplementedError as error:
        raise InputError(
            f"net: the toolbox's {args.algorithm} does not know how to use {args.net}; "
            "write wrn_28_2 with img_size: 32"
        ) from error
    except (OSError, RuntimeError, HTTPException) as error:
        if not is_about_data(error):
            raise
        raise explain_loading_error(args.dataset, args.data_dir, error) from error
    return made


def move_to_device(algorithm: ToolboxAlgorithm, device: torch.device) -> None:
    """Puts nets and mixed precision on a device, and sets the run's learning rate schedule."""
    from dnll_plugin.algorithms.base import build_scheduler
    from dnll_plugin.nets.layout import use_channels_last

    args = algorithm.args
    algorithm.scheduler = build_scheduler(args, algorithm.optimizer, algorithm.scheduler)
    algorithm.model = algorithm.model.to(device)
    algorithm.ema_model = algorithm.ema_model.to(device)
    if args.channels_last:
        use_channels_last(algorithm.model)
        use_channels_last(algorithm.ema_model)
    algorithm.amp_cm = autocast(device, args.amp)
    algorithm.loss_scaler = devices.LossScaler(
        device.type, enabled=args.amp and device.type == "cuda"
    )


def is_about_data(error: BaseException) -> bool:
    """Whether an error came from the toolbox's or torchvision's reading of a data set."""
    frames = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    return any(f"{os.sep}datasets{os.sep}" in file for file in frames)


def store_data_facts(algorithm: ToolboxAlgorithm, folder: Path) -> None:
    """Stores in the run folder what its data set decides."""
    files = RunFolder(folder)
    store_split(algorithm, files.split)
    store_classes(algorithm, files.classes)
    store_own_images(algorithm, folder)


def store_split(algorithm: ToolboxAlgorithm, file: Path) -> None:
    """Stores which training images are labeled and unlabeled, as indices into the training set.

    A data set that comes split, such as STL-10, has none.
    """
    split = getattr(algorithm.args, "split", None)
    labeled, unlabeled = algorithm.dataset_dict["train_lb"], algorithm.dataset_dict["train_ulb"]
    if split is not None:
        indices = {"labeled": split.labeled, "unlabeled": split.unlabeled}
    elif hasattr(labeled, "indices"):
        indices = {"labeled": labeled.indices, "unlabeled": unlabeled.indices}
    else:
        write_or_remove(file, None)
        return
    with replace_whole(file) as temporary, open(temporary, "wb") as stream:
        np.savez(stream, **indices)


def store_classes(algorithm: ToolboxAlgorithm, file: Path) -> None:
    """Stores the names of the classes in the order of the labels, where the data set knows them."""
    classes = getattr(algorithm.dataset_dict["train_lb"], "classes", None)
    write_or_remove(file, None if classes is None else json.dumps(list(classes)) + "\n")


def seed_everything(seed: int) -> None:
    """Seeds Python's, numpy's and torch's generators, and makes cuDNN repeatable."""
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)
    torch.backends.cudnn.deterministic = True


def derive_seed(rank: int, seed: int) -> int:
    """The seed of what a rank draws in its steps, dropout for one."""
    return int(np.random.SeedSequence((seed, rank)).generate_state(1)[0])


def remove_hooks(algorithm: ToolboxAlgorithm, names: Iterable[str]) -> None:
    """Takes hooks off an algorithm; the toolbox itself can only add them."""
    algorithm._hooks = [hook for hook in algorithm._hooks if hook.name not in names]
    for name in names:
        algorithm.hooks_dict.pop(name, None)
