"""The toolbox's config keys: those of every run, those of each algorithm, those that nothing reads.

The toolbox declares its keys twice, as options of its command line and in each algorithm's
``get_argument``; neither says which values make sense. The ranges are here.
"""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import Field, create_model

from dnll_plugin.settings.keys import Keys, MethodKeys, RunKeys, takes_none
from dnll_plugin.settings.values import Flag, Number, Text, Whole

Argument = Any
"""The toolbox's ``SSL_Argument``: name, type, default, help."""

IGNORED = {
    "resume": "give --resume instead",
    "load_path": "give --resume instead: it goes on from the run folder",
    "overwrite": "give another --save_name instead: nothing is overwritten",
    "gpu": "give --set device=cuda instead; CUDA_VISIBLE_DEVICES chooses which GPU",
    "rank": "the launcher gives it: torchrun --nproc_per_node=N -m dnll_plugin train ...",
    "world_size": "start N processes: torchrun --nproc_per_node=N -m dnll_plugin train ...",
    "dist_url": "leave it out; --set device=... says where to run",
    "dist_backend": "leave it out; --set device=... says where to run",
    "multiprocessing_distributed": "leave it out; --set device=... says where to run",
}
"""Keys that ``dnll train`` decides for itself, and what to do instead on the command line."""

RUN_FIELDS: Mapping[str, Any] = {
    "resume": False,
    "load_path": None,
    "overwrite": False,
    "gpu": None,
    "rank": 0,
    "world_size": 1,
    "distributed": False,
    "dist_url": "tcp://127.0.0.1:10008",
    "dist_backend": "nccl",
    "multiprocessing_distributed": False,
}
"""What the toolbox reads of these until the runner sets them: one process, from the start."""

UNREAD = frozenset(
    (
        # in published configs, but read by no version of the toolbox
        *("clip", "dist_align_target", "simis_la", "use_epass", "use_refix"),
        # for text and audio
        *("max_length", "max_length_seconds", "sample_rate"),
        # for MultiMatch, which is for text and only in the newer toolbox
        *("num_heads", "no_low", "apm_disagreement_weight", "apm_percentile", "smoothness"),
        *("adjust_clf_size", "num_recalibrate_iter", "average_losses", "threshold_algo"),
    )
)
"""Keys of the toolbox's published configs that no run on images reads."""

IN_EVERY_CONFIG = frozenset({"clip"})
"""Those of them that ours hold too, as every published config does: no note tells of them."""

UNDECLARED = {"use_epass": False}
"""Keys that some algorithm of some version reads without declaring them, and their defaults."""


class ToolboxKeys(Keys):
    """Keys of every run, with the toolbox's defaults."""

    algorithm: Text = Field("fixmatch", description="name of the algorithm")
    save_dir: Text = Field("./saved_models", min_length=1, description="folder of the run folders")
    save_name: Text | None = Field(
        None, min_length=1, description="name of the run folder; null: <algorithm>_<dataset>"
    )
    use_tensorboard: Flag = Field(False, description="write curves for TensorBoard")
    use_wandb: Flag = Field(False, description="send curves to Weights & Biases")
    use_aim: Flag = Field(False, description="send curves to Aim")
    epoch: Whole = Field(1, ge=1, description="epochs that the iterations are divided into")
    num_train_iter: Whole = Field(20, ge=1, description="iterations")
    num_warmup_iter: Whole = Field(0, ge=0, description="iterations of learning rate warm-up")
    num_eval_iter: Whole = Field(10, ge=1, description="iterations from evaluation to evaluation")
    num_log_iter: Whole = Field(5, ge=1, description="iterations from log line to log line")
    num_labels: Whole = Field(400, ge=1, description="labeled images")
    batch_size: Whole = Field(8, ge=1, description="labeled images a batch")
    uratio: Whole = Field(1, ge=1, description="unlabeled images for each labeled one in a batch")
    eval_batch_size: Whole = Field(16, ge=1, description="images a batch in evaluation")
    ema_m: Number = Field(0.999, ge=0, lt=1, description="momentum of the evaluated weights")
    ulb_loss_ratio: Number = Field(1.0, ge=0, description="weight of the unlabeled loss")
    optim: Literal["SGD", "AdamW"] = Field("SGD", description="optimizer")
    lr: Number = Field(0.03, gt=0, description="first learning rate")
    momentum: Number = Field(0.9, ge=0, lt=1, description="momentum of SGD")
    weight_decay: Number = Field(5e-4, ge=0, description="weight decay")
    layer_decay: Number = Field(1.0, gt=0, le=1, description="learning rate decay a layer")
    net: Text = Field("wrn_28_2", description="name of the net")
    net_from_name: Flag = Field(False, description="take the net from torchvision")
    use_pretrain: Flag = Field(False, description="start from pretrained weights")
    pretrain_path: Text = Field("", description="file or address of the pretrained weights")
    use_cat: Flag = Field(True, description="labeled and unlabeled images in one forward pass")
    amp: Flag = Field(False, description="mixed precision")
    clip_grad: Number = Field(0.0, ge=0, description="largest norm of the gradient; 0: any")
    imb_algorithm: Text | None = Field(None, description="algorithm for imbalanced classes")
    data_dir: Text = Field("./data", min_length=1, description="folder of the data sets")
    dataset: Text = Field("cifar10", description="name of the data set")
    num_classes: Whole = Field(10, ge=2, description="classes")
    # the toolbox's other sampler is called with the wrong arguments
    train_sampler: Literal["RandomSampler"] = Field("RandomSampler", description="sampler")
    num_workers: Whole = Field(1, ge=0, description="processes that load labeled images")
    include_lb_to_ulb: Flag = Field(True, description="labeled images are also unlabeled ones")
    lb_imb_ratio: Whole = Field(1, description="largest over smallest labeled class")
    ulb_imb_ratio: Whole = Field(1, description="largest over smallest unlabeled class")
    ulb_num_labels: Whole | None = Field(None, ge=1, description="unlabeled images; null: all")
    img_size: Whole = Field(32, ge=1, description="side of the image in pixels")
    crop_ratio: Number = Field(0.875, gt=0, le=1, description="share of the side that a crop keeps")
    seed: Whole = Field(1, ge=0, le=2**32 - 1, description="seed of splits, weights and batches")


