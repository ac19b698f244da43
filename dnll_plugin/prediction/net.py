"""The net that a run trained, put together again from its folder."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnll_plugin.errors import InputError
from dnll_plugin.nets.lookup import find_builder
from dnll_plugin.nets.pair import SIDES, SubmodelPair, pair_builder
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.training import checkpoint

STUDENT = "student"
"""The submodel whose own weights are taken, not their average."""


def load_net(run: TrainedRun, submodel: str, device: torch.device) -> nn.Module:
    """Builds the net of a run with the weights of its checkpoint.

    Args:
        run: the run.
        submodel: one of ``run.submodels``.
        device: where to put it.

    Returns:
        The net in evaluation mode; it gives a mapping that holds ``logits``.

    Raises:
        InputError: the checkpoint is damaged, or of another net.
    """
    state = checkpoint.read(run.checkpoint)
    net = build_net(run)
    kind = "model" if submodel == STUDENT else "ema_model"
    weights = select_weights(checkpoint.get_weights(state, kind, run.checkpoint))
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


def build_net(run: TrainedRun) -> nn.Module:
    """The net of a run with fresh weights: a pair where the algorithm trains one."""
    builder = find_builder(run.net)
    if run.is_pair:
        builder = pair_builder(builder, find_builder(run.net_right or run.net))
    return builder(num_classes=run.num_classes)


def select_weights(weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """The weights of the net alone, without what an algorithm of the toolbox put around it."""
    prefix = "backbone."
    inside = {
        name.removeprefix(prefix): weight
        for name, weight in weights.items()
        if name.startswith(prefix)
    }
    return inside or dict(weights)


def class_probabilities(net: nn.Module, images: Tensor) -> Tensor:
    """Class probabilities, float64 (N, K) on the CPU, of images (N, 3, H, W)."""
    device = next(net.parameters()).device
    with torch.inference_mode():
        logits: Tensor = net(images.to(device))["logits"]
    return logits.cpu().double().softmax(dim=1)  # on the CPU first: MPS has no float64
