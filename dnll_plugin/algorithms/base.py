"""What the algorithms of this package share: keys, views, schedules, the choice of negatives."""

from argparse import Namespace
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from semilearn.algorithms.utils import SSL_Argument
from semilearn.core import AlgorithmBase
from torch import Tensor

from dnll_plugin.augment.host import to_device_async
from dnll_plugin.functional.losses import NEGATIVE_LOSSES
from dnll_plugin.functional.open_set import score_of_negatives
from dnll_plugin.functional.schedules import (
    cosine_to_zero,
    linear_to_zero,
    negative_label_weight,
    sigmoid_rampup,
)
from dnll_plugin.hooks.monitor import MonitorHook, is_log_step
from dnll_plugin.hooks.negative_label import NegativeLabelHook
from dnll_plugin.nets.pair import NetBuilder, with_input_noise
from dnll_plugin.protocols import ToolboxLogger

VIEWS_LIKE = {"weak_weak": "meanteacher", "weak_strong": "fixmatch"}
"""Algorithm of the toolbox whose two views of an unlabeled image are ours, by ``ulb_views``."""


class LearnsNegatives(AlgorithmBase):
    """What every algorithm that learns negative labels has: their choice and their weight.

    Keys (``args``):
        - num_negatives, negative_sampling, negative_source: which negatives
        - negative_loss: each of them by itself, or all together
        - negative_weight, negative_rampup, negative_late_epoch, negative_late_weight: their weight
    """

    negative_sources: tuple[str, ...]
    """Values of ``negative_source`` that the algorithm takes; ``auto`` is the first."""

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        choices = {"auto": self.negative_sources[0], **{s: s for s in self.negative_sources}}
        if args.negative_source not in choices:
            raise ValueError(
                f"negative_source of {args.algorithm} must be one of {', '.join(choices)}, "
                f"got {args.negative_source!r}"
            )
        if args.negative_loss not in NEGATIVE_LOSSES:
            raise ValueError(
                f"negative_loss must be one of {', '.join(NEGATIVE_LOSSES)}, "
                f"got {args.negative_loss!r}"
            )
        self.negative_source = choices[args.negative_source]
        super().__init__(args, net_builder, tb_log, logger)

    def set_hooks(self) -> None:
        args = self.args
        hook = NegativeLabelHook(
            self.num_classes, args.num_negatives, args.negative_sampling, args.seed
        )
        self.register_hook(hook, "NegativeLabelHook")
        self.register_hook(MonitorHook(), "MonitorHook")
        super().set_hooks()

    def negative_weight(self) -> float:
        """Weight of the negative labels at the current iteration."""
        args = self.args
        return self.lambda_u * negative_label_weight(
            self.it // self.num_iter_per_epoch,
            args.negative_weight,
            args.negative_rampup,
            args.negative_late_epoch,
            args.negative_late_weight,
        )

    @property
    def score_unknown(self) -> Callable[[Tensor], Tensor] | None:
        """How surely images are of none of the classes: by the share that negatives leave of them.

        A function of images (N, C, H, W), on the device of the model, which is used as it stands,
        to scores (N,); None with a sampling whose negatives tell nothing. See
        :func:`dnll_plugin.functional.open_set.score_of_negatives`.
        """
        score = score_of_negatives(self.hooks_dict["NegativeLabelHook"].sampler)
        return None if score is None else lambda images: score(self.model(images)["logits"].cpu())

    def get_save_dict(self) -> dict[str, Any]:
        save_dict = super().get_save_dict()
        save_dict["negatives"] = self.hooks_dict["NegativeLabelHook"].state_dict()
        return save_dict

    def load_model(self, load_path: str) -> dict[str, Any]:
        checkpoint = super().load_model(load_path)
        device = next(self.model.parameters()).device
        self.hooks_dict["NegativeLabelHook"].load_state_dict(checkpoint["negatives"], device)
        return checkpoint


def get_negative_arguments(**defaults: Any) -> list[SSL_Argument]:
    """The keys of :class:`LearnsNegatives`.

    Args:
        **defaults: Where an algorithm's differ from the published ones.
    """
    keys = {
        "num_negatives": (int, None),
        "negative_sampling": (str, "uniform"),
        "negative_loss": (str, "each"),
        "negative_source": (str, "auto"),
        "negative_weight": (float, 75.0),
        "negative_rampup": (float, 100.0),
        "negative_late_epoch": (float, 15.0),
        "negative_late_weight": (float, 2.0),
    }
    return _arguments(keys, defaults)


