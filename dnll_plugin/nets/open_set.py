"""Nets with heads that tell images of no class (IOMatch, OpenMatch)."""

from torch import Tensor, nn

from dnll_plugin.nets.pair import Net
from dnll_plugin.nets.with_heads import NetWithHeads

PROJECTED = 128
"""Width of IOMatch's projection."""


class OneVsAllNet(NetWithHeads):
    """OpenMatch's net (arXiv:2105.14148): one classifier a class, of this class or not.

    ``logits_binary`` (N, 2K) holds the K logits of "not of class k" first, then those of "of class
    k".
    """

    def __init__(self, backbone: Net, num_classes: int) -> None:
        super().__init__(backbone, num_classes)
        self.binary_head = nn.Linear(self.num_features, 2 * num_classes, bias=False)
        nn.init.xavier_normal_(self.binary_head.weight)

    def apply_heads(self, features: Tensor) -> dict[str, Tensor]:
        return {"logits_binary": self.binary_head(features)}


class IOMatchNet(NetWithHeads):
    """IOMatch's net (arXiv:2308.13168): two heads on a projection of the features.

    ``logits_binary`` (N, 2K) is laid out as that of :class:`OneVsAllNet`; ``logits_open``
    (N, K + 1) has the images of no class as one class more, the last.
    """

    def __init__(self, backbone: Net, num_classes: int) -> None:
        super().__init__(backbone, num_classes)
        self.projector = nn.Sequential(
            nn.Linear(self.num_features, self.num_features),
            nn.ReLU(),
            nn.Linear(self.num_features, PROJECTED),
        )
        self.binary_head = nn.Linear(PROJECTED, 2 * num_classes, bias=False)
        self.open_head = nn.Linear(PROJECTED, num_classes + 1)
        for head in (self.binary_head, self.open_head):
            nn.init.xavier_normal_(head.weight)

    def apply_heads(self, features: Tensor) -> dict[str, Tensor]:
        projected = self.projector(features)
        return {
            "logits_binary": self.binary_head(projected),
            "logits_open": self.open_head(projected),
        }
