"""``dnll export``: what is written runs without this package and says the same as the net."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

import dnll_plugin
from dnll_plugin.commands.main import main

NETS = ["cnn3", "wrn_28_2", "timm_resnet18", "timm_vit_tiny_patch16_224@32"]


@pytest.fixture
def images(tmp_path):
    """Three images of several sizes and modes."""
    root = tmp_path / "images"
    root.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (3, 40, 50, 3), dtype=np.uint8)
    Image.fromarray(noise[0]).save(root / "a.png")
    Image.fromarray(noise[1, :39, :37]).save(root / "b.png")
    Image.fromarray(noise[2, ..., 0]).save(root / "c.png")
    return root


def export(run, out, form, *options):
    words = ["export", "--run", str(run), "--format", form, "--out", str(out)]
    return main([*words, *options])


def pixels_of(trained, root):
    """The images as a user without this package would make them, by the words in the file."""
    side = trained.run.img_size
    view = trained.transform.transforms[:-1]
    made = []
    for file in sorted(root.iterdir()):
        image = Image.open(file).convert("RGB")
        for step in view:
            image = step(image)
        made.append(image)
    pixels = torch.stack(made)
    assert pixels.shape[1:] == (3, side, side)
    return pixels


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["dnll_dual", "dnll_fixmatch"])
@pytest.mark.parametrize("net", NETS)
def test_onnx_agrees_with_the_net(make_run, images, tmp_path, net, algorithm):
    onnxruntime = pytest.importorskip("onnxruntime")
    side = 32 if "@" in net or net == "wrn_28_2" else 28
    folder = make_run(net=net, algorithm=algorithm, img_size=side, crop_ratio=1.0)
    out = tmp_path / "net.onnx"
    assert export(folder, out, "onnx", "--images", str(images)) == 0
    trained = dnll_plugin.load(folder, device="cpu")
    pixels = pixels_of(trained, images)
    session = onnxruntime.InferenceSession(out)
    logits, probabilities = session.run(None, {"pixels": pixels.numpy()})
    facts = json.loads(session.get_modelmeta().custom_metadata_map["dnll"])
    mean, std = (torch.tensor(facts[name]).view(3, 1, 1) for name in ("mean", "std"))
    with torch.inference_mode():
        expected = trained.net((pixels - mean) / std)["logits"]
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    np.testing.assert_allclose(probabilities, expected.softmax(dim=1), atol=1e-4)
    assert facts["classes"] == ["ant", "bee", "cat"]
    assert facts["img_size"] == side
    assert len(session.run(None, {"pixels": pixels[:1].numpy()})[0]) == 1


def test_pt2_holds_graph_and_description(make_run, images, tmp_path):
    folder, out = make_run(), tmp_path / "net.pt2"
    assert export(folder, out, "pt2", "--images", str(images), "--submodel", "left") == 0
    extra = {"dnll.json": ""}
    module = torch.export.load(out, extra_files=extra).module()
    assert json.loads(extra["dnll.json"])["submodel"] == "left"
    logits, probabilities = module(torch.rand(5, 3, 8, 8))
    assert logits.shape == (5, 3)
    torch.testing.assert_close(probabilities.sum(dim=1), torch.ones(5))


def test_safetensors_hold_weights_and_description(make_run, tmp_path, capsys):
    from safetensors import safe_open

    folder, out = make_run(), tmp_path / "net.safetensors"
    assert export(folder, out, "safetensors") == 0
    assert "on 16 images of noise no probability differs" in capsys.readouterr().out
    with safe_open(out, framework="pt") as file:
        assert json.loads(file.metadata()["dnll"])["net"] == "cnn3"
        weights = {
            name.removeprefix("net."): file.get_tensor(name)
            for name in file.keys()  # noqa: SIM118 (no dict)
            if name.startswith("net.")
        }
    trained = dnll_plugin.load(folder, device="cpu")
    for name, value in trained.net.state_dict().items():
        assert torch.equal(weights[name], value)


def test_a_file_that_differs_is_not_written(make_run, tmp_path, capsys, monkeypatch):
    from dnll_plugin.export import formats

    wrong = formats.FORMATS["pt2"]
    broken = formats.Format(wrong.write, lambda file, net: lambda pixels: torch.ones(16, 3))
    monkeypatch.setitem(formats.FORMATS, "pt2", broken)
    out = tmp_path / "net.pt2"
    assert export(make_run(), out, "pt2") == 1
    assert "not written: its probabilities are up to" in capsys.readouterr().err
    assert not list(tmp_path.glob("*.pt2"))


def test_the_command_knows_every_format():
    from dnll_plugin.commands.export import NAMES
    from dnll_plugin.export.formats import FORMATS

    assert tuple(FORMATS) == NAMES


def test_what_is_wrong_is_one_line(make_run, tmp_path, capsys):
    run = make_run()
    for out, words in (("net.txt", "must end in .onnx"), ("none/net.onnx", "does not exist")):
        assert export(run, tmp_path / out, "onnx") == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert words in line
    assert export(run, tmp_path / "net.onnx", "onnx", "--images", str(tmp_path / "none")) == 2
    assert "there is no such file or folder" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["pt2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_one_image_is_enough_to_compare_on(make_run, images, tmp_path, form):
    for name in ("b.png", "c.png"):
        (images / name).unlink()
    out = tmp_path / f"net.{form}"
    assert export(make_run(), out, form, "--images", str(images)) == 0
    assert out.exists()
