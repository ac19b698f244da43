"""FullMatch over FixMatch, FullFlex over FlexMatch."""

from typing import Any

import pytest
import torch

from dnll_plugin.functional.full_match import (
    adaptive_negative_loss,
    choose_roles,
    entropy_meaning_loss,
)

PAIRS = [("fullmatch", "fixmatch"), ("fullflex", "flexmatch")]


@pytest.mark.parametrize(("name", "base"), PAIRS)
def test_two_losses_are_added_to_the_base(build: Any, steps: Any, name: str, base: str) -> None:
    settings = ("num_log_iter=1", "p_cutoff=0.4", "ulb_loss_ratio=0.5")
    logs = {each: steps(build(each, *settings), 3) for each in (name, base)}
    first, of_base = logs[name][0], logs[base][0]
    assert first["train/util_ratio"] == of_base["train/util_ratio"]
    added = 0.5 * (first["train/negative_loss"] + first["train/entropy_loss"]).item()
    assert added > 0
    assert first["train/total_loss"].item() == pytest.approx(of_base["train/total_loss"] + added)
    for log in logs[name]:
        assert 2 <= log["train/top_k"] <= 10
        assert log["train/negative_ratio"] == 1
    entropy = [log["train/entropy_loss"].item() for log in logs[name]]
    assert max(entropy) > 0 or name == "fullmatch"  # no row is that confident yet


@pytest.mark.parametrize("name", ["fullmatch", "fullflex"])
def test_the_losses_are_those_of_the_strong_view(build: Any, name: str) -> None:
    algorithm = build(name, "p_cutoff=0.5")
    algorithm.batch = {}
    generator = torch.Generator().manual_seed(1)
    weak, noise = (torch.randn(6, 10, generator=generator) for _ in "ws")
    strong = (2 * weak + noise).requires_grad_()
    mask = (weak.softmax(dim=1).amax(dim=1) > 0.3).float()
    loss, _ = algorithm.learn_masked(strong, weak, mask)
    top_k = next(
        k
        for k in range(2, 11)
        if (strong.topk(k).indices == weak.argmax(dim=1, keepdim=True)).any(dim=1).all()
    )
    roles = choose_roles(strong, weak, mask, top_k, 0.5)
    assert roles.negatives.any()
    assert roles.evened.any()
    expected = adaptive_negative_loss(strong, roles.negatives)
    torch.testing.assert_close(loss, expected + entropy_meaning_loss(strong, roles, top_k))