def algorithm_arguments() -> dict[str, dict[str, Argument]]:
    """The arguments of each algorithm that the toolbox knows now, by name without dashes.

    Imports the toolbox, which takes seconds.
    """
    from semilearn.algorithms import name2alg

    return {name: _arguments_of(name2alg[name]) for name in name2alg.keys()}  # noqa: SIM118 (no dict)


@cache
def _arguments_of(algorithm: type) -> dict[str, Argument]:
    from semilearn.algorithms.utils import SSL_Argument, str2bool

    undeclared = [
        SSL_Argument(key, str2bool, default)
        for key, default in UNDECLARED.items()
        if _reads(algorithm, key)
    ]
    return _by_name([*algorithm.get_argument(), *undeclared])  # type: ignore[attr-defined]


def own_arguments(algorithm: type) -> dict[str, Argument]:
    """The arguments that an algorithm has beside those of the toolbox's that it extends."""
    inherited = {
        name
        for base in algorithm.__mro__
        if base.__module__.startswith("semilearn.") and hasattr(base, "get_argument")
        for name in _by_name(base.get_argument())
    }
    found = _by_name(algorithm.get_argument())  # type: ignore[attr-defined]
    return {name: argument for name, argument in found.items() if name not in inherited}


def _by_name(arguments: Iterable[Argument]) -> dict[str, Argument]:
    return {argument.name.lstrip("-"): argument for argument in arguments}


def find_base(algorithm: str) -> str:
    """The toolbox's algorithm that a ``dnll_<algorithm>`` is made from; any other is its own."""
    from semilearn.algorithms import name2alg

    return getattr(name2alg[algorithm], "base_name", algorithm)


@cache
def imbalanced_keys() -> frozenset[str]:
    """The keys of the toolbox's algorithms for imbalanced classes."""
    from semilearn.imb_algorithms import name2imbalg

    return frozenset(
        argument.name.lstrip("-")
        for name in name2imbalg.keys()  # noqa: SIM118
        for argument in name2imbalg[name].get_argument()
    )


def collect_keys(algorithm: str) -> type[Keys]:
    """The keys that a run of an algorithm reads, as a pydantic model.

    Args:
        algorithm: a name that `algorithm_arguments` holds.
    """
    from semilearn.algorithms import name2alg

    return _keys_of(algorithm, name2alg[algorithm])


@cache
def _keys_of(name: str, algorithm: type) -> type[Keys]:
    from dnll_plugin.algorithms.base import get_run_arguments

    rows = {**RunKeys.model_fields, **MethodKeys.model_fields}
    fields: dict[str, Any] = {}
    for key, argument in {**_by_name(get_run_arguments()), **_arguments_of(algorithm)}.items():
        if key in rows:
            field = copy(rows[key])
            field.default = argument.default
            if argument.default is None and not takes_none(field):
                kind: Any = Annotated[(field.annotation, *field.metadata)]
                field.annotation, field.metadata = kind | None, []
            fields[key] = (field.annotation, field)
        else:
            fields[key] = _field_of(argument)
    return create_model(name, __base__=_EveryRun, **fields)


def known_keys() -> frozenset[str]:
    """Every key that a config may hold, whichever the algorithm."""
    return frozenset().union(
        *(_EveryRun.model_fields, MethodKeys.model_fields, UNREAD, IGNORED, imbalanced_keys()),
        *algorithm_arguments().values(),
    )


class _EveryRun(ToolboxKeys, RunKeys):
    """What a run reads whatever its algorithm."""


class RunConfigKeys(Keys):
    """What a trained net is put together from, of the ``config.yaml`` of its run."""

    algorithm: Text
    net: Text
    net_right: Text | None = None
    negative_source: Text | None = None
    negative_sampling: Text | None = None
    pseudo_labels: Flag | None = None
    ulb_views: Text | None = None
    dataset: Text
    num_classes: Whole = Field(ge=2)
    img_size: Whole = Field(ge=1)
    crop_ratio: Number = Field(gt=0, le=1)
    num_workers: Whole = Field(0, ge=0)
    strict_images: Flag = False
    plugin: Text | None = None
    data_dir: Text = "./data"
    ood_classes: Whole = Field(0, ge=0)


def _field_of(argument: Argument) -> tuple[Any, Any]:
    kind: Any = {int: Whole, float: Number, str: Text}.get(argument.type, Flag)
    if argument.default is None:
        kind = kind | None
    return kind, Field(argument.default, description=argument.help)


def _reads(algorithm: type, key: str) -> bool:
    """Whether a method of the algorithm's class names the key."""
    methods = (method for kind in algorithm.__mro__ for method in vars(kind).values())
    codes = (getattr(method, "__code__", None) for method in methods)
    return any(key in code.co_names for code in codes if code is not None)
