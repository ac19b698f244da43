"""Nets with heads that tell images of no class (IOMatch, OpenMatch)."""

from collections.abc import Mapping

from torch import Tensor, nn

from dnll_plugin.functional.io_match import outlier_score
from dnll_plugin.functional.one_vs_all import outlier_at_prediction
from dnll_plugin.nets.pair import Net
from dnll_plugin.nets.with_heads import NetWithHeads

PROJECTED = 128
"""Width of IOMatch's projection."""


class OpenSetNet(NetWithHeads):
    """A net whose heads tell images of no class."""

    @staticmethod
    def score_unknown(outputs: Mapping[str, Tensor]) -> Tensor:
        """How surely images are of none of the classes.

        Args:
            outputs: What the net says of N images, its heads of all of them (``heads_from=0``).

        Returns:
            (N,), in [0, 1], higher for a surer one.
        """
        raise NotImplementedError


class OneVsAllNet(OpenSetNet):
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

    @staticmethod
    def score_unknown(outputs: Mapping[str, Tensor]) -> Tensor:
        return outlier_at_prediction(outputs["logits"], outputs["logits_binary"])


class IOMatchNet(OpenSetNet):
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

    @staticmethod
    def score_unknown(outputs: Mapping[str, Tensor]) -> Tensor:
        return outlier_score(outputs["logits"], outputs["logits_binary"])
