"""IOMatch: its step on golden logits, its heads, what it says of unknown images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnll_plugin.algorithms.iomatch import ViewLogits

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
OPEN_SET = ("num_classes=6", "num_labels=12", "batch_size=12", "ood_classes=4", "ulb_ood=0.3")


def load(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("iomatch_*.npz")), ids=lambda path: path.stem)
def test_the_step_gives_the_authors_loss_on_their_logits(build: Any, path: Path) -> None:
    golden = load(path)
    aligned = bool(golden["use_distribution_alignment"])
    steps = len(golden["queue_before"]) if aligned else 0
    names = {"q_cutoff": "q_cutoff", "binary_weight": "lambda_binary"}
    names |= {"open_weight": "lambda_open", "ulb_loss_ratio": "lambda_inlier"}
    weights = [f"{key}={golden[name].item()}" for key, name in names.items()]
    algorithm = build("iomatch", *OPEN_SET, f"alignment_steps={steps}", *weights)
    algorithm.p_cutoff = golden["p_cutoff"].item()
    algorithm.it = int(golden["epoch"]) * algorithm.num_iter_per_epoch
    if aligned:
        before = {"queue": golden["queue_before"], "pointer": int(golden["queue_pointer_before"])}
        algorithm.hooks_dict["DistAlignHook"].load_state_dict(before, torch.device("cpu"))
    logits = ViewLogits(*(golden[name].requires_grad_() for name in ViewLogits._fields))
    algorithm.forward_views = lambda *_: logits
    nothing = torch.zeros(0)
    out, _ = algorithm.train_step(nothing, golden["labels"], nothing, nothing)
    out["loss"].backward()
    torch.testing.assert_close(out["loss"], golden["loss_total"], rtol=1e-9, atol=0)
    for name, tensor in logits._asdict().items():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        torch.testing.assert_close(gradient, golden[f"grad_{name}"], rtol=1e-9, atol=1e-12)


def test_with_a_separate_pass_for_each_view_the_logits_are_the_same(build: Any) -> None:
    algorithm = build("iomatch", *OPEN_SET)
    algorithm.model.eval()  # batch norm gives the same in one pass and in three
    images = torch.randn(4, 3, 8, 8), torch.randn(5, 3, 8, 8), torch.randn(5, 3, 8, 8)
    together = algorithm.forward_views(*images)
    algorithm.use_cat = False
    apart = algorithm.forward_views(*images)
    assert [tuple(logits.shape) for logits in together] == [
        *((4, 6), (5, 6), (5, 6)),
        *((4, 12), (5, 12), (5, 7)),
    ]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)


def test_every_head_learns_and_is_averaged(build: Any, steps: Any) -> None:
    algorithm = build(
        "iomatch", *OPEN_SET, "net=cnn3_one_head", "p_cutoff=0.2", "q_cutoff=0.1", "ema_m=0.9"
    )
    before = {name: value.clone() for name, value in algorithm.model.state_dict().items()}
    logs = steps(algorithm, 8)
    assert logs[0]["train/open_ratio"] == 1
    average = algorithm.ema_model.state_dict()
    for name, parameter in algorithm.model.named_parameters():
        if parameter.ndim > 1:  # a bias before a batch norm has no effect, and no gradient
            assert not torch.equal(parameter, before[name]), name
            assert not torch.equal(average[name], before[name]), name


def test_the_open_set_head_learns_from_the_second_epoch_on(build: Any, steps: Any) -> None:
    algorithm = build("iomatch", *OPEN_SET, "q_cutoff=0", "weight_decay=0")
    head = algorithm.model.open_head
    before = head.weight.clone()
    steps(algorithm, algorithm.num_iter_per_epoch)
    assert torch.equal(head.weight, before)
    steps(algorithm, algorithm.num_iter_per_epoch + 1)
    assert not torch.equal(head.weight, before)


def test_what_it_says_of_unknown_images(build: Any) -> None:
    algorithm = build("iomatch", *OPEN_SET)
    algorithm.model.eval()
    images = torch.randn(9, 3, 8, 8)
    score, predicted = algorithm.score_unknown(images), algorithm.classify_open_set(images)
    assert score.shape == predicted.shape == (9,)
    assert not score.requires_grad
    assert ((score >= 0) & (score <= 1)).all()
    with torch.no_grad():  # all classifiers say "not of my class", then all say "of mine"
        for sign, expected in ((1.0, 1.0), (-1.0, 0.0)):
            algorithm.model.binary_head.register_forward_hook(
                lambda _, __, out, sign=sign: torch.cat(
                    (torch.full_like(out[:, :6], 50 * sign), torch.zeros_like(out[:, 6:])), dim=1
                )
            )
            torch.testing.assert_close(algorithm.score_unknown(images), torch.full((9,), expected))
        algorithm.model.open_head.bias[6] = 1e6
    assert (algorithm.classify_open_set(images) == 6).all()


def test_no_number_is_brought_to_the_host(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build("iomatch", *OPEN_SET, "alignment_steps=4")
    batch = {name: torch.randn(6, 3, 8, 8) for name in ("x_lb", "x_ulb_w", "x_ulb_s")}

    def poisoned(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the step brings a number to the host")

    for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, poisoned)
    for algorithm.it in range(4):
        out, _ = algorithm.train_step(**batch, y_lb=torch.arange(6))
        out["loss"].backward()


def test_mixed_precision(build: Any, steps: Any) -> None:
    log = steps(build("iomatch", *OPEN_SET, "amp=true", "p_cutoff=0.3", "q_cutoff=0.1"), 3)[2]
    assert log["train/outlier_score"].dtype == torch.float32
    assert log["train/total_loss"].isfinite()
