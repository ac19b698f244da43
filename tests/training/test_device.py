"""The device of a run, and the scaler of its loss."""

import pytest
import torch

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.patches import redirection
from dnll_plugin.training import device


@pytest.mark.parametrize("there", ["mps", "cpu"])
def test_auto_takes_the_first_that_is_there(there: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {"cuda": False, "mps": there == "mps", "cpu": True}
    monkeypatch.setattr(redirection, "available", lambda: found)
    assert device.select_device("auto") == torch.device(there)
    assert device.select_device("cpu") == torch.device("cpu")
    with pytest.raises(InputError, match="device: cuda is not available"):
        device.select_device("cuda")


def test_the_toolbox_uses_it_inside_only() -> None:
    with device.use_device(torch.device("cpu")):
        assert torch.ones(1).cuda(0).device.type == "cpu"
    with pytest.raises(KeyError), device.use_device(torch.device("cpu")):
        raise KeyError
    assert "cuda" not in vars(torch.Tensor)


def test_a_scaler_goes_on_from_none() -> None:
    scaler = device.LossScaler("cpu", enabled=True)
    scaler.scale(torch.ones(1))
    state = scaler.state_dict()
    scaler.load_state_dict(device.LossScaler("cpu", enabled=False).state_dict())
    assert scaler.state_dict() == state
    scaler.load_state_dict({**state, "scale": 8.0})
    assert scaler.get_scale() == 8.0