class ConsistencyBase(AlgorithmBase):
    """What the algorithms with two views of each unlabeled image share.

    Keys (``args``), beside those of the toolbox:
        - consistency_type, consistency_weight, consistency_rampup: consistency of the two views
        - logit_distance_weight: keeps the two heads of a net with two heads together
        - ulb_views: which two views of an unlabeled image
        - lr_schedule, lr_decay_epoch, input_noise
    """

    def __init__(
        self,
        args: Namespace,
        net_builder: NetBuilder,
        tb_log: object = None,
        logger: ToolboxLogger | None = None,
    ) -> None:
        if args.input_noise is not None:
            net_builder = with_input_noise(net_builder, args.input_noise)
        super().__init__(args, net_builder, tb_log, logger)
        self.init(consistency_type=args.consistency_type, ulb_views=args.ulb_views)

    def init(self, consistency_type: str, ulb_views: str) -> None:
        self.consistency_type = consistency_type
        self.ulb_views = ulb_views
        for name in self.rampups():
            if getattr(self.args, name) > self.epochs:
                self.print_fn(
                    f"warning: {name} is {getattr(self.args, name)} epochs, longer than the run "
                    f"of {self.epochs}: its weight is never reached"
                )

    def rampups(self) -> tuple[str, ...]:
        """Keys of the ramps that must fit into the run."""
        return ("consistency_rampup",)

    @staticmethod
    def views_like(args: Namespace) -> str:
        """The toolbox's algorithm whose views of an unlabeled image are those of ``ulb_views``."""
        return VIEWS_LIKE[args.ulb_views]

    def set_optimizer(self) -> Any:
        optimizer, scheduler = super().set_optimizer()
        return optimizer, build_scheduler(self.args, optimizer, scheduler)

    def weights(self) -> dict[str, float]:
        """Weight of each term of the loss at the current iteration."""
        args, epoch = self.args, self.it // self.num_iter_per_epoch
        return {
            "sup": 1.0,
            "consistency": self.lambda_u
            * args.consistency_weight
            * sigmoid_rampup(epoch, args.consistency_rampup),
            "logit_distance": args.logit_distance_weight,
        }

    def log_losses(self, total_loss: Tensor, terms: dict[str, Tensor]) -> dict[str, Tensor]:
        """The losses to log, without synchronising: terms before their weights."""
        self.loss_terms = terms
        log = {"total_loss": total_loss.detach()}
        if is_log_step(self):
            one_head = {} if "logit_distance" in terms else {"logit_distance": torch.zeros(())}
            for name, term in {**terms, **one_head}.items():
                log[f"{name}_loss"] = term.detach()
        return log


def get_consistency_arguments(**defaults: Any) -> list[SSL_Argument]:
    """The keys of :class:`ConsistencyBase`; ``defaults`` where an algorithm's differ."""
    keys = {
        "consistency_type": (str, "mse"),
        "consistency_weight": (float, 10.0),
        "consistency_rampup": (float, 5.0),
        "logit_distance_weight": (float, 0.01),
        "ulb_views": (str, "weak_weak"),
    }
    return [*_arguments(keys, defaults), *get_run_arguments()]


def get_run_arguments() -> list[SSL_Argument]:
    """The keys of :class:`ConsistencyBase` that ``dnll train`` offers to every algorithm."""
    keys = {
        "lr_schedule": (str, "toolbox"),
        "lr_decay_epoch": (float, 0.0),
        "input_noise": (float, None),
    }
    return _arguments(keys, {})


class LabeledViews(AlgorithmBase):
    """Gives labeled images a second view where the key ``lb_views`` is 2."""

    @staticmethod
    def count_labeled_views(args: Namespace) -> int:
        """Weak views of a labeled image."""
        return int(args.lb_views)


def build_scheduler(args: Namespace, optimizer: Any, default_scheduler: Any) -> Any:
    """The scheduler of ``lr_schedule``, stepped once a training step.

    Args:
        args: The settings.
        optimizer: Whose learning rates it sets.
        default_scheduler: What the toolbox made for it.
    """
    total, warmup = args.num_train_iter, args.num_warmup_iter
    first = round(args.lr_decay_epoch * (total // args.epoch))
    factors = {
        "cosine_to_zero": lambda step: cosine_to_zero(step, total, warmup),
        "linear_to_zero": lambda step: linear_to_zero(step, total, first),
    }
    if args.lr_schedule not in factors:
        return default_scheduler
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors[args.lr_schedule])


def _arguments(keys: dict[str, tuple[type, Any]], defaults: dict[str, Any]) -> list[SSL_Argument]:
    return [
        SSL_Argument(f"--{key}", kind, defaults.get(key, default))
        for key, (kind, default) in keys.items()
    ]


def weighted_sum(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    """Sum of the terms, each times its weight; a term of weight 0 takes no part in backward."""
    values = torch.stack([term for name, term in terms.items() if weights[name]])
    factors = tuple(weights[name] for name in terms if weights[name])
    return (values * _on_device(factors, values.dtype, values.device)).sum()


@lru_cache(maxsize=16)
def _on_device(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Weights (T,) on a device; they change once an epoch at most."""
    return to_device_async(torch.tensor(values, dtype=dtype), device)
