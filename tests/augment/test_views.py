"""Views: what a net sees of a batch."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torchvision.transforms import Normalize

from dnll_plugin.augment.views import Shift, View

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_augmentation_values_are_torchvisions(images: Tensor) -> None:
    found = View(MEAN, STD)(images, generator())
    assert torch.equal(found, Normalize(MEAN, STD)(images.float() / 255))


@given(
    st.integers(1, 5),
    st.integers(0, 3),
    st.sampled_from(["constant", "reflect"]),
    st.integers(0, 3),
    st.integers(0, 2**32),
)
def test_shape_type_and_range(
    count: int, padding: int, mode: str, operations: int, seed: int
) -> None:
    images = torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=generator(seed))
    view = View((0.0,) * 3, (1.0,) * 3, Shift(8, padding, mode, 0.5), operations)
    made = view(images, generator(seed))
    assert made.shape == (count, 3, 8, 8)
    assert made.dtype == torch.float32
    assert made.is_contiguous()
    assert ((made >= 0) & (made <= 1)).all()
    assert torch.equal(made, view(images, generator(seed)))


@pytest.mark.parametrize(("flip", "share"), [(0.0, 0.0), (0.5, 0.5), (1.0, 1.0)])
def test_shifts_and_flips_are_uniform(flip: float, share: float) -> None:
    """A pixel that is alone tells where its image went."""
    image = torch.zeros(3, 8, 8, dtype=torch.uint8)
    image[0, 3, 3], image[1, 3, 4] = 255, 255
    shift = Shift(8, 2, "constant", flip)
    made = shift(image.expand(5000, -1, -1, -1), generator())
    first, second = (made[:, channel].flatten(1).argmax(dim=1) for channel in (0, 1))
    flipped = second < first
    assert abs(flipped.double().mean() - share) < 0.03
    rows, columns = first // 8, torch.where(flipped, 7 - first % 8, first % 8)
    counts = torch.bincount((rows - 1) * 5 + columns - 1, minlength=25)
    assert len(counts) == 25
    assert ((counts - 200) ** 2 / 200).sum() < 51.2  # 24 degrees of freedom, probability 0.001
