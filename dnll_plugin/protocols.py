"""The shapes of the toolbox's objects, for readers and type checkers.

The toolbox has no type annotations, so these say what its classes do.
"""

from argparse import Namespace
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol


class ToolboxLogger(Protocol):
    """Where the toolbox's messages go."""

    def info(self, message: str, /) -> None: ...


class ToolboxDataset(Protocol):
    """The toolbox's ``BasicDataset``: images, labels and pipelines."""

    alg: str
    data: Any
    targets: Any

    def __len__(self) -> int: ...
    def __getitem__(self, index: int, /) -> dict[str, Any]: ...


class ToolboxAlgorithm(Protocol):
    """The toolbox's ``AlgorithmBase``: what hooks and the plugin's training read, set and call.

    Attributes:
        algorithm: Name of the algorithm.
        args: The settings.
        model, ema_model: The net that is trained, and the one that holds the averages.
        ema: Averages the weights; there from the start of the training on.
        it, epoch, start_epoch: Steps and epochs done, from 0.
        num_train_iter, num_iter_per_epoch, num_eval_iter, num_log_iter: Lengths in steps.
        best_it, best_eval_acc: Step and accuracy in [0, 1] of the best evaluation.
        hooks_dict, _hooks: Hooks by name, and in the order in which they are called.
        loader_dict, dataset_dict: Loaders and data sets: ``train_lb``, ``train_ulb``, ``eval``.
        out_dict, log_dict: What the last step gave: the loss, and what to log.
        amp_cm: Makes the context of mixed precision.
        resume: Whether the run goes on from a checkpoint.
    """

    algorithm: str
    args: Namespace
    model: Any
    ema_model: Any
    ema: Any
    ema_m: float
    optimizer: Any
    scheduler: Any
    loss_scaler: Any
    amp_cm: Callable[[], AbstractContextManager[Any]]
    consistency_loss: Any
    bn_controller: Any
    it: int
    epoch: int
    epochs: int
    start_epoch: int
    num_train_iter: int
    num_iter_per_epoch: int
    num_eval_iter: int
    num_log_iter: int
    num_classes: int
    p_cutoff: float
    use_amp: bool
    best_it: int
    best_eval_acc: float
    hooks_dict: dict[str, Any]
    _hooks: list[Any]
    loader_dict: dict[str, Any]
    dataset_dict: dict[str, Any]
    out_dict: dict[str, Any]
    log_dict: dict[str, Any]
    results_dict: dict[str, Any]
    distributed: bool
    rank: int
    world_size: int
    resume: bool
    train_step: Callable[..., tuple[dict[str, Any], dict[str, Any]]]
    process_batch: Callable[..., dict[str, Any]]
    call_hook: Callable[..., Any]

    def register_hook(self, hook: object, name: str | None, priority: str = ...) -> None: ...
    def train(self) -> None: ...
    def evaluate(self, eval_dest: str) -> dict[str, Any]: ...
    def compute_prob(self, logits: Any) -> Any: ...
    def get_save_dict(self) -> dict[str, Any]: ...
    def load_model(self, load_path: str) -> dict[str, Any]: ...


class ToolboxSampler(Protocol):
    """The toolbox's ``DistributedSampler`` of one process or of several."""

    dataset: Any
    total_size: int

    def set_epoch(self, epoch: int) -> None: ...
    def __iter__(self) -> Any: ...
    def __len__(self) -> int: ...


Batches = Iterable[dict[str, Any]]
"""What a loader gives."""
