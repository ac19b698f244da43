"""ShrinkMatch over FixMatch."""

from typing import Any

import pytest
import torch


def test_with_weight_zero_it_is_fixmatch(build: Any, steps: Any) -> None:
    states = []
    for changes in (("fixmatch",), ("shrinkmatch", "uncertain_weight=0")):
        algorithm = build(*changes)
        steps(algorithm, 5)
        states.append(algorithm.model.state_dict())
    assert all(torch.equal(tensor, states[1][key]) for key, tensor in states[0].items())


def test_uncertain_rows_learn_as_the_share_of_certain_ones_grows(build: Any, steps: Any) -> None:
    algorithm = build("shrinkmatch", "num_log_iter=1", "p_cutoff=0.15", "ema_p=0.5")
    shares, uncertain, average = [], [], 0.0
    for log in steps(algorithm, 4):
        average += 0.5 * (log["train/util_ratio"] - average)
        shares.append(log["train/util_ratio"])
        assert log["train/certain_share"].item() == pytest.approx(average)
        terms = log["train/sup_loss"] + log["train/unsup_loss"] + log["train/uncertain_loss"]
        assert log["train/total_loss"].item() == pytest.approx(terms.item(), rel=1e-5)
        uncertain.append(log["train/uncertain_loss"].item())
    assert any(0 < share < 1 for share in shares[:3])
    assert max(uncertain) > 0
