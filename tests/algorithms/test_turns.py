"""Negatives from a second submodel: who learns, who predicts, and what is evaluated."""

from typing import Any

import pytest
import torch
from semilearn.algorithms import name2alg

from dnll_plugin.settings.toolbox_keys import algorithm_arguments, find_base

PEER = "negative_source=peer"
NAMES = sorted(
    name
    for name in algorithm_arguments()
    if find_base(name) != name and "peer" in name2alg[name].negative_sources
)


@pytest.mark.parametrize("name", NAMES)
def test_submodels_learn_in_turn(build: Any, steps: Any, name: str) -> None:
    algorithm = build(name, PEER, "num_log_iter=1")
    pair = algorithm.model
    before = {key: tensor.clone() for key, tensor in pair.named_parameters()}
    steps(algorithm, 1)
    assert algorithm.model is pair
    moved = {key for key, tensor in pair.named_parameters() if not torch.equal(tensor, before[key])}
    assert moved
    assert {key.split(".")[0] for key in moved} == {"left"}
    before = {key: tensor.clone() for key, tensor in pair.named_parameters()}
    algorithm.it = 1
    algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
    data = [next(iter(algorithm.loader_dict[f"train_{kind}"])) for kind in ("lb", "ulb")]
    out, _ = algorithm.train_step(**algorithm.process_batch(**data[0], **data[1]))
    out["loss"].backward()
    with_gradient = {key for key, p in pair.named_parameters() if p.grad is not None}
    assert {key.split(".")[0] for key in with_gradient} == {"right"}


def test_negatives_are_what_the_peer_does_not_predict(build: Any) -> None:
    algorithm = build("dnll_fixmatch", PEER, "negative_sampling=least_likely", "num_negatives=9")
    algorithm.model.eval()
    seen = {}
    hook = algorithm.hooks_dict["NegativeLabelHook"]
    choose = hook.gen_negatives

    def gen_negatives(algorithm: Any, logits: torch.Tensor, learner: torch.Tensor) -> torch.Tensor:
        seen["logits"], seen["negatives"] = logits, choose(algorithm, logits, learner)
        return seen["negatives"]

    hook.gen_negatives = gen_negatives
    x_lb, y_lb = torch.randn(2, 3, 8, 8), torch.tensor([0, 1])
    weak, strong = torch.randn(5, 3, 8, 8), torch.randn(5, 3, 8, 8)
    pair = algorithm.model
    for it, peer in ((0, pair.right), (1, pair.left)):
        algorithm.it = it
        algorithm.train_step(x_lb=x_lb, y_lb=y_lb, x_ulb_w=weak, x_ulb_s=strong)
        torch.testing.assert_close(seen["logits"], peer(weak)["logits"])
        assert not seen["logits"].requires_grad
        assert torch.equal(
            (~seen["negatives"]).float().argmax(dim=1), peer(weak)["logits"].argmax(1)
        )


def test_evaluation_is_of_both_and_of_their_mean(build: Any) -> None:
    algorithm = build("dnll_fixmatch", PEER)
    found = algorithm.evaluate("eval")
    mean = (found["eval/left-acc"] + found["eval/right-acc"]) / 2
    assert found["eval/top-1-acc"] == pytest.approx(mean)
    assert "eval/ensemble-acc" in found


@pytest.mark.parametrize("name", ["dnll_comatch", "dnll_simmatch"])
def test_an_algorithm_that_wraps_its_net_has_no_peer(build: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"negative_source: {name} takes auto or self"):
        build(name, PEER)
