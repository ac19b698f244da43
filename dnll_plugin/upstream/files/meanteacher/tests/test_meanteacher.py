# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""The consistency loss of MeanTeacher must compare the student with the teacher."""

import contextlib

import torch

from semilearn.algorithms.meanteacher import MeanTeacher
from semilearn.core.criterions import CELoss, ConsistencyLoss
from semilearn.core.utils import EMA, Bn_Controller


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = torch.nn.Linear(4, 3)

    def forward(self, x):
        return {'logits': self.fc(x), 'feat': x}


def meanteacher():
    """A MeanTeacher with what train_step needs, without data, hooks and config."""
    alg = MeanTeacher.__new__(MeanTeacher)
    alg.init(unsup_warm_up=0.4)
    alg.model = Net()
    alg.ema = EMA(alg.model, 0.999)
    alg.ema.register()
    alg.bn_controller = Bn_Controller()
    alg.ce_loss, alg.consistency_loss = CELoss(), ConsistencyLoss()
    alg.amp_cm = contextlib.nullcontext
    alg.lambda_u, alg.it, alg.num_train_iter = 1.0, 100, 100
    return alg


def test_student_learns_from_its_own_view():
    torch.manual_seed(0)
    alg = meanteacher()
    x_lb, x_ulb_w, x_ulb_s = torch.randn(3, 5, 4)
    out_dict, log_dict = alg.train_step(x_lb, torch.tensor([0, 1, 2, 0, 1]), x_ulb_w, x_ulb_s)
    # student and teacher see different views, so their predictions differ
    assert log_dict['train/unsup_loss'] > 0

    out_dict['loss'].backward()
    both = alg.model.fc.weight.grad.clone()
    alg.model.zero_grad()
    alg.ce_loss(alg.model(x_lb)['logits'], torch.tensor([0, 1, 2, 0, 1]), reduction='mean').backward()
    assert not torch.allclose(both, alg.model.fc.weight.grad)
