"""The net that a run trained, put together again from its folder."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnll_plugin.errors import InputError
from dnll_plugin.nets.lookup import HEADS, find_builder
from dnll_plugin.nets.open_set import OpenSetNet
from dnll_plugin.nets.pair import SIDES, SubmodelPair, pair_builder
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.training import checkpoint

STUDENT = "student"
"""The submodel whose own weights are taken, not their average."""


def load_net(
    run: TrainedRun, submodel: str, device: torch.device, with_heads: bool = False
) -> nn.Module:
    """Builds the net of a run with the weights of its checkpoint.

    Args:
        run: the run.
        submodel: one of ``run.submodels``.
        device: where to put it.
        with_heads: whether to load the heads too that tell images of no class, if it has some.

    Returns:
        The net in evaluation mode; it gives a mapping that holds ``logits``.

    Raises:
        InputError: the checkpoint is damaged, or of another net.
    """
    state = checkpoint.read(run.checkpoint)
    net = build_net(run, with_heads)
    kind = "model" if submodel == STUDENT else "ema_model"
    weights = checkpoint.get_weights(state, kind, run.checkpoint)
    if not isinstance(net, OpenSetNet):
        weights = select_weights(weights)
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        raise InputError(
            f"{run.checkpoint}: the checkpoint is of another net than the {run.net} with "
            f"{run.num_classes} classes in {run.config_file}; give the folder of one run"
        ) from error
    if isinstance(net, SubmodelPair) and submodel in SIDES:
        net = getattr(net, submodel)
    return net.to(device).eval()


def build_net(run: TrainedRun, with_heads: bool = False) -> nn.Module:
    """The net of a run with fresh weights: a pair where the algorithm trains one.

    Args:
        run: the run.
        with_heads: see `load_net`.
    """
    has_heads = with_heads and find_heads(run.algorithm) is not None
    builder = find_builder(f"{run.algorithm}_{run.net}" if has_heads else run.net)
    if run.is_pair:
        builder = pair_builder(builder, find_builder(run.net_right or run.net))
    return builder(num_classes=run.num_classes)


def find_heads(algorithm: str) -> type[OpenSetNet] | None:
    """The kind of net that an algorithm trains to tell images of no class; None if it has none."""
    kind = HEADS.get(f"{algorithm}_")
    return kind if kind is not None and issubclass(kind, OpenSetNet) else None


def select_weights(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights of the net alone, without what an algorithm of the toolbox put around it."""
    prefix = "backbone."
    inside = {
        name.removeprefix(prefix): weight
        for name, weight in weights.items()
        if name.startswith(prefix)
    }
    return inside or dict(weights)


def apply_net(net: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """The logits of images (N, 3, H, W) on the CPU: ``logits``, and those of heads beside."""
    device = next(net.parameters()).device
    every_row = {"heads_from": 0} if isinstance(net, OpenSetNet) else {}
    with torch.inference_mode():
        outputs = net(images.to(device), **every_row)
    return {name: part.cpu() for name, part in outputs.items() if name.startswith("logits")}


def class_probabilities(net: nn.Module, images: Tensor) -> Tensor:
    """Class probabilities, float64 (N, K) on the CPU, of images (N, 3, H, W)."""
    return to_probabilities(apply_net(net, images)["logits"])


def to_probabilities(logits: Tensor) -> Tensor:
    """Class probabilities, float64 (N, K), of logits on the CPU: MPS has no float64."""
    return logits.double().softmax(dim=1)
