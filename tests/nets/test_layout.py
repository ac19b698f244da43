"""Channels last changes the layout of images and weights, and nothing else."""

import copy

import torch

from dnll_plugin.nets.cnn import cnn3
from dnll_plugin.nets.layout import channels_last, use_channels_last
from dnll_plugin.nets.lookup import find_builder
from dnll_plugin.nets.pair import pair_builder


def test_a_net_computes_the_same() -> None:
    torch.manual_seed(0)
    plain = find_builder("timm_resnet18@32")(num_classes=4)
    fast = copy.deepcopy(plain)
    use_channels_last(fast)
    x = torch.randn(4, 3, 32, 32)
    for net in (plain, fast):
        net(x)["logits"].square().sum().backward()
    for (name, theirs), (same, ours) in zip(
        plain.named_parameters(), fast.named_parameters(), strict=True
    ):
        assert name == same
        torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-4)


def test_both_nets_of_a_pair_see_it() -> None:
    pair = pair_builder(cnn3, cnn3)(num_classes=3)
    use_channels_last(pair)
    seen = []
    for net in (pair.left, pair.right):
        net.stages.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    x = torch.randn(2, 3, 8, 8)
    pair({"left": x})
    pair.right(x)
    assert [images.is_contiguous(memory_format=torch.channels_last) for images in seen] == [
        True
    ] * 2


def test_what_is_no_batch_of_images_is_left_alone() -> None:
    features = torch.randn(2, 5)
    assert channels_last(features) is features
    assert channels_last({"x": features})["x"] is features
