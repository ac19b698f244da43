"""Two submodels as one network, how they are evaluated, and the input noise of their views.

All are what an algorithm needs from a net whatever its architecture, so algorithms depend on this
module and on no particular net.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from dnll_plugin.protocols import ToolboxAlgorithm

Net = Any
"""An ``nn.Module`` with the toolbox's net interface: ``forward(x, only_fc, only_feat)`` returning
``{"logits", "feat"}``, ``num_features``, ``group_matcher(coarse, prefix)``, ``no_weight_decay()``.
"""

NetBuilder = Callable[..., Net]
"""``builder(num_classes, pretrained=False, pretrained_path=None)``, as the toolbox calls it."""

SIDES = ("left", "right")
"""Names of the two submodels of a pair."""

PEER = {"left": "right", "right": "left"}
"""The other submodel of each."""


class SubmodelPair(nn.Module):
    """Two networks with different initial weights that learn from each other.

    One module, so that one optimizer, one EMA copy, one DDP wrapper and one checkpoint serve both.
    The submodels may be of different architectures and have different feature widths.

    Args:
        left: First submodel.
        right: Second submodel, for the same classes.
    """

    def __init__(self, left: Net, right: Net) -> None:
        super().__init__()
        self.left: Net = left
        self.right: Net = right
        self.num_features: int = left.num_features + right.num_features

    def forward(self, x: Any, only_fc: bool = False, only_feat: bool = False) -> Any:
        """Run the pair as an ensemble, or each submodel on a batch of its own.

        Args:
            x: Images, seen by both submodels; or ``{"left": images, "right": images}``, either key
                may be absent; with ``only_fc`` the features that ``only_feat`` returned.
            only_fc: Apply the two classifiers only.
            only_feat: Return the features only.

        Returns:
            For one batch ``{"logits", "feat", "logits_left", "logits_right"}``, where ``logits``
            (N, K) is the mean of the submodels' logits and ``feat`` (N, F_left + F_right) both
            features side by side. For a mapping the submodels' own outputs under the keys given.
            ``feat`` alone with ``only_feat``, ``logits`` alone with ``only_fc``.
        """
        if only_fc:
            widths = [self.left.num_features, self.right.num_features]
            left_feat, right_feat = x.split(widths, dim=1)
            return (self.left(left_feat, only_fc=True) + self.right(right_feat, only_fc=True)) / 2
        if only_feat:
            return torch.cat([self.left(x, only_feat=True), self.right(x, only_feat=True)], dim=1)
        if isinstance(x, Mapping) and x.keys() <= set(SIDES):
            return {side: getattr(self, side)(batch) for side, batch in x.items()}
        left, right = self.left(x), self.right(x)
        return {
            "logits": (left["logits"] + right["logits"]) / 2,
            "feat": torch.cat([left["feat"], right["feat"]], dim=1),
            "logits_left": left["logits"],
            "logits_right": right["logits"],
        }

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Callable[[str], int]:
        """Layer groups for layer-wise learning rate decay, counted back from the classifiers.

        Counting from the end gives the two classifiers the same, full learning rate even where one
        submodel is deeper than the other.

        Args:
            coarse: Passed on to the submodels.
            prefix: What stands before the pair's own parameter names.

        Returns:
            A function from parameter name to group, 0 for the last layer and negative before it.
        """
        from semilearn.nets.utils import group_parameters

        groups: dict[str, int] = {}
        for side in SIDES:
            net = getattr(self, side)
            layers = group_parameters(net, net.group_matcher(coarse=coarse), reverse=True)
            last = max(layers.values())
            groups |= {f"{prefix}{side}.{name}": layer - last for name, layer in layers.items()}
        return lambda name: groups.get(name, 0)

    def no_weight_decay(self) -> set[str]:
        """Names of the parameters that either submodel exempts from weight decay."""
        return {f"{side}.{n}" for side in SIDES for n in getattr(self, side).no_weight_decay()}


class OneOf(nn.Module):
    """A submodel of a pair, called by way of the pair, which may be wrapped.

    Args:
        pair: A :class:`SubmodelPair`, or what wraps it, such as DistributedDataParallel.
        side: Which submodel, one of :data:`SIDES`.
    """

    def __init__(self, pair: nn.Module, side: str) -> None:
        super().__init__()
        self.pair = pair
        self.side = side

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Output of the submodel on images (N, C, H, W)."""
        return self.pair({self.side: x})[self.side]


