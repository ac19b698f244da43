# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""Trainer.fit: it updates the model, and reports the accuracy of the averaged one."""

import pytest
import torch
from torch.utils.data import DataLoader

from semilearn import Trainer, get_algorithm, get_config

EVENT = type('Event', (), {'__init__': lambda self, **kwargs: None, 'record': lambda self: None, 'elapsed_time': lambda self, end: 0.0})


@pytest.fixture(autouse=True)
def on_host(monkeypatch):
    """What is sent to the GPU stays on the CPU."""
    for owner in (torch.Tensor, torch.nn.Module):
        monkeypatch.setattr(owner, 'cuda', lambda self, gpu=None: self)
    for name in ('set_device', 'synchronize'):
        monkeypatch.setattr(torch.cuda, name, lambda *args: None)
    monkeypatch.setattr(torch.cuda, 'Event', EVENT)


class Net(torch.nn.Module):
    def __init__(self, num_classes, pretrained=False, pretrained_path=None):
        super().__init__()
        self.fc = torch.nn.Linear(6, num_classes)

    def forward(self, x):
        return {'logits': self.fc(x), 'feat': x}


def loader(batch_size, names):
    """Rows whose class is that of their largest entry, under the names that a batch has."""
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    rows = [{name: row.argmax() if name == 'y_lb' else row for name in names} for row in x]
    return DataLoader(rows, batch_size)


def build(tmp_path, **settings):
    config = get_config({'algorithm': 'fixmatch', 'dataset': 'none', 'num_classes': 6, 'gpu': 0, 'epoch': 2, 'num_train_iter': 16,
                         'num_eval_iter': 16, 'lr': 0.1, 'ema_m': 0.9, 'save_dir': str(tmp_path), **settings})
    return config, get_algorithm(config, Net, tb_log=None, logger=None)


@pytest.mark.parametrize('settings', [{}, {'use_amp': True}, {'amp': True}])
def test_both_names_of_mixed_precision(tmp_path, settings):
    assert build(tmp_path, **settings)[1].use_amp == bool(settings)


def test_fit(tmp_path):
    torch.manual_seed(0)
    config, algorithm = build(tmp_path)
    before = algorithm.model.fc.weight.clone()
    train_lb, train_ulb, evaluated = loader(8, ['x_lb', 'y_lb']), loader(8, ['x_ulb_w', 'x_ulb_s']), loader(16, ['x_lb', 'y_lb'])
    trainer = Trainer(config, algorithm)
    trainer.fit(train_lb, train_ulb, evaluated)

    assert algorithm.it == 16
    assert not torch.equal(before, algorithm.model.fc.weight)
    assert not torch.equal(algorithm.model.fc.weight, algorithm.ema_model.fc.weight)
    for name in ('latest_model.pth', 'model_best.pth'):
        assert (tmp_path / config.save_name / name).is_file()
    # the accuracy of the averaged weights
    assert algorithm.results_dict['eval/best_acc'] == trainer.evaluate(evaluated, use_ema_model=True)['acc']
