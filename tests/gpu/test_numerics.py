"""Losses and steps on the device against the CPU: in float32, float16 and bfloat16."""

from typing import Any

import pytest
import torch
from torch import Tensor

from dnll_plugin.functional.losses import Heads, NegativeLabels, dual_losses, meanteacher_losses
from dnll_plugin.training.device import use_device

pytestmark = pytest.mark.gpu

CPU = torch.device("cpu")
ROWS, CLASSES, LABELED = 96, 10, 32
TOLERANCE = {torch.float32: 1e-5, torch.float16: 5e-3, torch.bfloat16: 4e-2}
"""Relative, of a loss: a few roundings of the type."""

GRADIENT = {torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
"""Relative, of a gradient: norm of the difference over the norm."""


def draw_logits(number: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shape = (number, ROWS, CLASSES)
    return list(3 * torch.randn(shape, generator=generator, dtype=torch.float64))


def measure(
    algorithm: str, kind: str, device: torch.device, dtype: torch.dtype
) -> dict[str, tuple[Tensor, Tensor]]:
    """Each term of an algorithm's loss, and its gradient by the logits."""
    own, cons, other, peer = (
        logits.to(torch.bfloat16).to(torch.float16).to(device, dtype) for logits in draw_logits(4)
    )
    own.requires_grad_()
    cons.requires_grad_()
    labeled, unlabeled = Heads(own, cons).split(LABELED)
    labels = torch.arange(LABELED, device=device) % CLASSES
    wrong = torch.arange(CLASSES, device=device).roll(1) < 2
    negatives = wrong.expand(ROWS - LABELED, CLASSES)
    if algorithm == "dnll_dual":
        learns = torch.arange(ROWS - LABELED, device=device) % 3 > 0
        chosen = NegativeLabels(negatives, learns)
        terms = dual_losses(*(labeled, unlabeled, labels, other, peer[LABELED:], chosen), kind=kind)
    else:
        terms = meanteacher_losses(
            *(labeled, unlabeled, labels), teacher=other[LABELED:], negatives=negatives, kind=kind
        )
    return {name: (term.detach(), gradient(term, own, cons)) for name, term in terms.items()}


def gradient(term: Tensor, *logits: Tensor) -> Tensor:
    found = torch.autograd.grad(term, logits, retain_graph=True, allow_unused=True)
    return torch.stack([torch.zeros_like(logits[0]) if g is None else g for g in found])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("kind", ["mse", "kl"])
@pytest.mark.parametrize("algorithm", ["dnll_dual", "dnll_meanteacher"])
def test_a_loss_is_that_of_the_cpu_in_float64(
    device: torch.device, algorithm: str, kind: str, dtype: torch.dtype
) -> None:
    expected = measure(algorithm, kind, CPU, torch.float64)
    found = measure(algorithm, kind, device, dtype)
    assert found.keys() == expected.keys()
    for name, (term, slope) in found.items():
        wanted, wanted_slope = expected[name]
        assert term.item() == pytest.approx(wanted.item(), rel=TOLERANCE[dtype]), name
        difference = (slope.cpu().double() - wanted_slope).norm()
        assert difference <= GRADIENT[dtype] * wanted_slope.norm() + 1e-12, name


def take_step(algorithm: Any, device: torch.device, batch: dict[str, Tensor]) -> Tensor:
    """The loss of a step of an algorithm, whose gradients it leaves in the net."""
    with use_device(device):
        out, _ = algorithm.train_step(**algorithm.process_batch(**batch))
        out["loss"].backward()
    return out["loss"].detach().double().cpu()


@pytest.mark.parametrize("amp", ["false", "true"])
@pytest.mark.parametrize(
    "algorithm", ["dnll_dual", "dnll_meanteacher", "dnll_fixmatch", "dnll_flexmatch", "fixmatch"]
)
def test_a_step_is_that_of_the_cpu(
    device: torch.device, build: Any, batches: Any, algorithm: str, amp: str
) -> None:
    # no dropout, no noise, and negatives that are not drawn: the same numbers on every device
    changes = [f"algorithm={algorithm}", "net=wrn_28_2", "num_workers=0"]
    changes += ["negative_sampling=least_likely"] if algorithm != "fixmatch" else []
    there = build(device, *changes, f"amp={amp}")
    here = build(CPU, *changes)
    here.model.load_state_dict(there.model.state_dict())
    here.ema_model.load_state_dict(there.ema_model.state_dict())
    batch = next(batches(here))
    loss = take_step(there, device, batch)
    expected = take_step(here, CPU, batch)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4 if amp == "false" else 3e-2)
    if amp == "false":
        pairs = zip(there.model.parameters(), here.model.parameters(), strict=True)
        for found, wanted in pairs:
            if wanted.grad is not None:
                error = (found.grad.cpu() - wanted.grad).norm()
                assert error <= 1e-2 * wanted.grad.norm() + 1e-6
