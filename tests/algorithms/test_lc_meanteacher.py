"""Local clustering on top of Mean Teacher."""

from typing import Any

import pytest
import torch

from dnll_plugin.functional.clustering import local_clustering_loss


def test_clustering_starts_at_its_epoch(build: Any, steps: Any) -> None:
    ramp = (
        "clustering_start=2",
        "clustering_rampup=0",
        "clustering_weight=3",
        "ulb_loss_ratio=0.5",
    )
    algorithm = build("lc_meanteacher", "num_log_iter=1", *ramp)
    logs = steps(algorithm, 6)
    assert ["train/clustering_loss" in log for log in logs] == [False] * 4 + [True] * 2
    assert algorithm.weights()["clustering"] == 1.5
    algorithm.it = 0
    assert algorithm.weights()["clustering"] == 0


@pytest.mark.parametrize("changes", [("use_cat=true",), ("use_cat=false",)])
def test_terms_of_the_step(build: Any, changes: tuple[str, ...]) -> None:
    """The loss is the sum of its terms, over the rows that each of them is about."""
    relative = ("clustering_threshold=1", "clustering_threshold_type=relative", "lb_views=2")
    algorithm = build("lc_meanteacher", *changes, *relative, "net=wrn_28_2")
    algorithm.model.eval()  # batch norm gives the same in one pass and in two
    algorithm.ema_model.eval()
    x_lb, y_lb = torch.randn(4, 3, 8, 8), torch.tensor([0, 1, 2, 3])
    weak, strong = torch.randn(6, 3, 8, 8), torch.randn(6, 3, 8, 8)
    out, _ = algorithm.train_step(x_lb, y_lb, weak, strong, x_lb_2=x_lb)
    labeled, unlabeled = algorithm.model(x_lb), algorithm.model(strong)
    with torch.no_grad():
        teacher = algorithm.ema_model(torch.cat((x_lb, weak)))["logits"].softmax(dim=1)
    student = torch.cat((labeled["logits"], unlabeled["logits"])).softmax(dim=1)
    weights = algorithm.weights()
    wanted = (
        torch.nn.functional.cross_entropy(labeled["logits"], y_lb, reduction="sum") / 10
        + weights["consistency"] * (student - teacher).square().mean()
        + weights["clustering"] * local_clustering_loss(labeled["feat"], unlabeled["feat"], 1, True)
    )
    torch.testing.assert_close(out["loss"], wanted)
