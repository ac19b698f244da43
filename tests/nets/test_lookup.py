"""Names of nets."""

import pytest
import torch

from dnll_plugin.errors import InputError
from dnll_plugin.nets.cnn import cnn3, cnn13
from dnll_plugin.nets.lookup import find_builder
from dnll_plugin.nets.pair import SubmodelPair

SINGLE = ["cnn3", "cnn13", "timm_resnet10t@32", "timm_test_vit@32", "wrn_28_2"]
WITH_HEADS = [
    *("auxiliary_cnn3", "auxiliary_timm_test_vit@32"),
    *("iomatch_cnn3", "iomatch_timm_test_vit@32", "openmatch_wrn_28_2"),
]
PAIRS = ["dual_cnn3", "dual_cnn3+wrn_28_2", "dual_timm_resnet10t@32+timm_test_vit@32"]


def test_own_builders():
    assert find_builder("cnn3") is cnn3
    assert find_builder("cnn13") is cnn13


@pytest.mark.parametrize("name", SINGLE + PAIRS + WITH_HEADS)
@torch.no_grad()
def test_evaluation_as_the_toolbox_does_it(name):
    trained = find_builder(name)(num_classes=4)
    ema_model = {key: value.clone() for key, value in trained.state_dict().items()}
    net = find_builder(name)(num_classes=4)
    net.load_state_dict(ema_model)
    net.eval()
    x = torch.randn(2, 3, 32, 32)
    out = net(x)
    assert out["logits"].shape == (2, 4)
    torch.testing.assert_close(net(net(x, only_feat=True), only_fc=True), out["logits"])
    torch.testing.assert_close(out["logits"], trained.eval()(x)["logits"])


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
@pytest.mark.parametrize("name", PAIRS)
def test_pairs_move_through_the_toolboxs_optimizer(name, layer_decay):
    from semilearn.core.utils import get_optimizer

    pair = find_builder(name)(num_classes=4)
    assert isinstance(pair, SubmodelPair)
    optimizer = get_optimizer(pair, "SGD", lr=0.1, weight_decay=0.1, layer_decay=layer_decay)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert set(rates) == set(pair.parameters())
    for side in (pair.left, pair.right):
        assert max(rates[p] for p in side.parameters()) == 0.1


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
@pytest.mark.parametrize("name", WITH_HEADS)
def test_heads_move_through_the_toolboxs_optimizer(name, layer_decay):
    from semilearn.core.utils import get_optimizer

    net = find_builder(name)(num_classes=4)
    optimizer = get_optimizer(net, "SGD", lr=0.1, weight_decay=0.1, layer_decay=layer_decay)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert set(rates) == set(net.parameters())
    heads = [p for name, p in net.named_parameters() if not name.startswith("backbone.")]
    assert {rates[p] for p in heads} == {0.1}


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("cnn12", "cnn13"),
        ("wrn_28_3", "wrn_28_2"),
        ("resnet18", "timm_resnet18"),
        ("timm_resnt18", "timm_resnet18"),
        ("dual_cnn33", "cnn3"),
        ("auxiliary_cnn33", "cnn3"),
        ("dual_cnn3+wrn28_2", "wrn_28_2"),
        ("timm_vit_tiny_patch16", "timm_vit_tiny_patch16_224"),
        ("", "dual_"),
        ("dual_", "dual_"),
        ("timm_", "timm.list_models"),
        ("something_else_entirely", "timm_<model>@<size>"),
    ],
)
def test_unknown_names_come_with_the_nearest(name, nearest):
    with pytest.raises(InputError) as caught:
        find_builder(name)
    message = str(caught.value)
    assert message.startswith("net: ")
    assert nearest in message
    assert "\n" not in message


@pytest.mark.parametrize("name", ["utils", "resnet", "__path__", "__getattr__", "_private"])
def test_what_is_no_net_in_the_toolboxs_module_is_not_found(name):
    with pytest.raises(InputError):
        find_builder(name)
