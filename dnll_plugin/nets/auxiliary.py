"""A net with a second classifier that only training uses (ShrinkMatch, arXiv:2308.06777)."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from dnll_plugin.nets.pair import Net, NetBuilder

SLOPE = 0.1
"""Of the leaky ReLU."""


class AuxiliaryHeadNet(nn.Module):
    """A net and an auxiliary head on its features, as one module.

    One module, so that one optimizer, one EMA copy and one checkpoint serve both. Under the prefix
    ``backbone.`` stand the weights of the net alone, as in the toolbox's CoMatch and SimMatch.

    Args:
        backbone: The net.
        num_classes: K.
        momentum: Of the head's batch norms.
        eps: Of the head's batch norms.
    """

    def __init__(
        self, backbone: Net, num_classes: int, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__()
        self.backbone: Net = backbone
        self.num_features: int = backbone.num_features
        width = max(1, self.num_features // 4)
        self.auxiliary_head = nn.Sequential(
            nn.Linear(self.num_features, width),
            nn.BatchNorm1d(width, eps, momentum),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, width),
            nn.BatchNorm1d(width, eps, momentum),
            nn.LeakyReLU(SLOPE),
            nn.Linear(width, num_classes),
        )

    def forward(
        self,
        x: Tensor,
        only_fc: bool = False,
        only_feat: bool = False,
        auxiliary_from: int | None = None,
    ) -> Any:
        """Runs the net, and the auxiliary head where it is asked for.

        Args:
            x: Images (N, C, H, W); with ``only_fc`` the features that ``only_feat`` returned.
            only_fc: Apply the classifier only.
            only_feat: Return the features only.
            auxiliary_from: First row that goes through the auxiliary head; None for none.

        Returns:
            What the net returns, with ``logits_auxiliary`` of the rows from ``auxiliary_from`` on.
        """
        if only_fc or only_feat:
            return self.backbone(x, only_fc=only_fc, only_feat=only_feat)
        output: dict[str, Tensor] = self.backbone(x)
        if auxiliary_from is None:
            return output
        return {**output, "logits_auxiliary": self.auxiliary_head(output["feat"][auxiliary_from:])}

    def group_matcher(self, coarse: bool = False, prefix: str = "") -> Any:
        """Layer groups of the net, for layer-wise learning rate decay; the head is in the last."""
        return self.backbone.group_matcher(coarse=coarse, prefix=f"{prefix}backbone.")

    def no_weight_decay(self) -> set[str]:
        """Parameters of the net that its weight decay leaves out."""
        return {f"backbone.{name}" for name in self.backbone.no_weight_decay()}


def auxiliary_builder(builder: NetBuilder) -> NetBuilder:
    """Makes of a net's builder that of the net with an auxiliary head."""

    def build(
        num_classes: int, pretrained: bool = False, pretrained_path: str | None = None
    ) -> AuxiliaryHeadNet:
        net = builder(
            num_classes=num_classes, pretrained=pretrained, pretrained_path=pretrained_path
        )
        return AuxiliaryHeadNet(net, num_classes)

    return build
