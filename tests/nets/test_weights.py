"""Pretrained weights for timm models."""

import pickle

import pytest
import timm
import torch
from safetensors.torch import save_file

from dnll_plugin.errors import InputError
from dnll_plugin.nets.timm_net import timm_builder


class Evil:
    """Executes something where a pickle is read without care."""

    def __reduce__(self):
        return (pytest.fail, ("the file was executed",))


@pytest.fixture(scope="module")
def published():
    return timm.create_model("test_vit", num_classes=10)


def stem(net):
    return net.model.patch_embed.proj.weight


def head(net):
    return net.heads[0].weight


WRITERS = {
    "state dict": (torch.save, lambda weights: weights),
    "model": (torch.save, lambda weights: {"model": weights, "epoch": 3}),
    "state_dict": (torch.save, lambda weights: {"state_dict": weights}),
    "DDP": (torch.save, lambda weights: {f"module.{k}": v for k, v in weights.items()}),
    "TimmNet": (torch.save, lambda weights: {f"model.{k}": v for k, v in weights.items()}),
    "safetensors": (save_file, lambda weights: weights),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_reads(kind, published, tmp_path):
    write, wrap = WRITERS[kind]
    path = str(tmp_path / f"weights.{'safetensors' if kind == 'safetensors' else 'pth'}")
    write(wrap(published.state_dict()), path)
    net = timm_builder("test_vit")(num_classes=10, pretrained=True, pretrained_path=path)
    assert torch.equal(stem(net), published.patch_embed.proj.weight)
    assert torch.equal(head(net), published.head.weight)


@pytest.fixture
def path(published, tmp_path):
    path = str(tmp_path / "weights.pth")
    torch.save(published.state_dict(), path)
    return path


def test_a_classifier_for_other_classes_is_left_out(path, published, caplog):
    net = timm_builder("test_vit")(num_classes=7, pretrained=True, pretrained_path=path)
    assert torch.equal(stem(net), published.patch_embed.proj.weight)
    assert head(net).shape == (7, net.num_features)
    assert "head.weight, head.bias" in caplog.text


def test_positions_and_patches_are_resized(path, published, caplog):
    net = timm_builder("test_vit@32")(num_classes=10, pretrained=True, pretrained_path=path)
    assert net.model.pos_embed.shape[1] < published.pos_embed.shape[1]
    # Resizing keeps the mean direction of positions; fresh ones have nothing to do with it.
    old, new = (m.pos_embed[0].mean(dim=0) for m in (published, net.model))
    assert torch.cosine_similarity(old, new, dim=0) > 0.9
    assert torch.equal(net.model.blocks[0].attn.qkv.weight, published.blocks[0].attn.qkv.weight)
    assert not caplog.records


def test_a_file_is_used_only_when_asked_for(path, published):
    net = timm_builder("test_vit")(num_classes=10, pretrained=False, pretrained_path=path)
    assert not torch.equal(stem(net), published.patch_embed.proj.weight)


@pytest.mark.parametrize("model", ["test_resnet", "test_convnext", "test_nfnet", "levit_128s"])
def test_weights_of_another_model(model, path):
    with pytest.raises(InputError, match=r"pretrain_path: nothing in .*weights\.pth fits"):
        timm_builder(model)(num_classes=10, pretrained=True, pretrained_path=path)


def test_no_such_file():
    with pytest.raises(InputError, match=r"pretrain_path: no file missing\.pth"):
        timm_builder("test_vit")(num_classes=10, pretrained=True, pretrained_path="missing.pth")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.pth", b"no weights at all"),
        ("empty.pth", b""),
        ("text.safetensors", b"no weights at all"),
        ("evil.pth", pickle.dumps({"model": Evil()}, protocol=2)),
    ],
    ids=["text", "empty", "safetensors", "evil"],
)
def test_unreadable_files(name, content, tmp_path):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"pretrain_path: .*{name} cannot be read"):
        timm_builder("test_vit")(num_classes=10, pretrained=True, pretrained_path=str(path))


def published_or(error, monkeypatch):
    """Let timm publish weights of ones, or fail to."""
    create = timm.create_model

    def stand_in(name, pretrained=False, **options):
        model = create(name, **options)
        if pretrained and error:
            raise error
        if pretrained:
            for p in model.parameters():
                torch.nn.init.ones_(p)
        return model

    monkeypatch.setattr(timm, "create_model", stand_in)


@pytest.mark.parametrize("spec", ["test_vit", "test_vit@32", "test_resnet@32"])
def test_published_weights(spec, monkeypatch):
    published_or(None, monkeypatch)
    net = timm_builder(spec)(num_classes=10, pretrained=True)
    blocks = [p for n, p in net.model.named_parameters() if "blocks" in n or "layer" in n]
    assert blocks
    assert all((p == 1).all() for p in blocks)
    assert not (head(net) == 1).all()


@pytest.mark.parametrize("spec", ["test_vit", "test_vit@32"])
def test_published_weights_that_cannot_be_had(spec, monkeypatch):
    published_or(OSError("no network\nand more about it"), monkeypatch)
    message = r"weights of test_vit cannot be had \(OSError: no network\); give pretrain_path"
    with pytest.raises(InputError, match=message):
        timm_builder(spec)(num_classes=10, pretrained=True)
