"""Operations on grey levels, against the toolbox's on the same image and strength."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from dnll_plugin.augment import tables

RANGES = {
    "AutoContrast": (0, 1),
    "Equalize": (0, 1),
    "Posterize": (1, 8.5),
    "Solarize": (0, 256),
    "Brightness": (0, 1.9),
}
OF_IMAGES = ("AutoContrast", "Equalize")


@pytest.mark.parametrize("name", RANGES)
def test_equals_the_toolboxs(name: str, images: Tensor, theirs) -> None:
    strengths = torch.empty(len(images)).uniform_(*RANGES[name], generator=use_seed())
    made = getattr(tables, name.lower())(images if name in OF_IMAGES else strengths)
    found = tables.look_up(images, made.expand(-1, 3, -1))
    assert torch.equal(found, theirs(name, images, strengths))


@pytest.mark.parametrize("size", [1, 5, 96])
@pytest.mark.parametrize("name", OF_IMAGES)
def test_at_other_sizes(name: str, size: int, theirs) -> None:
    images = torch.randint(0, 256, (6, 3, size, size), generator=use_seed(), dtype=torch.uint8)
    made = getattr(tables, name.lower())(images)
    assert torch.equal(tables.look_up(images, made), theirs(name, images, torch.zeros(6)))


@given(st.integers(0, 255), st.integers(0, 255))
def test_autocontrast_of_every_range(low: int, high: int) -> None:
    images = torch.tensor([low, high, high, low], dtype=torch.uint8).view(1, 1, 2, 2)
    table = tables.autocontrast(images)[0, 0]
    expected = torch.arange(256)
    low, high = min(low, high), max(low, high)
    if low < high:
        scale = 255.0 / (high - low)
        values = [int(level * scale - low * scale) for level in range(256)]
        expected = torch.tensor(values).clamp(0, 255)
    assert torch.equal(table.long(), expected)


@pytest.mark.parametrize(
    ("name", "strength"),
    [("posterize", 8.0), ("solarize", 256.0), ("brightness", 1.0)],
)
def test_identity(name: str, strength: float, images: Tensor) -> None:
    made = getattr(tables, name)(torch.full((len(images),), strength))
    assert torch.equal(tables.look_up(images, made.expand(-1, 3, -1)), images)


def test_each_row_has_its_strength(images: Tensor) -> None:
    strengths = torch.linspace(0, 1, len(images))
    together = tables.brightness(strengths)
    alone = [tables.brightness(strengths[i : i + 1]) for i in range(len(images))]
    assert torch.equal(together, torch.cat(alone))


def use_seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)
