"""What the paper's two algorithms learn where one view is strong."""

from pathlib import Path
from typing import Any

import pytest
import torch

from dnll_plugin.algorithms.negative_keys import BESIDE_PSEUDO_LABELS, PUBLISHED
from dnll_plugin.settings import resolve as settings

DIGITS = Path(__file__).parents[2] / "config" / "laptop" / "digits_60.yaml"
BOTH = pytest.mark.parametrize("name", ["dnll_dual", "dnll_meanteacher"])


class Quiet:
    def info(self, message: object) -> None:
        pass


def build(folder: Path, *changes: str) -> Any:
    from dnll_plugin.training.build import build_algorithm

    args = settings.resolve(DIGITS, ["num_log_iter=1", *changes]).namespace()
    return build_algorithm(args, torch.device("cpu"), folder, Quiet())


def batch(algorithm: Any) -> dict[str, torch.Tensor]:
    algorithm.call_hook("before_run", "EMAHook")
    algorithm.epoch = 0
    algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
    loaders = algorithm.loader_dict
    data = {**next(iter(loaders["train_lb"])), **next(iter(loaders["train_ulb"]))}
    return algorithm.process_batch(**data)


@BOTH
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ((), BESIDE_PSEUDO_LABELS),
        (("ulb_views=weak_weak",), PUBLISHED),
        (("pseudo_labels=false",), PUBLISHED),
        (("negative_weight=3",), {**BESIDE_PSEUDO_LABELS, "negative_weight": 3.0}),
    ],
)
def test_keys_go_with_the_views_unless_they_are_given(tmp_path, name, changes, expected):
    algorithm = build(tmp_path, f"algorithm={name}", *changes)
    assert {key: getattr(algorithm.args, key) for key in expected} == expected


@BOTH
def test_an_image_learns_its_pseudo_label_or_negatives(tmp_path, name):
    algorithm = build(tmp_path, f"algorithm={name}")
    data = batch(algorithm)
    out, log = algorithm.train_step(**data)
    assert {"sup", "pseudo_label", "negative"} <= algorithm.loss_terms.keys()
    assert log["train/util_ratio"] + log["train/negative_ratio"] == pytest.approx(1.0)
    learners = 2 if name == "dnll_dual" else 1
    terms = algorithm.loss_terms
    weighed = terms["sup"] + terms["pseudo_label"] + 2 * terms["negative"]
    assert out["loss"].item() == pytest.approx(learners * weighed.item(), rel=1e-5)


@BOTH
def test_the_head_that_classifies_learns_from_unlabeled_images(tmp_path, name):
    algorithm = build(tmp_path, f"algorithm={name}", "net=cnn3")
    out, _ = algorithm.train_step(**batch(algorithm))
    out["loss"].backward()
    net = algorithm.model.left if name == "dnll_dual" else algorithm.model
    assert all(weight.grad is None for weight in net.consistency.parameters())
    assert all(weight.grad is not None for weight in net.classifier.parameters())


@BOTH
@pytest.mark.parametrize("cutoff", [0.0, 1.0])
def test_the_cutoff_decides_who_learns_what(tmp_path, name, cutoff):
    algorithm = build(tmp_path, f"algorithm={name}", f"p_cutoff={cutoff}")
    _, log = algorithm.train_step(**batch(algorithm))
    if cutoff == 0:
        assert log["train/util_ratio"] == 1
        assert algorithm.loss_terms["negative"] == 0
    else:
        assert log["train/negative_ratio"] > 0
        assert algorithm.loss_terms["negative"] > 0


@pytest.mark.parametrize(
    ("name", "changes", "passes"),
    [
        ("dnll_meanteacher", (), 1),
        ("dnll_dual", ("roles=mutual",), 2),
        ("dnll_dual", ("roles=alternate",), 1),
    ],
)
def test_averaged_weights_generate_as_they_are_evaluated(tmp_path, name, changes, passes):
    algorithm = build(tmp_path, f"algorithm={name}", *changes)
    data = batch(algorithm)
    seen: list[torch.Tensor] = []
    model = algorithm.ema_model
    for net in (model.left, model.right) if name == "dnll_dual" else (model,):
        net.register_forward_hook(lambda module, images, output: seen.append(output["logits"]))
    algorithm.train_step(**data)
    assert not model.training
    assert len(seen) == passes
    assert all(len(logits) == len(data["x_ulb_w"]) for logits in seen)
    assert not any(logits.requires_grad for logits in seen)
