# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""SoftMatch in several processes."""

from types import SimpleNamespace

import torch
import torch.distributed as dist
import torch.multiprocessing as mp

from semilearn.algorithms.softmatch import SoftMatchWeightingHook


def all_probs():
    return torch.softmax(torch.randn(8, 3, generator=torch.Generator().manual_seed(0)), dim=-1)


def update(rank, folder):
    """Updates the hook with half of the predictions, as one of two processes."""
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    hook = SoftMatchWeightingHook(num_classes=3)
    hook.update(SimpleNamespace(distributed=True, world_size=2), all_probs().chunk(2)[rank])
    torch.save((hook.prob_max_mu_t, hook.prob_max_var_t), f'{folder}/{rank}.pt')
    dist.destroy_process_group()


def test_processes_share_mean_and_variance(tmp_path):
    alone = SoftMatchWeightingHook(num_classes=3)
    alone.update(SimpleNamespace(distributed=False, world_size=1), all_probs())
    mp.start_processes(update, args=(str(tmp_path),), nprocs=2, start_method='spawn')
    for rank in range(2):
        mean, variance = torch.load(tmp_path / f'{rank}.pt')
        torch.testing.assert_close(mean, alone.prob_max_mu_t)
        torch.testing.assert_close(variance, alone.prob_max_var_t)
