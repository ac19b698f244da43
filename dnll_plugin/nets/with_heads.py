"""A net with further heads on its features, as one module."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dnll_plugin.nets.pair import Net, NetBuilder


class NetWithHeads(nn.Module):
    """A net and the heads that an algorithm puts beside its classifier.

    One module, so that one optimizer, one EMA copy and one checkpoint serve all. Under the prefix
    ``backbone.`` stand the weights of the net alone, as in the toolbox's CoMatch and SimMatch.

    Args:
        backbone: The net.
        num_classes: K.
    """

    def __init__(self, backbone: Net, num_classes: int) -> None:
        super().__init__()
        self.backbone: Net = backbone
        self.num_classes = num_classes
        self.num_features: int = backbone.num_features

    def apply_heads(self, features: Tensor) -> dict[str, Tensor]:
        """What the heads say of features (N, D), by name; the names begin with ``logits_``."""
        raise NotImplementedError

    def forward(
        self,
        x: Tensor,
        only_fc: bool = False,
        only_feat: bool = False,
        heads_from: int | None = None,
    ) -> Any:
        """Runs the net, and the heads beside it where they are asked for.

        Args:
            x: Images (N, C, H, W); with ``only_fc`` the features that ``only_feat`` returned.
            only_fc: Apply the classifier only.
            only_feat: Return the features only.
            heads_from: First row that goes through the heads; None for none.

        Returns:
            What the net returns, with what the heads say of the rows from ``heads_from`` on.
        """
        if only_fc or only_feat:
            return self.backbone(x, only_fc=only_fc, only_feat=only_feat)
        output: dict[str, Tensor] = self.backbone(x)
        if heads_from is None:
            return output
        return {**output, **self.apply_heads(output["feat"][heads_from:])}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Any:
        """Layer groups of the net, for layer-wise learning rate decay; heads are in the last."""
        return self.backbone.group_matcher(coarse=coarse, prefix=f"{prefix}backbone.")

    def no_weight_decay(self) -> set[str]:
        """Parameters of the net that its weight decay leaves out."""
        return {f"backbone.{name}" for name in self.backbone.no_weight_decay()}


def builder_with_heads(kind: type[NetWithHeads], builder: NetBuilder) -> NetBuilder:
    """Makes of a net's builder that of the net with the heads of ``kind``."""

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> NetWithHeads:
        net = builder(
            num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path
        )
        return kind(net, num_classes)

    return build
