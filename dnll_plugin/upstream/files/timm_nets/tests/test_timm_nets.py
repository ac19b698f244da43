# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""Nets of timm by name."""

import pytest
import torch

from semilearn import nets
from semilearn.core.utils import get_net_builder, get_optimizer
from semilearn.nets.from_timm import check_version


@pytest.mark.parametrize('name', ['timm_resnet10t@32', 'timm_vit_tiny_patch16_224@32', 'timm_test_nfnet'])
def test_net(name):
    torch.manual_seed(0)
    net = get_net_builder(name, False)(num_classes=10, pretrained=False, pretrained_path=None).eval()
    x = torch.randn(2, 3, 32, 32)
    outs = net(x)
    assert outs['logits'].shape == (2, 10)
    assert outs['feat'].shape == (2, net.num_features)
    torch.testing.assert_close(net(net(x, only_feat=True), only_fc=True), outs['logits'])

    groups = get_optimizer(net, layer_decay=0.5).param_groups
    assert sum(len(group['params']) for group in groups) == len(list(net.parameters()))
    assert len({group['lr'] for group in groups}) > 2


def test_small_images_keep_their_size():
    net = get_net_builder('timm_resnet10t@32', False)(num_classes=10)
    assert net.model.forward_features(torch.zeros(1, 3, 32, 32)).shape[-1] == 4


def test_pretrain_path(tmp_path):
    build = get_net_builder('timm_resnet10t', False)
    net = build(num_classes=10)
    torch.save({'model': net.model.state_dict()}, tmp_path / 'weights.pth')
    loaded = build(num_classes=5, pretrained=True, pretrained_path=str(tmp_path / 'weights.pth'))
    torch.testing.assert_close(loaded.model.state_dict(), net.model.state_dict())
    with pytest.raises(ValueError, match='no file'):
        build(num_classes=5, pretrained=True, pretrained_path=str(tmp_path / 'other.pth'))


@pytest.mark.parametrize('name', ['timm_resnet51', 'timm_resnet18@', 'timm_resnet18@big'])
def test_names_that_are_none(name):
    with pytest.raises(ValueError, match='net: timm'):
        get_net_builder(name, False)


def test_other_names_are_none():
    with pytest.raises(AttributeError, match='no_net'):
        nets.no_net


@pytest.mark.parametrize('version, enough', [('0.5.4', False), ('0.9.16', False), ('1.0.11', True), ('1.1.0.dev0', True)])
def test_version_of_timm(version, enough):
    if enough:
        check_version(version)
    else:
        with pytest.raises(ImportError, match=f'timm >= 1.0.11, not {version}'):
            check_version(version)
