"""The running share of certain rows, and the alignment of predictions."""

from types import SimpleNamespace

import pytest
import semilearn  # noqa: F401  (before the hooks, which it registers)
import torch

from dnll_plugin.hooks.alignment import AverageAlignmentHook, QueueAlignmentHook
from dnll_plugin.hooks.certainty import CertaintyHook

ALONE = SimpleNamespace(distributed=False, world_size=1, num_iter_per_epoch=2)


@pytest.mark.parametrize(
    ("restarts", "expected"),
    [(True, [0.5, 0.625, 0.25, 0.1875]), (False, [0.5, 0.625, 0.53125, 0.3984375])],
)
def test_the_share_may_start_anew_in_each_epoch(restarts: bool, expected: list[float]) -> None:
    hook = CertaintyHook(0.75, restarts)
    found = []
    for it, share in enumerate([0.5, 1.0, 0.25, 0.0]):
        certain = torch.tensor([share, share])
        found.append(hook.update(SimpleNamespace(**vars(ALONE), it=it), certain).item())
    assert found == pytest.approx(expected)


def test_the_queue_forgets_what_is_older_than_its_length() -> None:
    hook = QueueAlignmentHook()
    hook.dist_align(ALONE, torch.tensor([[0.9, 0.1]]))
    assert hook.state_dict()["pointer"] == 1
    for _ in range(hook.length):
        aligned = hook.dist_align(ALONE, torch.tensor([[0.4, 0.6]]))
    assert hook.state_dict()["pointer"] == 1
    torch.testing.assert_close(aligned, torch.tensor([[0.5, 0.5]]))


def test_the_average_starts_with_the_first_batch() -> None:
    hook = AverageAlignmentHook()
    first = torch.tensor([[0.8, 0.2], [0.4, 0.6]])
    torch.testing.assert_close(
        hook.dist_align(ALONE, first), torch.tensor([[8 / 11, 3 / 11], [4 / 13, 9 / 13]])
    )
    hook.dist_align(ALONE, torch.tensor([[0.0, 1.0]]))
    expected = torch.tensor([0.6 * 0.999, 0.4 * 0.999 + 0.001])
    torch.testing.assert_close(hook.state_dict()["average"], expected)
