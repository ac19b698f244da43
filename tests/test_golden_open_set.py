"""IOMatch and OpenMatch on the golden vectors give what the authors' code computed."""

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import semilearn  # noqa: F401  (before the hooks, which it registers)
import torch
import torch.nn.functional as F
from sklearn.metrics import balanced_accuracy_score
from torch import Tensor, nn

from dnll_plugin.algorithms.iomatch import ALIGNMENT_EPSILON, OUTLIER
from dnll_plugin.functional.io_match import fuse_targets
from dnll_plugin.functional.one_vs_all import (
    fixmatch_loss,
    one_vs_all_consistency,
    one_vs_all_entropy,
    one_vs_all_loss,
    predict_or_reject,
    select_inliers,
)
from dnll_plugin.hooks.alignment import QueueAlignmentHook
from dnll_plugin.nets.open_set import IOMatchNet

GOLDEN = Path(os.environ.get("DNLL_GOLDEN_DIR") or Path(__file__).parent / "data" / "golden")
TOLERANCE = 1e-9
ONE_RANK = SimpleNamespace(distributed=False, world_size=1)

Golden = dict[str, Any]


def load(path: Path) -> Golden:
    with np.load(path) as arrays:
        return {
            name: torch.from_numpy(array) if array.ndim else array.item()
            for name, array in arrays.items()
        }


def golden_files(prefix: str) -> Any:
    found = sorted(GOLDEN.glob(f"{prefix}_*.npz"))
    assert found, f"no {prefix}_*.npz in {GOLDEN}"
    return pytest.mark.parametrize("path", found, ids=lambda path: path.stem)


def assert_close(found: Tensor, wanted: Tensor | float) -> None:
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    scale = wanted.abs().max().clamp(min=1e-300)
    assert ((found.double() - wanted).abs().max() / scale).item() <= TOLERANCE


def align(golden: Golden, raw: Tensor) -> Tensor:
    """The aligned predictions, from the state before; the state after is checked."""
    if not golden["use_distribution_alignment"]:
        return raw
    queue, pointer = golden["queue_before"], golden["queue_pointer_before"]
    hook = QueueAlignmentHook(len(queue), ALIGNMENT_EPSILON)
    hook.load_state_dict({"queue": queue.clone(), "pointer": pointer}, raw.device)
    target = hook.dist_align(ONE_RANK, raw)
    after = hook.state_dict()
    assert after["pointer"] == golden["queue_pointer_after"]
    assert_close(after["queue"][pointer], golden["queue_after_row"])
    return target


