import numpy as np
import pytest
import torch
from PIL import Image

from dnll_plugin.datasets import DATASETS
from dnll_plugin.datasets.transforms import evaluation_view, views
from dnll_plugin.errors import InputError

KINDS = ("weak", "medium", "strong", "evaluation")


@pytest.mark.parametrize("dataset", [name for name, row in DATASETS.items() if row.views])
@pytest.mark.parametrize("size", [(8, 8), (70, 40), (33, 200)])
def test_every_view_of_every_data_set_has_the_configured_size(dataset, size):
    picture = Image.new("RGB", size, (200, 100, 50))
    pipelines = views(dataset, img_size=24, crop_ratio=0.875)
    for kind in KINDS:
        view = getattr(pipelines, kind)(picture)
        assert view.shape == (3, 24, 24)
        assert view.dtype == torch.float32


def test_digits_are_shifted_into_black_but_never_mirrored():
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:, 8:] = 255  # dark left, bright right: a mirrored one is bright on the left
    weak = views("digits", img_size=16, crop_ratio=0.75).weak
    edges = set()
    for _ in range(200):
        row = (weak(Image.fromarray(pixels))[0, 8] > 0).int().tolist()
        bright = row.index(1)
        stop = bright + row[bright:].index(0) if 0 in row[bright:] else 16
        assert sum(row) == stop - bright  # one stroke: nothing of it is reflected at the border
        edges.add(bright)
    assert edges == set(range(4, 13))  # shifts of up to 4 pixels = 16 * (1 - 0.75)


def test_plain_views_are_the_evaluation_view():
    pipelines = views("mnist_plain", img_size=28, crop_ratio=0.875)
    picture = Image.fromarray(np.random.RandomState(0).randint(256, size=(28, 28, 3), dtype="u1"))
    expected = pipelines.evaluation(picture)
    for kind in KINDS:
        assert torch.equal(getattr(pipelines, kind)(picture), expected)


def test_photos_are_flipped_and_their_centre_is_evaluated():
    pixels = np.zeros((32, 64, 3), dtype=np.uint8)
    pixels[:, 32:] = 255
    pipelines = views("imagefolder", img_size=32, crop_ratio=1.0)
    view = pipelines.evaluation(Image.fromarray(pixels))[0, 16]
    assert view[:16].max() < 0 < view[16:].min()
    rows = [pipelines.weak(Image.fromarray(pixels))[0, 16] for _ in range(50)]
    assert any(row[0] > row[-1] for row in rows)
    assert any(row[0] < row[-1] for row in rows)


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "svhn", "stl10", "eurosat", "imagenet"])
def test_evaluation_view_of_the_toolboxs_data_sets(dataset):
    view = evaluation_view(dataset, 32, 0.875)(Image.new("RGB", (50, 40), "white"))
    assert view.shape == (3, 32, 32)
    assert view.min() > 0.9


def test_evaluation_view_of_an_unknown_data_set():
    with pytest.raises(InputError, match="no evaluation view for ag_news"):
        evaluation_view("ag_news", 32, 0.875)
