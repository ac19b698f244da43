"""CNN-13 and CNN-3."""

import copy

import pytest
import torch
from torch.nn import functional as F

from dnll_plugin.errors import InputError
from dnll_plugin.nets.cnn import ConvBlock, HalfDropout, Halving, cnn3, cnn13

SIZES = {cnn3: (28, 32, 8), cnn13: (32, 28, 12)}
CASES = [(builder, size) for builder, sizes in SIZES.items() for size in sizes]


@pytest.mark.parametrize(("builder", "size"), CASES)
def test_two_heads_on_shared_features(builder, size):
    net = builder(num_classes=7).eval()
    out = net(torch.randn(2, 3, size, size))
    assert set(out) == {"logits", "logits_cons", "feat"}
    assert out["logits"].shape == out["logits_cons"].shape == (2, 7)
    assert out["feat"].shape == (2, net.num_features)
    assert not torch.equal(out["logits"], out["logits_cons"])


@pytest.mark.parametrize("builder", [cnn3, cnn13])
def test_one_head(builder):
    net = builder(num_classes=7, heads=1)
    assert set(net(torch.randn(2, 3, 32, 32))) == {"logits", "feat"}
    assert not any("consistency" in name for name, _ in net.named_parameters())


@pytest.mark.parametrize("builder", [cnn3, cnn13])
def test_class_head_applies_to_the_features_alone(builder):
    net = builder(num_classes=7).eval()
    x = torch.randn(2, 3, 32, 32)
    feat = net(x, only_feat=True)
    assert torch.equal(net(feat, only_fc=True), net(x)["logits"])


@pytest.mark.parametrize(("builder", "count"), [(cnn13, 3_127_208), (cnn3, 15_256)])
def test_as_many_parameters_as_the_published_network(builder, count):
    # Counted on the authors' modules, 10 classes.
    assert sum(p.numel() for p in builder(num_classes=10).parameters()) == count


@pytest.mark.parametrize(("builder", "size"), [(cnn3, 28), (cnn13, 32)])
def test_pools_like_the_published_network_at_its_own_size(builder, size):
    net = builder(num_classes=7).eval()
    x = torch.randn(2, 3, size, size)
    published = F.avg_pool2d(net.stages(x), kernel_size=6, stride=2).flatten(1)
    torch.testing.assert_close(net(x, only_feat=True), published)


@pytest.mark.parametrize(("builder", "size"), [(cnn3, 29), (cnn3, 32), (cnn13, 28)])
def test_pools_globally_at_other_sizes(builder, size):
    net = builder(num_classes=7).eval()
    x = torch.randn(2, 3, size, size)
    torch.testing.assert_close(net(x, only_feat=True), net.stages(x).mean(dim=(2, 3)))


@pytest.mark.parametrize("builder", [cnn3, cnn13])
def test_smallest_image_and_below(builder):
    net = builder(num_classes=7).eval()
    assert net(torch.randn(2, 3, net.min_size, net.min_size))["logits"].isfinite().all()
    too_small = net.min_size - 1
    with pytest.raises(InputError, match=f"img_size.*at least {net.min_size}.*{too_small}"):
        net(torch.randn(2, 3, too_small, too_small))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("height", "width"), [(8, 8), (7, 4), (6, 5), (2, 3)])
def test_halving_takes_the_same_maxima_without_gradient(height, width, dtype, layout):
    x = torch.randn(3, 4, height, width, dtype=dtype).to(memory_format=layout)
    x[0, 0, 0, 1] = float("nan")
    expected = F.max_pool2d(x, 2)
    with torch.no_grad():
        got = Halving()(x)
    assert torch.equal(got.nan_to_num(), expected.nan_to_num())
    assert got[0, 0, 0, 0].isnan()
    assert got.is_contiguous(memory_format=layout)
    assert torch.equal(Halving()(x).nan_to_num(), expected.nan_to_num())


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_half_dropout_drops_half_in_training_only(dtype):
    dropout, x = HalfDropout(), torch.rand(100, 4, 8, 8, dtype=dtype).add_(1).requires_grad_()
    out = dropout.train()(x)
    kept = out != 0
    assert kept.float().mean().item() == pytest.approx(0.5, abs=0.01)
    assert torch.equal(out[kept], 2 * x[kept])
    out.sum().backward()
    assert torch.equal(x.grad, 2 * kept.to(dtype))
    assert dropout.eval()(x) is x


