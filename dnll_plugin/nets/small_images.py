"""Building timm models, which are made for images of 224 pixels and more, for small ones.

The stem of a net, its first strided layers, throws away most of a small image: of 32 pixels ResNet
keeps 8 positions a side and ViT/16 two. So its stride is lowered, and everything behind it sees as
many positions as it was made for:

- A *pyramid* (published stem stride up to 4: ResNet, ConvNeXt, EfficientNet, Swin, ...) keeps at
  least 32 positions a side behind the stem: at 32 pixels all of them. Strided convolutions get
  stride 1, the first one first; poolings vanish. Kernels keep their shape, so that published
  weights fit.
- A net that cuts *patches* (published stem stride above 4: ViT, Mixer, LeViT, ...) takes the
  largest stride that leaves at least 8x8 tokens: patches of 4 pixels at 32.
"""

from __future__ import annotations

import inspect
import math
import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from timm.layers import BlurPool2d
from torch import nn

from dnll_plugin.errors import InputError

PYRAMID_POSITIONS = 32
PATCH_TOKENS = 8

TimmModel = Any
"""An ``nn.Module`` with timm's model interface."""

Level = tuple[int, list[str]]
"""A stride, and the names of the layers side by side that have it."""

_STRIDED = (nn.Conv2d, nn.MaxPool2d, nn.AvgPool2d, BlurPool2d)


def create_for_size(create: Callable[..., TimmModel], name: str, size: int) -> TimmModel:
    """Create a timm model for images of ``size`` x ``size`` pixels.

    Args:
        create: Creates the model, with further arguments such as ``img_size``.
        name: The model's name, for the message.
        size: Image side in pixels.

    Raises:
        InputError: The model's architecture cannot be adapted to the size.
    """
    reason = None
    for options, strides in _plans(create(), size):
        try:
            model = create(**options)
            _set_strides(model, strides)
            # torch warns, once in a process, of the copy that padding an even kernel takes.
            with torch.no_grad(), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.eval()(torch.zeros(1, 3, size, size))
            return model.train()
        except Exception as error:
            # Each architecture stumbles over something else; the answer is always the same.
            reason = error
    raise InputError(
        f"net: timm_{name}@{size}: this model cannot be adapted to {size} pixels; choose another "
        "model or size"
    ) from reason


def _plans(published: TimmModel, size: int) -> Iterator[tuple[dict[str, Any], dict[str, int]]]:
    """Ways to build the model for ``size``: arguments, and new strides of layers by name."""
    levels = _strided_stem(published)
    if not levels and published.feature_info[0]["reduction"] > 1:
        return  # it shrinks the image by something else than strided layers
    stride = math.prod(stride for stride, _ in levels)
    if stride > 32:
        return  # not one after the other: branches that cut patches of their own, as in CrossViT
    # One layer takes any stride that divides the image; several share out what divides theirs.
    lowered = _lower(stride, size, divisor_of=size if len(levels) == 1 else stride)
    takes = _arguments(type(published))
    if {"img_size", "patch_size"} <= takes and _cuts_patches(published, levels):
        window = {"window_size": _window(size // lowered)} if "window_size" in takes else {}
        yield {"img_size": size, "patch_size": lowered, **window}, {}
    # Position tables and windows are built for the image whose maps are, behind the published
    # stem, as large as those of our image behind the lowered one.
    options = {"img_size": size * stride // lowered} if "img_size" in takes else {}
    yield options, _new_strides(levels, stride, lowered)


def _cuts_patches(model: TimmModel, levels: list[Level]) -> bool:
    """Whether the stem is a single convolution whose windows neither overlap nor leave gaps."""
    layers = [model.get_submodule(name) for _, names in levels for name in names]
    return len(layers) == 1 and layers[0].kernel_size == layers[0].stride


def _new_strides(levels: list[Level], stride: int, lowered: int) -> dict[str, int]:
    """The strides to change, by layer: together ``lowered``, the first layers give way first."""
    if lowered == stride:
        return {}
    if len(levels) == 1:
        return dict.fromkeys(levels[0][1], lowered)
    excess = stride // lowered
    strides: dict[str, int] = {}
    for old, layers in levels:
        factor = math.gcd(old, excess)
        excess //= factor
        if factor > 1:
            strides |= dict.fromkeys(layers, old // factor)
    return strides


def _strided_stem(model: TimmModel) -> list[Level]:
    """The stem's strided layers in the order in which the image meets them."""
    matcher = model.group_matcher(coarse=False) if hasattr(model, "group_matcher") else None
    stem = matcher.get("stem") if isinstance(matcher, dict) else None
    if stem is None:
        convs = (name for name, m in model.named_modules() if isinstance(m, nn.Conv2d))
        first_conv = next(convs, "")
        stem = re.escape(first_conv.split(".")[0])
    levels: dict[int, dict[str, int]] = defaultdict(dict)

    def record(name: str, stride: int) -> Callable[..., None]:
        return lambda _, args: levels[args[0].shape[-1]].update({name: stride})

    for name, layer in model.named_modules():
        if isinstance(layer, _STRIDED) and re.match(stem, name) and _stride(layer) > 1:
            layer.register_forward_pre_hook(record(name, _stride(layer)))
    with torch.no_grad():
        model.eval()(torch.zeros(1, *model.pretrained_cfg["input_size"]))
    by_resolution = [levels[resolution] for resolution in sorted(levels, reverse=True)]
    return [(max(layers.values()), list(layers)) for layers in by_resolution]


def _arguments(cls: type) -> set[str]:
    # Variants such as the distilled ones pass everything on as *args, **kwargs.
    return {name for c in cls.__mro__ for name in inspect.signature(c).parameters}


def _lower(stride: int, size: int, divisor_of: int) -> int:
    """The largest stride, a divisor of ``divisor_of``, that leaves enough of ``size`` pixels."""
    wanted = PYRAMID_POSITIONS if stride <= 4 else PATCH_TOKENS
    candidates = (s for s in range(1, stride + 1) if divisor_of % s == 0 and size // s >= wanted)
    return max(candidates, default=1)


def _window(positions: int) -> int:
    """The attention window that tiles the map; 8 (padded by the model) where none does."""
    return next((window for window in (8, 7, 6, 5) if positions % window == 0), 8)


def _stride(layer: Any) -> int:
    return layer.stride[0] if isinstance(layer.stride, tuple) else layer.stride


def _set_strides(model: TimmModel, strides: dict[str, int]) -> None:
    for name, stride in strides.items():
        layer = model.get_submodule(name)
        if isinstance(layer, nn.Conv2d):
            # timm's Same-convolutions work out their padding at each call.
            if not type(layer).__name__.endswith("Same") and not getattr(layer, "same_pad", False):
                layer.padding = _padding(layer, stride)
            layer.stride = (stride, stride)
        else:
            parent, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(parent), leaf, nn.Identity())
    for layer in model.modules():
        if strides and hasattr(layer, "strict_img_size"):
            layer.img_size = None  # it would insist on the size that it was built for


def _padding(conv: Any, stride: int) -> str | tuple[int, int]:
    """The padding with which ``stride`` leaves as many positions as the published one left."""
    kernel = conv.kernel_size[0]
    lost = (2 * conv.padding[0] - kernel) // conv.stride[0]
    fitting = (p for p in range(kernel) if (2 * p - kernel) // stride == lost)
    padding = next(fitting, None)
    return "same" if padding is None else (padding, padding)
