"""The rows that the nets of a run see in a step."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from dnll_plugin.training.passes import BACKWARD, FORWARD, PassesHook


@pytest.fixture
def algorithm():
    model = SimpleNamespace(left=nn.Linear(2, 2), right=nn.Linear(2, 2))
    return SimpleNamespace(
        **{"model": model, "ema_model": nn.Linear(2, 2), "it": 1, "num_train_iter": 9},
        **{"num_log_iter": 2, "num_eval_iter": 0, "world_size": 1, "log_dict": {}},
    )


def step(algorithm):
    algorithm.model.left(torch.zeros(3, 2))
    with torch.no_grad():
        algorithm.model.right(torch.zeros(4, 2))
        algorithm.ema_model(torch.zeros(5, 2))


@pytest.mark.parametrize("ranks", [1, 2])
def test_rows_of_all_nets_are_counted_at_a_logged_step_and_only_there(algorithm, ranks):
    algorithm.world_size = ranks
    hook = PassesHook()
    hook.before_train_step(algorithm)
    step(algorithm)
    hook.after_train_step(algorithm)
    step(algorithm)
    assert algorithm.log_dict == {FORWARD: 12 * ranks, BACKWARD: 3 * ranks}
    algorithm.it, algorithm.log_dict = 2, {}
    hook.before_train_step(algorithm)
    step(algorithm)
    hook.after_train_step(algorithm)
    assert algorithm.log_dict == {}
