"""``dnll evaluate`` on run folders with untrained nets."""

import json

import numpy as np
import pytest
from PIL import Image

import dnll_plugin
from dnll_plugin.commands.evaluate import PICTURES
from dnll_plugin.commands.main import main


@pytest.fixture
def labeled(tmp_path):
    """Four images of two of the run's three classes, and a file that is no image."""
    root = tmp_path / "labeled"
    noise = np.random.default_rng(0).integers(0, 256, (4, 12, 12, 3), dtype=np.uint8)
    for index, name in enumerate(["ant/a.png", "ant/b.png", "bee/c.png", "bee/deep/d.png"]):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise[index]).save(root / name)
    (root / "bee" / "bad.png").write_bytes(b"no image")
    return root


def evaluate(run, images, out, *options):
    words = ["evaluate", "--run", str(run), "--images", str(images), "--out", str(out)]
    return main([*words, "--device", "cpu", *options])


def test_the_figures_are_those_of_the_predictions(make_run, labeled, tmp_path, capsys):
    folder, out = make_run(), tmp_path / "out"
    assert evaluate(folder, labeled, out) == 0
    told = json.loads((out / "evaluation.json").read_text())
    files = sorted(labeled.rglob("[a-d].png"))
    labels, _ = dnll_plugin.load(folder, device="cpu").predict(files)
    right = [label == file.relative_to(labeled).parts[0] for label, file in zip(labels, files)]  # noqa: B905
    assert told["images"] == 4
    assert told["error_rate"] == pytest.approx(100 * (1 - np.mean(right)))
    assert np.sum(told["confusion_matrix"]) == 4
    assert [told["classes"][name]["images"] for name in ("ant", "bee", "cat")] == [2, 2, 0]
    assert (told["submodel"], told["weights"]) == ("ensemble", "last")
    assert told["unreadable"] == ["bee/bad.png"]
    printed = capsys.readouterr().out
    assert "4 images, error" in printed
    assert "no images of cat" in printed
    assert "left out 1 that cannot be read, as bee/bad.png" in printed
    for name in ("confusion_matrix.png", "accuracy_by_class.png", "calibration.png"):
        with Image.open(out / name) as picture:
            assert picture.format == "PNG"


@pytest.mark.parametrize("classes", [2, 100])
def test_pictures_at_few_and_many_classes(tmp_path, classes):
    import torch

    from dnll_plugin.prediction.evaluation import measure
    from dnll_plugin.prediction.evaluation_pictures import draw

    generator = torch.Generator().manual_seed(0)
    probabilities = torch.rand(500, classes, generator=generator).softmax(dim=1)
    targets = torch.randint(classes, (500,), generator=generator)
    names = [f"a class with a name of {k:03} letters" for k in range(classes)]
    files = draw(measure(probabilities, targets, names), tmp_path)
    assert tuple(file.name for file in files) == PICTURES
    for file in files:
        with Image.open(file) as picture:
            assert min(picture.size) > 150
            assert max(picture.size) <= 2600


def test_what_is_wrong_is_one_line(make_run, labeled, tmp_path, capsys):
    run, out = make_run(), tmp_path / "out"

    def error(*arguments):
        assert evaluate(*arguments) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line

    assert "there is no such folder" in error(run, tmp_path / "none", out)
    assert "--batch_size: must be at least 1" in error(run, labeled, out, "--batch_size", "0")
    (labeled / "dog").mkdir()
    assert "dog: the run knows no such class; it has ant, bee, cat" in error(run, labeled, out)
    (labeled / "dog").rmdir()
    assert not out.exists()
    (tmp_path / "file").touch()
    assert "cannot be made (File exists); give another" in error(run, labeled, tmp_path / "file")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "calibration.png").touch()
    assert "holds calibration.png already" in error(run, labeled, tmp_path / "mine")
    assert evaluate(run, labeled, out) == 0
    capsys.readouterr()
    assert "holds evaluation.json already; give --overwrite" in error(run, labeled, out)
    assert evaluate(run, labeled, out, "--overwrite", "--submodel", "left") == 0
    (tmp_path / "empty").mkdir()
    assert "holds no images" in error(run, tmp_path / "empty", tmp_path / "other")


def test_only_the_images_that_the_run_cut_off(make_run, labeled, tmp_path, capsys):
    run, out = make_run(), tmp_path / "out"
    assert evaluate(run, labeled, out, "--part", "test") == 2
    assert "--part test: the run cut off no images" in capsys.readouterr().err
    parts = run / "parts.json"
    parts.write_text(json.dumps({"test": ["ant/b.png", "bee/deep/d.png"]}))
    assert evaluate(run, labeled, out, "--part", "test") == 0
    told = json.loads((out / "evaluation.json").read_text())
    assert (told["part"], told["images"]) == ("test", 2)
    assert [told["classes"][name]["images"] for name in ("ant", "bee")] == [1, 1]
    capsys.readouterr()
    wrong = {
        json.dumps(
            {"test": ["ant/a.png", "ant/gone.png"]}
        ): "1 of the part's 2 images, not ant/gone",
        json.dumps({"val": ["ant/a.png"]}): "--part test: the run cut off no images for it",
        "{": "parts.json: is no JSON",
        '{"test": [1]}': "parts.json: is no list of images",
    }
    for text, words in wrong.items():
        parts.write_text(text)
        assert evaluate(run, labeled, out, "--part", "test", "--overwrite") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
