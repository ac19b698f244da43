"""RandAugment in batches, against the toolbox's on the same draws and in distribution."""

import random
from collections import Counter

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from dnll_plugin.augment import randaugment
from dnll_plugin.augment.randaugment import OPERATIONS, Draws

SIZE = (32, 32)


def draw(count: int, rounds: int = 3, seed: int = 0) -> Draws:
    return randaugment.draw(count, rounds, SIZE, torch.Generator().manual_seed(seed))


def test_operations_and_ranges_are_the_toolboxs() -> None:
    from semilearn.datasets.augmentation.randaugment import augment_list

    theirs = {(function.__name__, low, high) for function, low, high in augment_list()}
    assert {(op.name, op.low, op.high) for op in OPERATIONS} == theirs


def test_each_image_gets_its_own_operations_in_turn(images: Tensor, theirs) -> None:
    many = images.repeat(8, 1, 1, 1)
    draws = draw(len(many))
    found = randaugment.apply_operations(many, draws.operations, draws.strengths.double())
    for number in range(len(many)):
        expected = many[number : number + 1]
        rounds = zip(draws.operations[:, number], draws.strengths[:, number], strict=True)
        for place, strength in rounds:
            expected = theirs(OPERATIONS[place].name, expected, strength.double()[None])
        assert torch.equal(found[number : number + 1], expected)


@pytest.mark.parametrize("number", range(len(OPERATIONS)))
def test_all_images_may_draw_the_same(number: int, images: Tensor, theirs) -> None:
    operation = OPERATIONS[number]
    middle = torch.full((1, len(images)), (operation.low + operation.high) / 2)
    found = randaugment.apply_operations(
        images, torch.full_like(middle, number, dtype=torch.int64), middle
    )
    assert torch.equal(found, theirs(operation.name, images, middle[0]))


def test_boxes_are_the_toolboxs(images: Tensor, theirs, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the same random numbers."""
    numbers = torch.rand(3, len(images), generator=torch.Generator().manual_seed(5))
    boxes = randaugment.draw_boxes(len(images), SIZE, torch.Generator().manual_seed(5))
    fill = torch.tensor(randaugment.BOX_COLOR, dtype=torch.uint8).view(3, 1, 1)
    found = randaugment.geometry.fill_boxes(images, boxes, fill)
    expected = []
    for image, (side, *places) in zip(images, numbers.T, strict=True):
        uniform = iter([32 + (1.0 - 32) * float(place) for place in places])
        monkeypatch.setattr(np.random, "uniform", lambda low, uniform=uniform: next(uniform))
        expected.append(theirs("Cutout", image[None], side[None] * randaugment.LARGEST_BOX))
    assert torch.equal(found, torch.cat(expected))


def test_distribution_is_the_toolboxs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counts of operations, mean strengths and the share that the boxes cover."""
    from semilearn.datasets.augmentation import randaugment as theirs

    count, seen = 2000, []

    def noting(name: str):
        return lambda image, strength: seen.append((name, strength)) or image

    augment = theirs.RandAugment(3, 5)
    augment.augment_list = [
        (noting(function.__name__), low, high) for function, low, high in theirs.augment_list()
    ]
    random.seed(0)
    np.random.seed(0)
    blank = Image.new("RGB", SIZE)
    covered = np.mean([np.asarray(augment(blank))[..., 0] == 125 for _ in range(count)], axis=0)

    draws = draw(count)
    fill = torch.tensor(randaugment.BOX_COLOR, dtype=torch.uint8).view(3, 1, 1)
    blanks = torch.zeros(count, 3, *SIZE, dtype=torch.uint8)
    ours = (randaugment.geometry.fill_boxes(blanks, draws.boxes, fill)[:, 0] == 125).double()
    assert np.abs(ours.mean(dim=0).numpy() - covered).max() < 5 * np.sqrt(0.25 / count)

    total = 3 * count
    expected = total / len(OPERATIONS)
    drawn = draws.operations.flatten().bincount(minlength=len(OPERATIONS))
    counted = Counter(name for name, _ in seen)
    for counts in (drawn.tolist(), [counted[operation.name] for operation in OPERATIONS]):
        chi_square = sum((number - expected) ** 2 / expected for number in counts)
        assert chi_square < 34.5  # 13 degrees of freedom, probability 0.001
    for number, operation in enumerate(OPERATIONS):
        strengths = draws.strengths[draws.operations == number]
        assert operation.low <= strengths.min() < strengths.max() <= operation.high
        width = operation.high - operation.low
        for mean in (strengths.mean(), np.mean([s for name, s in seen if name == operation.name])):
            assert abs(mean - (operation.low + operation.high) / 2) < 0.1 * width


def test_same_seed_same_draws() -> None:
    for one, other in zip(draw(8, seed=3), draw(8, seed=3), strict=True):
        assert torch.equal(one, other)
    assert not torch.equal(draw(8, seed=3).strengths, draw(8, seed=4).strengths)


def test_given_images_stay_as_they_are(images: Tensor) -> None:
    before = images.clone()
    result = randaugment.apply(images, draw(len(images)))
    assert torch.equal(images, before)
    assert (result.shape, result.dtype) == (images.shape, images.dtype)