def test_half_dropout_does_not_depend_on_the_memory_layout():
    dropout, x, dropped = HalfDropout().train(), torch.rand(2, 4, 6, 8), []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        dropped.append(dropout(x.to(memory_format=layout)))
        assert dropped[-1].is_contiguous(memory_format=layout)
    assert torch.equal(*dropped)


def noise_of(net, x):
    """What the net added to its input on the way into the first layer."""
    seen = []
    handle = net.stages.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    net(x)
    handle.remove()
    return seen[0] - x


def test_published_default_noise():
    x = torch.zeros(4, 3, 28, 28)
    assert noise_of(cnn3(num_classes=7).train(), x).std().item() == pytest.approx(0.15, rel=0.05)
    assert noise_of(cnn13(num_classes=7).train(), x).count_nonzero() == 0


@pytest.mark.parametrize("builder", [cnn3, cnn13])
def test_noise_is_a_setting_and_for_training_only(builder):
    net = builder(num_classes=7, input_noise=0.4)
    x = torch.zeros(4, 3, 28, 28)
    for each in (net, copy.deepcopy(net)):
        assert noise_of(each.train(), x).std().item() == pytest.approx(0.4, rel=0.05)
        assert noise_of(each.eval(), x).count_nonzero() == 0


def test_there_are_no_pretrained_weights():
    with pytest.raises(InputError, match="use_pretrain: cnn13"):
        cnn13(num_classes=7, pretrained=True)


@pytest.mark.parametrize("builder", [cnn3, cnn13])
def test_every_parameter_learns(builder):
    net = builder(num_classes=7)
    out = net(torch.randn(2, 3, 32, 32))
    (out["logits"] + out["logits_cons"]).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights(net))


def weights(net):
    """Parameters but the biases before a batch norm, which has no use for them."""
    return [p for name, p in net.named_parameters() if not name.endswith("conv.bias")]


@pytest.mark.parametrize(("builder", "layers"), [(cnn3, 4), (cnn13, 10)])
def test_layer_decay_grows_towards_the_heads(builder, layers):
    from semilearn.core.utils import get_optimizer

    net = builder(num_classes=7)
    optimizer = get_optimizer(net, "SGD", lr=1.0, weight_decay=0.1, layer_decay=0.5)
    rates = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert set(rates) == set(net.parameters())
    assert sorted(set(rates.values())) == [0.5**i for i in reversed(range(layers))]
    assert {rates[p] for head in (net.classifier, net.consistency) for p in head.parameters()} == {
        1.0
    }


def test_norms_and_biases_do_not_decay():
    from semilearn.core.utils import get_optimizer

    net = cnn13(num_classes=7)
    optimizer = get_optimizer(net, "SGD", lr=1.0, weight_decay=0.1)
    names = {p: name for name, p in net.named_parameters()}
    kept = {names[p] for g in optimizer.param_groups if not g["weight_decay"] for p in g["params"]}
    assert kept == net.no_weight_decay()
    assert all(".norm." in name or name.endswith(".bias") for name in kept)


def test_halving_before_the_activation_is_halving_after_it():
    block = ConvBlock(3, 4, halve=True)
    x = torch.randn(5, 3, 9, 9, requires_grad=True)
    published = F.max_pool2d(F.leaky_relu(block.norm(block.conv(x)), 0.1), 2)
    weight = torch.randn_like(published)
    own = block(x)
    assert torch.equal(own, published)
    (expected,) = torch.autograd.grad((published * weight).sum(), x)
    (gradient,) = torch.autograd.grad((own * weight).sum(), x)
    torch.testing.assert_close(gradient, expected)
