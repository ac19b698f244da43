"""Every classification model of timm as a net of the toolbox, also for small images."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from functools import partial
from typing import Any

import timm
import torch
from torch import Tensor, nn

from dnll_plugin.errors import InputError
from dnll_plugin.nets.pair import NetBuilder
from dnll_plugin.nets.small_images import TimmModel, create_for_size
from dnll_plugin.nets.weights import load_fitting, published_weights, read_weights


class TimmNet(nn.Module):
    """A timm model behind the toolbox's net interface.

    The classifier is taken out of the model, which leaves features: exactly what the classifier
    took, whatever norm, dropout or layer an architecture has before it.

    Args:
        model: A timm model with a classifier; it is changed.

    Raises:
        InputError: The model has no classifier.
    """

    def __init__(self, model: TimmModel) -> None:
        super().__init__()
        # VOLO adds the maximum of an auxiliary head over all tokens, which no features determine.
        if getattr(model, "aux_head", None) is not None:
            model.aux_head = None
        heads = _take_heads(model)
        self.heads = nn.ModuleList(heads.values())
        self._head_name = next(iter(heads))
        self.model: TimmModel = model
        # Distilled DeiT and PiT classify two tokens, each with a head of its own.
        self._two_tokens = hasattr(model, "head_dist") and hasattr(model, "cls_token")
        widths = [getattr(head, "in_features", model.head_hidden_size) for head in self.heads]
        # The heads of CrossViT, DeiT and PiT share the features out, those of LeViT take them all.
        self._shared_out = self._two_tokens or len(set(widths)) > 1
        self._widths = widths
        self.num_features: int = sum(widths) if self._shared_out else widths[0]

    def forward(self, x: Tensor, only_fc: bool = False, only_feat: bool = False) -> Any:
        """The toolbox's net interface.

        Args:
            x: Images (N, 3, H, W), or with ``only_fc`` features (N, F).
            only_fc: Apply the classifier to features.
            only_feat: Return the features.

        Returns:
            ``{"logits": (N, K), "feat": (N, F)}``, or the logits, or the features.

        Raises:
            InputError: The images are not of the one size that the model is built for.
        """
        if only_fc:
            return self._classify(x)
        feat = self._extract(x)
        if only_feat:
            return feat
        return {"logits": self._classify(feat), "feat": feat}

    def _extract(self, x: Tensor) -> Tensor:
        patches: Any = getattr(self.model, "patch_embed", None)
        size = patches.img_size if getattr(patches, "strict_img_size", False) else None
        if size and size != x.shape[-2:]:
            raise InputError(
                f"net: the timm model is built for images of {size[0]} pixels, "
                f"not {x.shape[-1]}; write @{x.shape[-1]} behind its name or set img_size"
            )
        if self._two_tokens:
            return self.model.forward_features(x)[:, :2].flatten(1)
        return self.model(x).flatten(1)

    def _classify(self, feat: Tensor) -> Tensor:
        """Logits of features: the mean over the heads, as timm does it where there are several."""
        parts = feat.split(self._widths, 1) if self._shared_out else [feat] * len(self.heads)
        logits = [_apply(head, part) for head, part in zip(self.heads, parts, strict=True)]
        return logits[0] if len(logits) == 1 else torch.stack(logits).mean(dim=0)

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Callable[[str], int]:
        """timm's own layer groups for layer-wise learning rate decay.

        Args:
            coarse: Group by stage and not by layer.
            prefix: What stands before this net's own parameter names.

        Returns:
            A function from parameter name to group; heads and unknown names are the last group.
        """
        from semilearn.nets.utils import group_with_matcher

        names = [name for name, _ in self.model.named_parameters()] + [self._head_name]
        matcher = _timm_matcher(self.model, coarse)
        layers = group_with_matcher(((name, name) for name in names), matcher, reverse=True)
        last = layers[self._head_name]
        return lambda name: layers.get(name.removeprefix(f"{prefix}model."), last)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that timm exempts from weight decay, such as embeddings."""
        names: set[str] = getattr(self.model, "no_weight_decay", set)()
        return {f"model.{name}" for name in names}


def _take_heads(model: TimmModel) -> dict[str, nn.Module]:
    """Replace the classifiers of ``model`` with the identity and return them by name."""
    classifier = model.get_classifier() if hasattr(model, "get_classifier") else nn.Identity()
    heads = list(classifier) if isinstance(classifier, tuple | nn.ModuleList) else [classifier]
    # Some models return a module that also pools; its linear layer is the classifier.
    heads = [getattr(head, "fc", head) for head in heads]
    if any(isinstance(head, nn.Identity) for head in heads):
        raise InputError(
            f"net: timm's {type(model).__name__} has no classifier; choose a model that has one"
        )
    # EfficientViM weighs the logits of all its stages by a learned parameter.
    if isinstance(getattr(model, "heads", None), nn.ModuleList):
        raise InputError(
            f"net: timm's {type(model).__name__} classifies at every stage, so its logits do not "
            "follow from its features; choose another model"
        )
    names = {layer: name for name, layer in model.named_modules()}
    for head in heads:
        parent, _, leaf = names[head].rpartition(".")
        setattr(model.get_submodule(parent), leaf, nn.Identity())
    return {names[head]: head for head in heads}


def _apply(head: nn.Module, feat: Tensor) -> Tensor:
    if isinstance(head, nn.Conv2d):
        return head(feat[:, :, None, None]).flatten(1)
    return head(feat)


def _timm_matcher(model: TimmModel, coarse: bool) -> Any:
    """The model's own group matcher; for the few without one, children's children are layers."""
    if hasattr(model, "group_matcher"):
        return model.group_matcher(coarse=coarse)
    blocks: dict[str, int] = {}
    for name, _ in model.named_parameters():
        blocks.setdefault(_block(name), len(blocks))
    return lambda name: blocks.get(_block(name), len(blocks))


def _block(name: str) -> str:
    return ".".join(name.split(".")[:2])


def timm_builder(spec: str) -> NetBuilder:
    """The net builder of ``<model>`` or ``<model>@<size>``.

    Args:
        spec: A name of ``timm.list_models()``, with or without a tag of its weights
            (``resnet50.a1_in1k``); behind ``@`` the side in pixels of the images it shall be
            adapted to, see :func:`~dnll_plugin.nets.small_images.create_for_size`.

    Raises:
        InputError: timm has no such model, or the size is no positive number.
    """
    name, at, size_text = spec.partition("@")
    if not timm.is_model(name):
        known = difflib.get_close_matches(name, timm.list_models(), n=3)
        hint = " or ".join(f"timm_{other}" for other in known) or "a name of timm.list_models()"
        raise InputError(f"net: timm has no model {name!r}; write {hint}")
    if at and not (size_text.isdecimal() and int(size_text) > 0):
        raise InputError(
            f"net: timm_{spec}: behind @ stands the image size in pixels, as in timm_{name}@32"
        )

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> TimmNet:
        create = partial(timm.create_model, name, num_classes=num_classes)
        model = create_for_size(create, name, int(size_text)) if at else create()
        if pretrained and pretrained_path:
            load_fitting(model, read_weights(pretrained_path), source=pretrained_path)
        elif pretrained:
            load_fitting(model, published_weights(name), source=f"timm's weights of {name}")
        return TimmNet(model)

    return build
