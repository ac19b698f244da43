"""timm models behind the toolbox's net interface."""

import copy
from functools import cache

import pytest
import timm
import torch
from torch import nn

from dnll_plugin.errors import InputError
from dnll_plugin.nets.timm_net import TimmNet, timm_builder

# One a family, the smallest that serve.
SPECS = [
    "convnext_atto@32",
    "deit_tiny_distilled_patch16_224@32",
    "densenet121@32",
    "edgenext_xx_small@32",
    "efficientnet_lite0",
    "ghostnet_050@32",
    "gmlp_ti16_224@32",
    "levit_128s@32",
    "mobilenetv3_small_050@32",
    "mobilevit_xxs@32",
    "pvt_v2_b0@32",
    "regnetx_002@32",
    "repvgg_a0@32",
    "resnet10t@32",
    "test_nfnet",
    "vit_tiny_patch16_224@32",
    "vit_tiny_r_s16_p8_224@32",
    "xcit_nano_12_p16_224@32",
]


@cache
def built(spec: str) -> TimmNet:
    torch.manual_seed(0)
    net = timm_builder(spec)(num_classes=5)
    with torch.no_grad():
        for p in net.heads.parameters():  # some are born as zeros
            p.normal_(std=0.1)
    return net.eval()


@pytest.mark.parametrize("spec", SPECS)
@torch.no_grad()
def test_features_and_classifier_make_the_logits(spec):
    net = built(spec)
    x = torch.randn(2, 3, 32, 32)
    out = net(x)
    assert set(out) == {"logits", "feat"}
    assert out["logits"].shape == (2, 5)
    assert out["feat"].shape == (2, net.num_features)
    feat = net(x, only_feat=True)
    torch.testing.assert_close(net(feat, only_fc=True), out["logits"])


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
@pytest.mark.parametrize("spec", SPECS)
def test_moves_through_the_toolboxs_optimizer(spec, layer_decay):
    from semilearn.core.utils import get_optimizer

    net = copy.deepcopy(built(spec)).train()
    optimizer = get_optimizer(net, "AdamW", lr=0.1, weight_decay=0.1, layer_decay=layer_decay)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert set(rates) == set(net.parameters())
    assert {rates[p] for p in net.heads.parameters()} == {max(rates.values())} == {0.1}
    assert (len(set(rates.values())) > 3) == (layer_decay < 1)

    before = copy.deepcopy(net.state_dict())
    net(torch.randn(4, 3, 32, 32))["logits"].square().sum().backward()
    optimizer.step()
    moved = [name for name, p in net.named_parameters() if not torch.equal(p, before[name])]
    # Some begin with a gradient of zero: biases before a norm, layers behind a zero scale.
    assert len(moved) > len(rates) / 2


@pytest.mark.parametrize(
    ("name", "heads"),
    [
        ("test_vit", 1),
        ("test_convnext", 1),
        ("test_resnet", 1),
        ("resnetv2_18", 1),  # a convolution classifies
        ("efficientvit_m0", 1),  # a norm before the linear layer
        ("crossvit_tiny_240", 2),  # features shared out
        ("deit_tiny_distilled_patch16_224", 2),  # two tokens
        ("levit_128s", 2),  # two heads with norms, on the same features
    ],
)
@torch.no_grad()
def test_logits_are_those_of_timm(name, heads):
    model = timm.create_model(name, num_classes=5).eval()
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.weight.uniform_(0.5, 1.5)
            layer.running_mean.normal_(std=0.1)
    for p in model.parameters():
        if not p.any():
            p.normal_(std=0.1)
    net = TimmNet(copy.deepcopy(model))
    assert len(net.heads) == heads
    x = torch.randn(2, *model.pretrained_cfg["input_size"])
    torch.testing.assert_close(net(x)["logits"], model(x))
    feat = net(x, only_feat=True)
    torch.testing.assert_close(net(feat, only_fc=True), model(x))


def test_auxiliary_head_over_tokens_is_left_out():
    net = built("test_vit")
    model = copy.deepcopy(net.model)
    model.head, model.aux_head = nn.Linear(net.num_features, 5), nn.Linear(net.num_features, 5)
    assert TimmNet(model).model.aux_head is None


def test_a_model_without_classifier_is_refused():
    with pytest.raises(InputError, match="Identity has no classifier"):
        TimmNet(nn.Identity())


def test_a_model_that_classifies_at_every_stage_is_refused():
    with pytest.raises(InputError, match="EfficientViM classifies at every stage"):
        timm_builder("efficientvim_m1")(num_classes=5)


@pytest.mark.parametrize("spec", ["resnet10t@32", "vit_tiny_patch16_224@32"])
def test_layer_groups_take_a_prefix(spec):
    net = built(spec)
    names = [name for name, _ in net.named_parameters()]
    plain, prefixed = net.group_matcher(), net.group_matcher(prefix="backbone.")
    assert [plain(n) for n in names] == [prefixed(f"backbone.{n}") for n in names]
    assert plain("heads.0.weight") == max(map(plain, names))
    coarse = net.group_matcher(coarse=True)
    assert len(set(map(coarse, names))) <= len(set(map(plain, names)))


def test_layer_groups_of_a_model_that_timm_has_none_for():
    net = timm_builder("pit_ti_224@32")(num_classes=5)
    layers = net.group_matcher()
    assert layers("model.patch_embed.conv.weight") < layers("model.transformers.2.norm.weight")


def test_weight_decay_exempts_embeddings():
    net = built("vit_tiny_patch16_224@32")
    assert {"model.pos_embed", "model.cls_token"} <= net.no_weight_decay()
    assert built("resnet10t@32").no_weight_decay() == set()


def test_unknown_models_come_with_the_nearest_names():
    with pytest.raises(InputError, match=r"no model 'resnt18'.*timm_resnet18"):
        timm_builder("resnt18")


@pytest.mark.parametrize("size", ["", "0", "-32", "x", "32px"])
def test_a_size_is_a_positive_number(size):
    with pytest.raises(InputError, match="pixels, as in timm_resnet18@32"):
        timm_builder(f"resnet18@{size}")


def test_images_of_another_size_than_the_models():
    net = timm_builder("vit_tiny_patch16_224")(num_classes=5)
    with pytest.raises(InputError, match=r"224 pixels, not 32; write @32 behind its name"):
        net(torch.randn(1, 3, 32, 32))
