"""Negative labels on top of the toolbox's algorithms."""

from typing import Any

import pytest
import torch
from semilearn.algorithms.fixmatch import FixMatch

from dnll_plugin.hooks.step_record import StepNotRecordedError
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, find_base

NAMES = sorted(name for name in algorithm_arguments() if find_base(name) != name)


def test_every_algorithm_that_masks_has_its_own() -> None:
    assert set(NAMES) >= {
        *("dnll_adamatch", "dnll_fixmatch", "dnll_flexmatch", "dnll_freematch"),
        *("dnll_pseudolabel", "dnll_softmatch", "dnll_uda", "dnll_dash", "dnll_simmatch"),
    }


@pytest.mark.parametrize("name", NAMES)
def test_with_weight_zero_it_is_the_base_bit_for_bit(build: Any, steps: Any, name: str) -> None:
    trained = []
    for run, changes in ((name.removeprefix("dnll_"), ()), (name, ("negative_weight=0",))):
        algorithm = build(run, "p_cutoff=0.2", *changes)  # drops some rows, but not all
        steps(algorithm, 25)
        trained.append({**algorithm.model.state_dict(), "rng": torch.get_rng_state()})
    base, ours = trained
    assert base.keys() == ours.keys()
    assert all(torch.equal(tensor, ours[key]) for key, tensor in base.items())


def mask_in_turn(algorithm: Any) -> None:
    """Makes the algorithm drop every third row and weigh down the next, whatever it predicts."""
    hook = algorithm.hooks_dict["MaskingHook"]
    masking = hook.masking

    def patched(*args: Any, **kwargs: Any) -> torch.Tensor:
        mask = masking(*args, **kwargs)
        return torch.tensor([1.0, 0.0, 0.25]).repeat(len(mask))[: len(mask)]

    hook.masking = patched


@pytest.mark.parametrize("name", NAMES)
def test_what_the_mask_leaves_of_a_row_learns_negatives(build: Any, steps: Any, name: str) -> None:
    changes = ("num_log_iter=1", "ulb_loss_ratio=0.5")
    constant = ("negative_rampup=0", "negative_late_epoch=null", "negative_weight=2")
    base = build(name.removeprefix("dnll_"), *changes)
    ours = build(name, *changes, *constant)
    logs = []
    for algorithm in (base, ours):
        mask_in_turn(algorithm)
        torch.manual_seed(0)  # of dropout
        logs += steps(algorithm, 1)
    before, log = logs
    assert log["train/util_ratio"] == before["train/util_ratio"]
    assert log["train/negative_ratio"].item() == pytest.approx(1 - log["train/util_ratio"])
    assert 0.5 < log["train/negative_acc"] <= 1
    added = 2 * 0.5 * log["train/negative_loss"].item()
    assert added > 0
    assert log["train/total_loss"].item() == pytest.approx(before["train/total_loss"] + added)
    assert ours.out_dict["loss"].item() == log["train/total_loss"].item()
    assert any(
        not torch.equal(a, b)
        for a, b in zip(base.model.parameters(), ours.model.parameters(), strict=True)
    )


@pytest.mark.parametrize("kind", ["each", "together"])
def test_the_loss_is_that_of_the_masked_rows_strong_view(build: Any, kind: str) -> None:
    """Worked by hand: which logits, which prediction, which weights."""
    algorithm = build("dnll_fixmatch", f"negative_loss={kind}")
    # on average 0.73, 0.12, 0.06 and 0.09
    weak = torch.tensor([[0.9, 0.05, 0.03, 0.02], [0.5, 0.3, 0.1, 0.1], [0.78, 0.02, 0.05, 0.15]])
    strong, mask = torch.randn(3, 4, requires_grad=True), torch.tensor([1.0, 0.0, 0.5])
    algorithm.batch = {}
    p = strong.softmax(dim=1)
    second = -torch.log(1 - p[1, 0])
    third = {
        "each": -torch.log(1 - p[2, 1:3]).mean(),
        "together": -torch.log(1 - p[2, 1:3].sum()),
    }[kind]
    expected = (second + 0.5 * third) / 3
    loss, _ = algorithm.learn_masked(strong, weak.log(), mask)
    torch.testing.assert_close(loss, algorithm.negative_weight() * expected)
    assert not torch.autograd.grad(loss, strong)[0][0].any()


