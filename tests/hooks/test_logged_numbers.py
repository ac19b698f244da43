"""Numbers of a device are left there while the toolbox logs them, and only then."""

import pytest
import torch
from torch import Tensor

from dnll_plugin.hooks.logged_numbers import leave_numbers_on

ON_DEVICE = torch.zeros((), device="meta", requires_grad=True)
"""Stands for a number on a GPU: reading it would wait there, here it is an error."""


def test_numbers_of_the_device_stay_there() -> None:
    with leave_numbers_on("meta"):
        left = ON_DEVICE.item()
        assert isinstance(left, Tensor)
        assert (left.device.type, left.requires_grad) == ("meta", False)
        assert torch.tensor(3.5).item() == 3.5
    with pytest.raises(RuntimeError):
        ON_DEVICE.item()


def test_torch_is_put_back_after_a_failure() -> None:
    before = Tensor.item
    with pytest.raises(ZeroDivisionError), leave_numbers_on("meta"):
        1 / 0  # noqa: B018
    assert Tensor.item is before
    assert "item" not in vars(Tensor)


def test_what_was_replaced_before_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Tensor, "item", lambda self: "mine", raising=False)
    with leave_numbers_on("meta"):
        assert torch.tensor(1.0).item() == "mine"
    assert torch.tensor(1.0).item() == "mine"
