import torch

from dnll_plugin.functional.losses import Heads
from dnll_plugin.functional.stability import choose_rows, rows_without_pull, stable_rows


def test_stable_needs_agreement_and_one_confident_view() -> None:
    sure, unsure, elsewhere = [9.0, 0.0], [0.1, 0.0], [0.0, 9.0]
    own = torch.tensor([sure, unsure, sure, unsure])
    other = torch.tensor([unsure, sure, elsewhere, unsure])
    assert stable_rows(own, other, 0.8).tolist() == [True, True, False, False]


def test_who_is_pulled() -> None:
    stable = torch.tensor([True, True, True, True, False, False])
    peer_stable = torch.tensor([True, True, True, False, True, False])
    mine = torch.tensor([0.1, 0.3, 0.2, 0.1, 0.1, 0.1])
    peers = torch.tensor([0.3, 0.1, 0.2, 0.1, 0.1, 0.1])
    free = rows_without_pull(stable, peer_stable, mine, peers)
    assert free.tolist() == [True, False, False, True, False, True]


def test_the_learners_rows_come_first_and_the_peer_is_their_target() -> None:
    sure, elsewhere = torch.tensor([[9.0, 0.0]]), torch.tensor([[0.0, 9.0]])
    own = Heads.join([Heads(sure, sure), Heads(elsewhere, elsewhere)])
    # the learner is stable, its peer says something else in its other view
    chosen = choose_rows(own, [sure[:0]], [sure, sure], [elsewhere], 0.8, "mse")
    assert chosen.stable.tolist() == [[True], [False]]
    assert chosen.learns.tolist() == [[True]]
    assert torch.equal(chosen.other_view.logits, sure)
    assert torch.equal(chosen.pull_target.logits, elsewhere)
