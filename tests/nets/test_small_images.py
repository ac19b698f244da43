"""timm models adapted to small images."""

import pytest
import timm
import torch

from dnll_plugin.errors import InputError
from dnll_plugin.nets.timm_net import timm_builder


def build(spec):
    return timm_builder(spec)(num_classes=5).eval()


def final_map(spec):
    """Height and width of the map that the last layer leaves."""
    net, size = build(spec), int(spec.partition("@")[2])
    with torch.no_grad():
        return tuple(net.model.forward_features(torch.randn(1, 3, size, size)).shape[2:])


@pytest.mark.parametrize(
    ("spec", "side"),
    [
        ("resnet10t@32", 4),  # a convolution of stride 2, then a pooling
        ("resnet10t@64", 4),  # the pooling stays
        ("resnet10t@128", 4),  # as published
        ("resnetblur18@32", 4),  # a blurring pooling
        ("convnext_atto@32", 4),  # one convolution of stride 4 and an even kernel
        ("convnext_atto@64", 4),
        ("mobilenetv3_small_050@32", 2),
        ("tf_mobilenetv3_small_minimal_100@32", 2),  # pads as TensorFlow does
        ("mobileone_s0@32", 2),  # branches side by side
        ("coatnet_pico_rw_224@32", 2),  # tables of positions behind the stem
        ("dla46x_c@32", 1),  # a stem that takes nothing away
    ],
)
def test_a_pyramid_keeps_the_resolution(spec, side):
    assert final_map(spec) == (side, side)


@pytest.mark.parametrize("spec", ["resnet10t", "convnext_atto", "test_nfnet"])
def test_published_weights_of_convolutions_still_fit(spec):
    def shapes(net):
        return {key: value.shape for key, value in net.state_dict().items()}

    assert shapes(build(f"{spec}@32")) == shapes(build(spec))


@pytest.mark.parametrize(
    ("spec", "patch"),
    [
        ("vit_tiny_patch16_224@32", 4),
        ("vit_tiny_patch16_224@28", 2),
        ("vit_tiny_patch16_224@64", 8),
        ("vit_tiny_patch16_224@256", 16),
        ("deit_tiny_patch16_224@32", 4),
    ],
)
def test_patches_leave_eight_by_eight_tokens_at_least(spec, patch):
    net = build(spec)
    assert net.model.patch_embed.patch_size == (patch, patch)


@pytest.mark.parametrize(
    ("spec", "stem", "shape"),
    [
        ("gmlp_ti16_224@32", "stem", (64, 128)),  # its patch size cannot be passed in
        ("levit_128s@32", "stem", (128, 8, 8)),  # four convolutions of stride 2
        ("pit_ti_224@32", "patch_embed", (64, 7, 7)),  # overlapping patches without padding
    ],
)
def test_other_ways_of_cutting_patches(spec, stem, shape):
    net, size = build(spec), int(spec.partition("@")[2])
    cut = net.model.get_submodule(stem)(torch.randn(1, 3, size, size))
    assert cut.shape[1:] == shape


def test_windows_tile_the_map():
    net = build("swinv2_cr_tiny_ns_224@32")
    windows = [block.window_size for stage in net.model.stages for block in stage.blocks]
    assert windows[0] == (8, 8)
    assert windows[-1] == (4, 4)


@pytest.mark.parametrize(
    "spec",
    [
        "efficientformer_l1@32",  # built for one size
        "csatv2@32",  # cuts blocks of 8 pixels by a cosine transform
        "crossvit_tiny_240@32",  # two branches, each with patches of its own
    ],
)
def test_what_cannot_be_adapted_is_an_input_error(spec):
    with pytest.raises(InputError, match=f"timm_{spec}: this model cannot be adapted"):
        build(spec)


def test_size_of_a_model_leaves_timm_alone():
    published = timm.create_model("convnext_atto")
    build("convnext_atto@32")
    assert published.stem[0].stride == timm.create_model("convnext_atto").stem[0].stride == (4, 4)
