# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""DNLL-Dual and DNLL-MeanTeacher: losses, choices, the net of two networks, training steps."""

import contextlib
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semilearn.algorithms import name2alg
from semilearn.algorithms.dnll_dual import DNLLDual
from semilearn.algorithms.dnll_dual.utils import samples_with_negatives, stable_samples
from semilearn.algorithms.dnll_meanteacher import DNLLMeanTeacher
from semilearn.algorithms.hooks import NegativeLabelHook, sigmoid_rampup
from semilearn.core.criterions import CELoss, ConsistencyLoss, negative_label_loss
from semilearn.core.utils import get_net_builder, get_optimizer
from semilearn.datasets.cv_datasets.datasetbase import BasicDataset


def bools(*values):
    return torch.tensor(values, dtype=torch.bool)


def test_negative_label_loss():
    probs = torch.tensor([[0.5, 0.25, 0.25], [0.9, 0.1, 0.0], [0.2, 0.2, 0.6]])
    negatives = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 0, 0]], dtype=torch.bool)
    first, last = -math.log(0.75 + 1e-6), -math.log(0.8 + 1e-6)
    assert negative_label_loss(probs.log(), negatives).item() == pytest.approx((first + last) / 3)
    mask = torch.tensor([1.0, 0.0, 0.0])
    assert negative_label_loss(probs.log(), negatives, mask=mask).item() == pytest.approx(first)
    # nobody learns: 0, not nan
    assert negative_label_loss(probs.log(), negatives, mask=torch.zeros(3)).item() == 0


@pytest.mark.parametrize('num_classes', [2, 10])
def test_negatives_are_not_the_prediction(num_classes):
    torch.manual_seed(0)
    hook = NegativeLabelHook(num_negatives=2, weight=7.5, rampup=100, late_epoch=15, late_weight=0.2)
    logits = torch.randn(2000, num_classes)
    negatives = hook.gen_negatives(None, logits)
    assert not negatives.gather(1, logits.argmax(dim=-1, keepdim=True)).any()
    assert set(negatives.sum(dim=-1).tolist()) == ({1} if num_classes == 2 else {1, 2})
    assert negatives.any(dim=0).all()


def test_weights():
    hook = NegativeLabelHook(num_negatives=2, weight=7.5, rampup=100, late_epoch=15, late_weight=0.2)
    weights = [hook.negative_weight(SimpleNamespace(it=it, num_iter_per_epoch=10)) for it in (0, 9, 159, 160)]
    assert weights == pytest.approx([7.5 * math.exp(-5), 7.5 * math.exp(-5), 7.5 * math.exp(-5 * 0.85 ** 2), 0.2])
    assert sigmoid_rampup(5, 5) == sigmoid_rampup(0, 0) == 1.0


def test_samples():
    probs = torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.7, 0.3]])
    probs_other = torch.tensor([[0.6, 0.4], [0.1, 0.9], [0.7, 0.3]])
    assert stable_samples(probs, probs_other, 0.8).tolist() == [True, False, False]

    # the peer is not stable; only the peer is; both are, and either is the more consistent one, or none is
    stable, stable_peer = bools(1, 0, 0, 1, 1, 1), bools(0, 0, 1, 1, 1, 1)
    distance, distance_peer = torch.tensor([1., 1, 1, 1, 2, 1]), torch.tensor([1., 1, 1, 2, 1, 1])
    negatives = samples_with_negatives(stable, stable_peer, distance, distance_peer)
    assert negatives.tolist() == [True, True, False, True, False, False]


def test_dual_net():
    torch.manual_seed(0)
    net = get_net_builder('dual_wrn_28_2', False)(num_classes=10, pretrained=False, pretrained_path=None).eval()
    x, x_right = torch.randn(2, 2, 3, 32, 32)
    outs = net(x)
    torch.testing.assert_close(outs['logits'], (net.left(x)['logits'] + net.right(x)['logits']) / 2)
    torch.testing.assert_close(net(net(x, only_feat=True), only_fc=True), outs['logits'])
    assert outs['feat'].shape == (2, net.num_features)
    torch.testing.assert_close(net(x, x_right)['logits_right'], net.right(x_right)['logits'])

    # both networks have the learning rates of a single one
    single = get_optimizer(net.left, layer_decay=0.5).param_groups
    both = get_optimizer(net, layer_decay=0.5).param_groups
    assert len(both) == len(single)
    for one, two in zip(single, both):
        assert (one['lr'], one['weight_decay'], 2 * len(one['params'])) == (two['lr'], two['weight_decay'], len(two['params']))
    assert set(net.no_weight_decay()) <= {name for name, _ in net.named_parameters()}


@pytest.mark.parametrize('alg', ['dnll_dual', 'dnll_meanteacher'])
def test_views_are_weak(alg):
    data, targets = np.zeros((3, 8, 8, 3), dtype=np.uint8), [0, 1, 2]
    dataset = BasicDataset(alg, data, targets, 3, lambda img: 'weak', is_ulb=True, strong_transform=lambda img: 'strong')
    assert dataset[0] == {'idx_ulb': 0, 'x_ulb_w': 'weak', 'x_ulb_s': 'weak'}


class Net(torch.nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.fc = torch.nn.Linear(4, num_classes)
        self.num_features = 4

    def forward(self, x, only_fc=False, only_feat=False):
        return {'logits': self.fc(x), 'feat': x}


def algorithm(cls, net, use_cat):
    """An algorithm with what train_step needs, without data and config."""
    alg = cls.__new__(cls)
    alg.init()
    alg.model, alg.ema_model = net, net
    alg.ce_loss, alg.consistency_loss = CELoss(), ConsistencyLoss()
    alg.amp_cm, alg.use_cat, alg.lambda_u = contextlib.nullcontext, use_cat, 1.0
    alg.it, alg.num_iter_per_epoch = 0, 1
    defaults = {arg.name[2:]: arg.default for arg in cls.get_argument()}
    assert all(getattr(alg, name, value) == value for name, value in defaults.items())
    hook = NegativeLabelHook(defaults['num_negatives'], *(defaults[f'negative_{name}'] for name in ('weight', 'rampup', 'late_epoch', 'late_weight')))
    alg.hooks_dict = {'NegativeLabelHook': hook}
    return alg


def dual_net():
    from semilearn.nets.dual import dual_builder
    return dual_builder(Net)(num_classes=3)


@pytest.mark.parametrize('cls, build', [(DNLLDual, dual_net), (DNLLMeanTeacher, Net)])
def test_train_step(cls, build):
    torch.manual_seed(0)
    net = build()
    batch = torch.randn(2, 4), torch.tensor([0, 2]), torch.randn(6, 4), torch.randn(6, 4)
    losses = []
    for use_cat in (True, False):
        torch.manual_seed(1)
        net.zero_grad()
        out_dict, log_dict = algorithm(cls, net, use_cat).train_step(*batch)
        out_dict['loss'].backward()
        losses.append(out_dict['loss'].item())
        assert all(parameter.grad.abs().sum() > 0 for parameter in net.parameters())
        assert all(math.isfinite(value) for value in log_dict.values())
        assert log_dict['train/negative_loss'] > 0
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)


def test_algorithms_are_registered():
    assert {'dnll_dual', 'dnll_meanteacher'} <= set(name2alg.keys())
    with pytest.raises(AssertionError, match='set net to dual_wrn_28_2'):
        DNLLDual(SimpleNamespace(net='wrn_28_2'), None)
