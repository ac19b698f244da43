# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""Checkpoints: they are loaded whatever their accuracy is, or the run is left alone."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

from semilearn.core.algorithmbase import AlgorithmBase

import train


def algorithm():
    """An algorithm with what a checkpoint holds, after an evaluation."""
    alg = AlgorithmBase.__new__(AlgorithmBase)
    alg.model, alg.ema_model = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    alg.optimizer, alg.scheduler = torch.optim.SGD(alg.model.parameters(), lr=0.1), None
    alg.loss_scaler, alg.print_fn = torch.cuda.amp.GradScaler(enabled=False), print
    alg.it, alg.epoch, alg.best_it, alg.best_eval_acc = 9, 0, 4, np.float64(0.5)
    return alg


def test_accuracy_is_saved_as_a_float(tmp_path):
    alg = algorithm()
    assert type(alg.get_save_dict()['best_eval_acc']) is float
    alg.save_model('latest_model.pth', tmp_path)
    loaded = algorithm()
    loaded.load_model(tmp_path / 'latest_model.pth')
    assert (loaded.it, loaded.best_eval_acc) == (10, 0.5)
    torch.testing.assert_close(loaded.model.weight, alg.model.weight)


@pytest.mark.parametrize('kind', [float, np.float32, np.float64])
def test_checkpoints_of_earlier_versions(tmp_path, kind):
    checkpoint = {**algorithm().get_save_dict(), 'best_eval_acc': kind(0.25)}
    torch.save(checkpoint, tmp_path / 'latest_model.pth')
    alg = algorithm()
    alg.load_model(tmp_path / 'latest_model.pth')
    assert alg.best_eval_acc == 0.25


def test_a_run_is_not_overwritten(tmp_path, monkeypatch):
    path = tmp_path / 'run' / 'latest_model.pth'
    path.parent.mkdir()
    path.write_bytes(b'damaged')
    args = SimpleNamespace(seed=0, distributed=False, rank=0, save_dir=str(tmp_path), save_name='run', use_tensorboard=False,
                           net='wrn_28_2', net_from_name=False, imb_algorithm=None, resume=True, load_path=str(path))
    alg = algorithm()
    alg.args = args
    alg.train = lambda: pytest.fail('started from scratch')
    monkeypatch.setattr(train, 'get_algorithm', lambda *args: alg)
    monkeypatch.setattr(train, 'send_model_cuda', lambda args, model, clip_batch=True: model)
    with pytest.raises(Exception):
        train.main_worker(None, 1, args)
    assert path.read_bytes() == b'damaged'