def evaluate_pair(
    algorithm: ToolboxAlgorithm,
    evaluate: Callable[..., dict[str, Any]],
    eval_dest: str,
    *options: object,
) -> dict[str, Any]:
    """Evaluates the ensemble as the toolbox does, and left and right in the same passes.

    Args:
        algorithm: Whose model is a pair.
        evaluate: The toolbox's ``evaluate`` of it.
        eval_dest: Which loader.
        *options: What else ``evaluate`` takes.

    Returns:
        The toolbox's metrics of the ensemble, but ``top-1-acc`` is the mean of ``left-acc`` and
        ``right-acc``, so that the best checkpoint is that of the best single submodels;
        ``ensemble-acc`` stands beside.
    """
    predicted: dict[str, list[Tensor]] = {side: [] for side in SIDES}

    def record(module: object, inputs: object, output: dict[str, Tensor]) -> None:
        for side in SIDES:
            predicted[side].append(output[f"logits_{side}"].argmax(dim=1).cpu())

    loader, targets = algorithm.loader_dict[eval_dest], []

    def recorded() -> Iterator[dict[str, Tensor]]:
        for data in loader:
            targets.append(data["y_lb"])
            yield data

    handle = algorithm.model.register_forward_hook(record)
    algorithm.loader_dict[eval_dest] = recorded()
    try:
        eval_dict = evaluate(eval_dest, *options)
    finally:
        algorithm.loader_dict[eval_dest] = loader
        handle.remove()
    accuracy = {
        side: (torch.cat(predicted[side]) == torch.cat(targets)).double().mean().item()
        for side in SIDES
    }
    eval_dict[f"{eval_dest}/ensemble-acc"] = eval_dict[f"{eval_dest}/top-1-acc"]
    eval_dict[f"{eval_dest}/top-1-acc"] = (accuracy["left"] + accuracy["right"]) / 2
    eval_dict.update({f"{eval_dest}/{side}-acc": accuracy[side] for side in SIDES})
    return eval_dict


def pair_builder(left_builder: NetBuilder, right_builder: NetBuilder) -> NetBuilder:
    """Combine two net builders into the builder of their pair.

    Args:
        left_builder: Builds the left submodel.
        right_builder: Builds the right submodel; the same as ``left_builder`` gives two networks
            of one architecture with different initial weights.

    Returns:
        A builder of :class:`SubmodelPair`; pretrained weights go to both submodels.
    """

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> SubmodelPair:
        left, right = (
            builder(num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path)
            for builder in (left_builder, right_builder)
        )
        return SubmodelPair(left, right)

    return build


def with_input_noise(builder: NetBuilder, std: float) -> NetBuilder:
    """Make a builder's nets add Gaussian noise to their input images in training.

    Parameters, their names and the net's interface stay as they are. The submodels of a pair draw
    their noise independently.

    Args:
        builder: Builder of any net.
        std: Standard deviation of the noise, >= 0, in units of the normalised image. It replaces
            the noise that a net already has of its own.
    """

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> Net:
        net = builder(
            num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path
        )
        for submodel in (net.left, net.right) if isinstance(net, SubmodelPair) else (net,):
            set_input_noise(submodel, std)
        return net

    return build


def set_input_noise(net: Net, std: float) -> None:
    """Set the standard deviation of the noise on ``net``'s input images in training."""
    if not hasattr(net, "input_noise"):
        net.register_forward_pre_hook(_add_noise)
    net.input_noise = std


def _add_noise(net: Net, args: tuple[Any, ...]) -> tuple[Any, ...]:
    # Features, which `only_fc` brings, have two dimensions: they are left alone.
    x, *rest = args
    if net.training and net.input_noise and isinstance(x, Tensor) and x.ndim == 4:
        x = torch.add(x, noise_like(x), alpha=net.input_noise)
    return (x, *rest)


def noise_like(x: Tensor) -> Tensor:
    """Standard normal noise of the shape of ``x``, the same in every memory layout of ``x``.

    Drawn row by row: on a CPU in a tenth of the time that it takes in ``channels_last``.
    """
    return torch.randn_like(x, memory_format=torch.contiguous_format)
