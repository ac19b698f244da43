"""Pretrained weights for timm models: published ones, or from a local file."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Any

import timm
from timm.models import load_state_dict
from torch import Tensor

from dnll_plugin.errors import InputError

logger = logging.getLogger(__name__)

Weights = dict[str, Tensor]


def published_weights(name: str) -> Weights:
    """The weights that timm publishes for a model, downloaded unless they are in the cache.

    Args:
        name: A name of ``timm.list_models()``, with or without a tag.

    Raises:
        InputError: There are none, or they cannot be downloaded.
    """
    try:
        return timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:
        # Hub clients raise errors of many kinds when there is no network, and timm plain
        # RuntimeErrors for a model without published weights or with an unknown tag.
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"use_pretrain: timm's weights of {name} cannot be had "
            f"({type(error).__name__}: {reason}); give pretrain_path, a local .pth or "
            ".safetensors file, or set use_pretrain to False"
        ) from error


def read_weights(path: str) -> Weights:
    """Read weights from a file, without executing anything in it.

    Args:
        path: A ``.safetensors`` file, or one that ``torch.load(weights_only=True)`` reads: a state
            dict, or a dict that holds one as ``model`` or ``state_dict``.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    if not Path(path).is_file():
        raise InputError(f"pretrain_path: no file {path}; give a local .pth or .safetensors file")
    try:
        weights = load_state_dict(path, weights_only=True)
        # A net of this package keeps the timm model under `model`.
        return {k.removeprefix("model."): v for k, v in weights.items() if isinstance(v, Tensor)}
    except Exception as error:
        # torch and safetensors raise errors of a dozen kinds for a file in another format.
        raise InputError(
            f"pretrain_path: {path} cannot be read as weights ({type(error).__name__}); "
            "give a .safetensors file or one that torch.load(weights_only=True) reads"
        ) from error


def load_fitting(model: Any, weights: Weights, source: str) -> None:
    """Load what fits into a timm model.

    timm's own filter first renames the keys of foreign checkpoints and resizes position embeddings
    and patches. Tensors that are of another shape then, such as a classifier for other classes,
    are left out.

    Args:
        model: A timm model.
        weights: Its weights, perhaps for another image size or other classes.
        source: Where they come from, for messages.

    Raises:
        InputError: Nothing fits.
    """
    adapt = getattr(sys.modules[type(model).__module__], "checkpoint_filter_fn", None)
    own = model.state_dict()
    try:
        weights = adapt(weights, model) if adapt else weights
        fitting = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
    except (AssertionError, AttributeError, LookupError, RuntimeError, ValueError):
        # The filters take for granted that the weights are of their own family of models.
        fitting = {}
    if not fitting:
        raise InputError(
            f"pretrain_path: nothing in {source} fits {type(model).__name__}; "
            "give a file with weights of this model"
        )
    model.load_state_dict(fitting, strict=False)
    missing = [name for name in own if name not in fitting]
    if missing:
        logger.warning(
            "%s: %d of %d tensors loaded; without: %s",
            source,
            len(fitting),
            len(own),
            ", ".join(missing[:6]) + ", ..." * (len(missing) > 6),
        )
