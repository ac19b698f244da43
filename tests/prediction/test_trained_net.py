"""A trained net as an object: whatever it is given, it sees what the command sees."""

import csv

import numpy as np
import pytest
import torch
from PIL import Image

import dnll_plugin
from dnll_plugin.commands.main import main
from dnll_plugin.errors import InputError


@pytest.fixture
def files(tmp_path):
    """Three images of different sizes and modes."""
    root = tmp_path / "images"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 20, 30, 3), dtype=np.uint8)
    Image.fromarray(noise[0]).save(root / "a.png")
    Image.fromarray(noise[1, :9, :7]).save(root / "b.png")
    Image.fromarray(noise[2, ..., 0]).save(root / "c.png")
    return sorted(root.iterdir())


def test_the_labels_are_those_of_the_command(make_run, files, tmp_path):
    folder, out = make_run(), tmp_path / "out.csv"
    words = ["--run", str(folder), "--images", str(files[0].parent), "--out", str(out)]
    assert main(["predict", *words]) == 0
    with out.open() as stream:
        rows = list(csv.DictReader(stream))
    labels, probabilities = dnll_plugin.load(folder, device="cpu").predict(files)
    assert labels == [row["label"] for row in rows]
    told = [float(row["confidence"]) for row in rows]
    np.testing.assert_allclose(probabilities.amax(dim=1), told, atol=6e-5)


def test_files_images_and_arrays_are_alike(make_run, files):
    trained = dnll_plugin.load(make_run(), device="cpu")
    images = [Image.open(file) for file in files]
    arrays = [np.asarray(image) for image in images]
    expected = trained.predict(files).probabilities
    for given in (map(str, files), images, arrays, [array / 255 for array in arrays]):
        torch.testing.assert_close(trained.predict(given, batch_size=2).probabilities, expected)
    for given in (files[0], str(files[0]), images[0], arrays[0]):
        torch.testing.assert_close(trained.predict(given).probabilities, expected[:1])
    torch.testing.assert_close(trained.predict(arrays[0][None]).probabilities, expected[:1])


def test_no_images_are_no_labels(make_run):
    labels, probabilities = dnll_plugin.load(make_run(), device="cpu").predict([])
    assert labels == []
    assert probabilities.shape == (0, 3)


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), "an image is"),
        (np.zeros(4, np.uint8), "an image is"),
        (np.zeros((8, 0, 3), np.uint8), "an image has pixels"),
        (np.full((4, 4), 300), "uint8, or floating point from 0 to 1, got int64 from 300"),
        (np.full((4, 4), 1.5), "got float64"),
        (np.full((4, 4), np.nan), "got float64"),
    ],
)
def test_an_array_that_is_no_image(make_run, array, message):
    with pytest.raises(ValueError, match=message):
        dnll_plugin.load(make_run(), device="cpu").predict([array])


def test_what_it_knows(make_run):
    folder = make_run()
    trained = dnll_plugin.load(folder, device="cpu")
    assert trained.classes == ("ant", "bee", "cat")
    assert (trained.submodel, trained.weights) == ("ensemble", "last")
    assert trained.config["net"] == "cnn3"
    assert trained.metrics == []
    assert trained.result is None
    view = trained.transform(Image.new("RGB", (30, 20)))
    assert view.shape == (3, 8, 8)
    left, right = (half(view[None])["logits"] for half in (trained.net.left, trained.net.right))
    torch.testing.assert_close(trained.net(view[None])["logits"], (left + right) / 2)
    only_left = dnll_plugin.load(folder, submodel="left", device="cpu")
    torch.testing.assert_close(only_left.net(view[None])["logits"], left)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"weights": "first"}, "weights: must be last or best, got 'first'"),
        ({"submodel": "middle"}, "has ensemble, left or right, not 'middle'"),
        ({"device": "tpu"}, "device: tpu is not available"),
    ],
)
def test_wrong_choices(make_run, options, message):
    with pytest.raises(InputError, match=message):
        dnll_plugin.load(make_run(), **options)


def test_a_folder_that_is_none(tmp_path):
    with pytest.raises(InputError, match="not a run folder"):
        dnll_plugin.load(tmp_path)
