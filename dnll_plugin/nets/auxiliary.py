"""A net with a second classifier that only training uses (ShrinkMatch, arXiv:2308.06777)."""

from torch import Tensor, nn

from dnll_plugin.nets.pair import Net
from dnll_plugin.nets.with_heads import NetWithHeads

SLOPE = 0.1
"""Of the leaky ReLU."""


class AuxiliaryHeadNet(NetWithHeads):
    """A net and an auxiliary classifier on its features, which gives ``logits_auxiliary``.

    Args:
        backbone: The net.
        num_classes: K.
        momentum: Of the head's batch norms.
        eps: Of the head's batch norms.
    """

    def __init__(
        self, backbone: Net, num_classes: int, momentum: float = 0.1, eps: float = 1e-5
    ) -> None:
        super().__init__(backbone, num_classes)
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

    def apply_heads(self, features: Tensor) -> dict[str, Tensor]:
        return {"logits_auxiliary": self.auxiliary_head(features)}
