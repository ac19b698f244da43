# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""Evaluation of data sets with few classes, and with a class that has no test image."""

import pytest
import torch

from semilearn.core.algorithmbase import AlgorithmBase
from semilearn.core.utils import EMA


class Identity(torch.nn.Module):
    def forward(self, x):
        return {'logits': x}


class OnHost(AlgorithmBase):
    """An algorithm with what evaluate needs, on the CPU."""
    def __init__(self, num_classes, logits, y):
        self.num_classes, self.print_fn = num_classes, print
        self.model = Identity()
        self.ema = EMA(self.model, 0.999)
        self.loader_dict = {'eval': [{'x_lb': logits, 'y_lb': y}]}

    def get_logits(self, data, out_key):
        return self.model(data['x_lb'])[out_key]

    def get_targets(self, data):
        return data['y_lb']


@pytest.mark.parametrize('num_classes', [2, 5])
def test_few_classes(num_classes):
    y = torch.arange(num_classes)
    eval_dict = OnHost(num_classes, torch.eye(num_classes), y).evaluate()
    assert eval_dict['eval/top-1-acc'] == 1.0
    assert eval_dict['eval/top-5-acc'] == 1.0


def test_a_class_without_test_image():
    logits = torch.arange(7.0).expand(3, 7)  # the top 5 are the classes 2 to 6
    eval_dict = OnHost(7, logits, torch.tensor([1, 2, 6])).evaluate()
    assert eval_dict['eval/top-5-acc'] == pytest.approx(2 / 3)
