"""Sending the toolbox's CUDA calls elsewhere: only while it is at work, and put back after."""

import os
import subprocess
import sys
import textwrap
from typing import Any

import pytest
import torch

from dnll_plugin.toolbox.patches import no_cuda, redirection

CPU = torch.device("cpu")


def held() -> list[Any]:
    """What torch has in the places that are replaced."""
    return [vars(owner).get(name) for owner, name, _ in redirection._REPLACED]


def test_calls_go_to_the_device_inside_and_to_cuda_after() -> None:
    before = held()
    with redirection.redirect(CPU):
        assert torch.ones(1).cuda(0).device == CPU
        assert next(torch.nn.Linear(1, 1).cuda().parameters()).device == CPU
        start, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
        start.record()
        end.record()
        torch.cuda.synchronize()
        assert start.elapsed_time(end) >= 0
        assert redirection.current() == CPU
    assert held() == before
    assert "cuda" not in vars(torch.Tensor)
    assert redirection.current().type == "cuda"


def test_nested_and_after_an_error() -> None:
    before = held()
    with redirection.redirect(CPU):
        outer = held()
        with pytest.raises(ValueError, match="meta"), redirection.redirect(torch.device("meta")):
            raise ValueError(torch.ones(1).cuda().device.type)
        assert held() == outer
        assert torch.ones(1).cuda().device == CPU
    assert held() == before


def test_a_function_keeps_to_where_calls_go_already() -> None:
    place = redirection.redirect_within(lambda: torch.ones(1).cuda().device.type, CPU)
    assert place() == "cpu"
    with redirection.redirect(torch.device("meta")):
        assert place() == "meta"
    assert redirection.current().type == "cuda"


class Base:
    def __init__(self) -> None:
        self.bank = torch.ones(1).cuda()

    def train(self) -> torch.Tensor:
        return self.bank.cuda()


class Before(Base):
    def train(self) -> torch.Tensor:
        raise ValueError(torch.ones(1).cuda().device.type)


def test_every_algorithm_whenever_it_is_defined() -> None:
    before = held()
    no_cuda.redirect_algorithms(Base, CPU)

    class After(Base):
        def evaluate(self, out_key: str = "logits") -> torch.device:
            return torch.ones(1).cuda().device

    assert Base().train().device == CPU
    assert After().evaluate(out_key="logits") == CPU
    with pytest.raises(ValueError, match="cpu"):
        Before().train()
    assert held() == before


@pytest.mark.parametrize("first", ["dnll_plugin, semilearn", "semilearn, dnll_plugin"])
def test_importing_changes_nothing_of_torch(first: str) -> None:
    code = f"""
        import torch, torch.distributed
        owners = (torch.Tensor, torch.nn.Module, torch.cuda, torch.cuda.amp, torch.amp,
                  torch.distributed, torch.utils.data)
        before = [dict(vars(owner)) for owner in owners]
        import {first}
        for owner, held in zip(owners, before):
            changed = [name for name in held if vars(owner).get(name) is not held[name]]
            assert not changed, (owner, changed)
        try:
            torch.ones(1).cuda()
        except (RuntimeError, AssertionError):
            print("no CUDA")
    """
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", textwrap.dedent(code)],
        env=os.environ | {"CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "no CUDA\n"), done.stderr