def test_negatives_beyond_top_k_are_those_of_both_views(build: Any) -> None:
    algorithm = build("dnll_fixmatch", "negative_sampling=beyond_top_k", "negative_loss=each")
    algorithm.batch = {}
    weak = torch.tensor([[0.6, 0.3, 0.06, 0.04]]).log()
    strong = torch.tensor([[0.3, 0.4, 0.2, 0.1]]).log().requires_grad_()
    loss, _ = algorithm.learn_masked(strong, weak, torch.zeros(1))
    expected = -(torch.log(torch.tensor(0.8)) + torch.log(torch.tensor(0.9))) / 2
    torch.testing.assert_close(loss / algorithm.negative_weight(), expected, rtol=1e-4, atol=0)


@pytest.mark.parametrize("name", ["dnll_fixmatch", "fullmatch"])
def test_no_number_is_brought_to_the_host_for_masked_rows(
    build: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The toolbox's own steps do so for their logs; listening to them adds nothing."""
    algorithm = build(name)
    weak, strong = torch.randn(6, 10), torch.randn(6, 10, requires_grad=True)

    def poisoned(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the step brings a number to the host")

    for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, poisoned)
    base_loss = []

    def base_step(self: Any, x_ulb_w: torch.Tensor) -> Any:
        mask = self.call_hook("masking", "MaskingHook", logits_x_ulb=x_ulb_w)
        base_loss.append(self.consistency_loss(strong, x_ulb_w.argmax(dim=1), "ce", mask=mask))
        return self.process_out_dict(loss=base_loss[0]), self.process_log_dict()

    monkeypatch.setattr(FixMatch, "train_step", base_step)
    out, _ = algorithm.train_step(x_ulb_w=weak)
    assert out["loss"] is not base_loss[0]
    out["loss"].backward()
    assert strong.grad is not None


def test_mixed_precision(build: Any, steps: Any) -> None:
    algorithm = build("dnll_fixmatch", "amp=true", "num_log_iter=1")
    mask_in_turn(algorithm)
    log = steps(algorithm, 2)[1]
    assert log["train/negative_loss"].dtype == torch.float32
    assert log["train/total_loss"].isfinite()


def test_a_source_that_it_does_not_have_is_named(build: Any) -> None:
    algorithm = build("dnll_fixmatch")
    algorithm.args.negative_source = "teacher"
    with pytest.raises(ValueError, match="negative_source of dnll_fixmatch must be one of auto"):
        type(algorithm)(algorithm.args, algorithm.net_builder)


def test_a_base_that_skips_a_hook_is_named(
    build: Any, steps: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would learn from the prediction of the step before."""
    algorithm = build("dnll_fixmatch")
    steps(algorithm, 1)

    def without_consistency(self: Any, x_lb: Any, y_lb: Any, x_ulb_w: Any, x_ulb_s: Any) -> Any:
        loss = self.ce_loss(self.model(x_lb)["logits"], y_lb)
        return self.process_out_dict(loss=loss), self.process_log_dict()

    monkeypatch.setattr(FixMatch, "train_step", without_consistency)
    with pytest.raises(StepNotRecordedError, match="dnll_fixmatch: its train_step hands over no"):
        steps(algorithm, 1)
    assert not hasattr(algorithm, "batch")
    assert "call_hook" not in vars(algorithm)


def test_the_score_of_unknown_images_is_the_share_that_negatives_leave_less_the_confidence(
    build: Any,
) -> None:
    algorithm = build("dnll_fixmatch")
    algorithm.model.eval()
    images = torch.randn(7, 3, 8, 8)
    with torch.no_grad():
        scores = algorithm.score_unknown(images)
        probabilities = algorithm.model(images)["logits"].softmax(dim=1)
    left = (probabilities >= 0.1).sum(dim=1)
    expected = (left - probabilities.amax(dim=1)) / 10
    assert scores.tolist() == pytest.approx(expected.tolist())


@pytest.mark.parametrize("sampling", ["uniform", "least_likely", "beyond_top_k"])
def test_negatives_of_a_fixed_number_give_no_score(build: Any, sampling: str) -> None:
    assert build("dnll_fixmatch", f"negative_sampling={sampling}").score_unknown is None
