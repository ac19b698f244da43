"""One step of the algorithms on the CPU: who learns, what is logged, and nothing synchronises."""

import argparse
from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.runs.log import ToolboxLog
from dnll_plugin.settings import resolve as settings

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"


class Quiet:
    def info(self, message: object) -> None:
        pass


def build(folder: Path, *changes: str) -> Any:
    from dnll_plugin.training.build import build_algorithm

    small = ("img_size=8", "batch_size=10", "uratio=2", "num_train_iter=40", "epoch=20")
    args: argparse.Namespace = settings.resolve(DIGITS, [*small, *changes]).namespace()
    return build_algorithm(args, torch.device("cpu"), folder, Quiet())


def batch(algorithm: Any) -> dict[str, torch.Tensor]:
    algorithm.call_hook("before_run", "EMAHook")
    algorithm.epoch = 0
    algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
    loaders = algorithm.loader_dict
    data = {**next(iter(loaders["train_lb"])), **next(iter(loaders["train_ulb"]))}
    return algorithm.process_batch(**data)


def gradients(algorithm: Any, side: str) -> list[torch.Tensor]:
    submodel = getattr(algorithm.model, side)
    return [p.grad for p in submodel.parameters() if p.grad is not None]


@pytest.mark.parametrize("it", [0, 1])
def test_only_the_learner_has_gradient(tmp_path: Path, it: int) -> None:
    algorithm = build(tmp_path, "roles=alternate")
    data = batch(algorithm)
    algorithm.it = it
    out, _ = algorithm.train_step(**data)
    out["loss"].backward()
    learner, generator = (("left", "right"), ("right", "left"))[it]
    assert any(gradient.any() for gradient in gradients(algorithm, learner))
    assert gradients(algorithm, generator) == []


def test_submodels_start_from_different_weights(tmp_path: Path) -> None:
    algorithm = build(tmp_path)
    left, right = algorithm.model.left.state_dict(), algorithm.model.right.state_dict()
    assert any(not torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("algorithm_name", ["dnll_dual", "dnll_meanteacher"])
def test_no_negative_loss_with_weight_zero(tmp_path: Path, algorithm_name: str) -> None:
    algorithm = build(tmp_path, f"algorithm={algorithm_name}", "negative_weight=0")
    for algorithm.it in (0, 35):  # before and after the late epoch
        assert algorithm.weights()["negative"] == 0


@pytest.mark.parametrize("algorithm_name", ["dnll_dual", "dnll_meanteacher"])
def test_negative_loss_is_of_the_kind_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, algorithm_name: str
) -> None:
    seven = {"together": lambda prediction, negatives: prediction.logits.sum(dim=1) * 0 + 7}
    monkeypatch.setattr("dnll_plugin.functional.losses.NEGATIVE_LOSSES", seven)
    monkeypatch.setattr("dnll_plugin.algorithms.base.NEGATIVE_LOSSES", seven)
    algorithm = build(tmp_path, f"algorithm={algorithm_name}", "negative_loss=together")
    algorithm.train_step(**batch(algorithm))
    assert algorithm.loss_terms["negative"].item() == pytest.approx(7.0)


@pytest.mark.parametrize("changes", [("num_classes=10",), ("net=wrn_28_2", "img_size=16")])
def test_one_head_and_two(tmp_path: Path, changes: tuple[str, ...]) -> None:
    algorithm = build(tmp_path, *changes, "num_log_iter=1")
    out, log = algorithm.train_step(**batch(algorithm))
    assert out["loss"].isfinite()
    assert (log["train/logit_distance_loss"] > 0) == (changes[0] == "num_classes=10")


def test_ramps_longer_than_the_run_warn_in_one_line(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    import logging

    from dnll_plugin.training.build import build_algorithm

    changes = ("img_size=8", "num_train_iter=4", "epoch=4")
    args = settings.resolve(DIGITS, changes).namespace()
    logger = logging.getLogger("ramps")
    with caplog.at_level(logging.INFO):
        build_algorithm(args, torch.device("cpu"), tmp_path, ToolboxLog(logger))
    warned = [r.message for r in caplog.records if r.message.startswith("warning")]
    assert [message.split(" is ")[0] for message in warned] == [
        "warning: consistency_rampup",
        "warning: stabilization_rampup",
    ]


@pytest.mark.parametrize(
    "changes",
    [
        ("roles=mutual", "lb_views=2"),
        ("roles=alternate", "ulb_views=weak_strong", "pseudo_labels=false"),
        ("roles=alternate", "ulb_views=weak_strong"),
        ("roles=mutual", "ulb_views=weak_strong"),
        ("algorithm=dnll_meanteacher",),
        ("algorithm=dnll_meanteacher", "ulb_views=weak_strong"),
        ("algorithm=dnll_meanteacher", "negative_source=teacher"),
        ("algorithm=lc_meanteacher", "clustering_threshold_type=relative"),
    ],
)
def test_step_never_waits_for_the_device(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: tuple[str, ...]
) -> None:
    algorithm = build(tmp_path, *changes)
    data = batch(algorithm)

    def poisoned(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the step brings a number to the host")

    for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, poisoned)
    out, _ = algorithm.train_step(**data)
    out["loss"].backward()