def iomatch_terms(golden: Golden, logits: dict[str, Tensor]) -> dict[str, Tensor]:
    """The terms of a step after their weights; what it chooses is checked."""
    target = align(golden, logits["closed_weak"].detach().softmax(dim=1))
    open_target, outlier_score = fuse_targets(target, logits["binary_weak"])
    confident = target.amax(dim=1) >= golden["p_cutoff"]
    confident_open = open_target.amax(dim=1) >= golden["q_cutoff"]
    inlier = outlier_score < OUTLIER
    assert_close(target, golden["target_closed"])
    assert_close(open_target, golden["target_open"])
    assert_close(outlier_score, golden["outlier_score"])
    assert torch.equal(inlier, golden["inlier"])
    assert torch.equal(confident, golden["confident_closed"])
    assert torch.equal(confident_open, golden["confident_open"])
    assert torch.equal(inlier & confident, golden["selected_for_closed"])

    def taught(strong: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        return (F.cross_entropy(strong, target, reduction="none") * rows).mean()

    labels, later = golden["labels"], golden["epoch"] > 0
    inlier_loss = taught(logits["closed_strong"], target, inlier & confident)
    open_loss = taught(logits["open_strong"], open_target, confident_open)
    return {
        "closed": F.cross_entropy(logits["closed_labeled"], labels),
        "binary": golden["lambda_binary"] * one_vs_all_loss(logits["binary_labeled"], labels),
        "inlier": golden["lambda_inlier"] * inlier_loss,
        "open": golden["lambda_open"] * later * open_loss,
    }


def check_terms(golden: Golden, terms: dict[str, Tensor]) -> Tensor:
    """Compares the terms of a loss, and returns their sum."""
    total = torch.stack(list(terms.values())).sum()
    for name, term in {**terms, "total": total}.items():
        assert_close(term, golden[f"loss_{name}"])
    return total


def check_gradients(golden: Golden, given: dict[str, Tensor]) -> None:
    for name, tensor in given.items():
        found = torch.zeros(()) if tensor.grad is None else tensor.grad
        assert_close(found, golden[f"grad_{name}"])


@golden_files("iomatch")
def test_golden_iomatch(path: Path) -> None:
    golden = load(path)
    names = [name for name in golden if f"grad_{name}" in golden]
    logits = {name: golden[name].requires_grad_() for name in names}
    check_terms(golden, iomatch_terms(golden, logits)).backward()
    check_gradients(golden, logits)


@golden_files("iomatchheads")
def test_golden_iomatch_through_its_heads(path: Path) -> None:
    golden = load(path)
    width, classes = golden["closed_weight"].shape[1], golden["closed_weight"].shape[0]
    backbone = nn.Identity()
    backbone.num_features = width
    net = IOMatchNet(backbone, classes).double()
    closed = nn.Linear(width, classes).double()
    layers = {"closed": closed, "projector0": net.projector[0], "projector1": net.projector[2]}
    layers |= {"binary": net.binary_head, "open": net.open_head}
    parameters = {
        f"{layer}_{name}": parameter
        for layer, module in layers.items()
        for name, parameter in module.named_parameters()
    }
    for name, parameter in parameters.items():
        parameter.data.copy_(golden[name])
    views = ("labeled", "weak", "strong")
    features = {f"features_{view}": golden[f"features_{view}"].requires_grad_() for view in views}
    rows = torch.cat(list(features.values()))
    heads = net.apply_heads(rows)
    outputs = {"closed": closed(rows)}
    outputs |= {name: heads[f"logits_{name}"] for name in ("binary", "open")}
    sizes = [len(view) for view in features.values()]
    logits = {}
    for name, output in outputs.items():
        assert_close(output.detach(), golden[f"out_{name}"])
        of_views = zip(views, output.split(sizes), strict=True)
        logits |= {f"{name}_{view}": part for view, part in of_views}
    check_terms(golden, iomatch_terms(golden, logits)).backward()
    check_gradients(golden, {**features, **parameters})


@golden_files("openmatch")
def test_golden_openmatch(path: Path) -> None:
    golden = load(path)
    names = [name for name in golden if f"grad_{name}" in golden]
    logits = {name: golden[name].requires_grad_() for name in names}

    def both(name: str) -> Tensor:
        return torch.cat((logits[f"{name}_0"], logits[f"{name}_1"]))

    labels = golden["labels"].repeat(2)
    terms = {
        "closed": F.cross_entropy(both("closed_labeled"), labels),
        "binary": one_vs_all_loss(both("binary_labeled"), labels),
        "entropy": one_vs_all_entropy(both("binary_unlabeled")),
        "consistency": one_vs_all_consistency(
            logits["binary_unlabeled_0"], logits["binary_unlabeled_1"]
        ),
    }
    if golden["epoch"] >= golden["start_fix"]:
        strong, weak = logits["closed_strong"], logits["closed_weak"]
        terms["fixmatch"], learns = fixmatch_loss(strong, weak, golden["p_cutoff"])
        assert torch.equal(learns, golden["confident"])
        assert torch.equal(weak.argmax(dim=1), golden["hard_label"])
    weights = {name: golden.get(f"lambda_{name}", 1.0) for name in terms}
    total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
    total.backward()
    for name, term in {**terms, "total": total}.items():
        assert_close(term, golden[f"loss_{name}"])
    check_gradients(golden, logits)


@golden_files("openmatchselect")
def test_golden_openmatch_selection(path: Path) -> None:
    golden = load(path)
    assert torch.equal(select_inliers(golden["closed"], golden["binary"]), golden["selected"])


def check_evaluation(golden: Golden, predict: Any, ending: str = "") -> None:
    """Compares the balanced accuracy over the known classes and all others as one class."""
    classes, labels, predicted = golden["num_known"], [], []
    for rows in ("full", "extended"):
        labels.append(golden[f"labels_{rows}"].clamp(max=classes))
        predicted.append(predict(rows))
        score = balanced_accuracy_score(torch.cat(labels), torch.cat(predicted))
        assert score == pytest.approx(golden[f"open_balanced_{rows}{ending}"], rel=1e-9)


def check_closed_accuracy(golden: Golden, logits: Tensor, ending: str = "") -> None:
    labels = golden["labels_full"]
    known = labels < golden["num_known"]
    correct = logits.argmax(dim=1)[known] == labels[known]
    assert correct.double().mean().item() == pytest.approx(
        golden[f"closed_accuracy{ending}"], rel=1e-9
    )


@golden_files("iomatcheval")
def test_golden_iomatch_evaluation(path: Path) -> None:
    golden = load(path)

    def by_targets(rows: str) -> Tensor:
        target = golden[f"closed_{rows}"].softmax(dim=1)
        return fuse_targets(target, golden[f"binary_{rows}"]).open_set.argmax(dim=1)

    check_closed_accuracy(golden, golden["closed_full"])
    check_closed_accuracy(golden, golden["open_full"][:, :-1], "_by_open_head")
    check_evaluation(golden, lambda rows: golden[f"open_{rows}"].argmax(dim=1))
    check_evaluation(golden, by_targets, "_by_targets")


@golden_files("openmatcheval")
def test_golden_openmatch_evaluation(path: Path) -> None:
    golden = load(path)
    check_closed_accuracy(golden, golden["closed_full"])
    check_evaluation(
        golden, lambda rows: predict_or_reject(golden[f"closed_{rows}"], golden[f"binary_{rows}"])
    )
