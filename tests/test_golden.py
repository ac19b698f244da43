"""Our step on the logits of the golden vectors gives what the authors' code computed."""

import os
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import semilearn  # noqa: F401  (before the hooks, which it registers)
import torch
import torch.nn.functional as F
from torch import Tensor

from dnll_plugin.functional.class_shrinking import (
    shrink_classes,
    shrink_loss,
    shrunk_cross_entropy,
    weigh_rows,
)
from dnll_plugin.functional.clustering import local_clustering_loss
from dnll_plugin.functional.full_match import (
    adaptive_negative_loss,
    choose_roles,
    entropy_meaning_loss,
)
from dnll_plugin.functional.losses import (
    Heads,
    NegativeLabels,
    consistency,
    dual_losses,
    meanteacher_losses,
    negative_label_loss,
)
from dnll_plugin.functional.negatives import find_top_k
from dnll_plugin.functional.schedules import negative_label_weight, sigmoid_rampup
from dnll_plugin.functional.stability import rows_without_pull, stable_rows
from dnll_plugin.hooks.alignment import ALIGNMENTS
from dnll_plugin.hooks.certainty import CertaintyHook

GOLDEN = Path(os.environ.get("DNLL_GOLDEN_DIR") or Path(__file__).parent / "data" / "golden")
TOLERANCE = 1e-9


@pytest.fixture(params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)], autouse=True)
def device(request: pytest.FixtureRequest) -> Iterator[None]:
    """Has tensors made on a device, for those that a test makes and those that it loads."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA here")
    with torch.device(request.param):
        yield


def load(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {
            name: torch.from_numpy(array).to(torch.get_default_device())
            if array.ndim
            else array.item()
            for name, array in arrays.items()
        }


def files(prefix: str) -> list[Path]:
    found = sorted(GOLDEN.glob(f"{prefix}_*.npz"))
    assert found, f"no {prefix}_*.npz in {GOLDEN}"
    return found


def golden_files(prefix: str) -> Any:
    return pytest.mark.parametrize("path", files(prefix), ids=lambda path: path.stem)


def assert_close(found: Tensor, wanted: Tensor | float) -> None:
    wanted = torch.as_tensor(wanted, dtype=torch.float64)
    scale = wanted.abs().max().clamp(min=1e-300)
    assert ((found.double() - wanted).abs().max() / scale).item() <= TOLERANCE


def weights(golden: dict[str, Any]) -> dict[str, float]:
    """The published weights at the epoch of the vector."""
    t = golden["epoch"]
    return {
        "sup": 1.0,
        "consistency": 10.0 * sigmoid_rampup(t, 5),
        "stabilization": 100.0 * sigmoid_rampup(t, 5),
        "negative": negative_label_weight(t, 75, 100, 15, 2),
        "logit_distance": golden["logit_distance_cost"],
    }


def heads(golden: dict[str, Any], side: str) -> Heads:
    return Heads(
        golden[f"{side}_class"].clone().requires_grad_(),
        golden[f"{side}_cons"].clone().requires_grad_(),
    )


def labeled_first(heads: Heads, num_unlabeled: int) -> tuple[Heads, Heads]:
    """The labeled and the unlabeled rows of golden rows, which have the unlabeled ones first."""
    unlabeled, labeled = heads.split(num_unlabeled)
    return labeled, unlabeled


def scatter_rows(rows: Tensor, values: Tensor, length: int) -> Tensor:
    full = torch.zeros(length, *values.shape[1:], dtype=values.dtype)
    full[rows] = values
    return full


def total(terms: dict[str, Tensor], weights: dict[str, float]) -> Tensor:
    return torch.stack([weights[name] * term for name, term in terms.items()]).sum()


@golden_files("dual")
@pytest.mark.parametrize("side", ["left", "right"])
def test_golden_dual_rows(path: Path, side: str) -> None:
    golden = load(path)
    unlabeled = golden["num_unlabeled"]
    stable, inconsistency = {}, {}
    for name in ("left", "right"):
        own, other = golden[f"{name}_class"][:unlabeled], golden[f"{name}_other_view_class"]
        stable[name] = stable_rows(own, other[:unlabeled], golden["stable_threshold"])
        inconsistency[name] = consistency(
            golden[f"{name}_cons"][:unlabeled], other[:unlabeled], golden["consistency_type"]
        )
    peer = {"left": "right", "right": "left"}[side]
    rows = rows_without_pull(stable[side], stable[peer], inconsistency[side], inconsistency[peer])
    assert rows.nonzero().flatten().tolist() == sorted(golden[f"{side}_negative_rows"].tolist())


@golden_files("dual")
@pytest.mark.parametrize("side", ["left", "right"])
def test_golden_dual_loss_and_gradient(path: Path, side: str) -> None:
    golden = load(path)
    unlabeled = golden["num_unlabeled"]
    rows = golden[f"{side}_negative_rows"]
    learns = scatter_rows(rows, torch.ones_like(rows), unlabeled).bool()
    negatives = scatter_rows(rows, golden[f"{side}_negative_mask"], unlabeled).bool()
    peer = {"left": "right", "right": "left"}[side]
    learner = heads(golden, side)
    other = golden[f"{side}_other_view_class"]
    other = torch.cat((other[unlabeled:], other[:unlabeled]))
    terms = dual_losses(
        *labeled_first(learner, unlabeled),
        labels=golden["target"][unlabeled:],
        other_view=other,
        pull_target=golden[f"{peer}_class"][:unlabeled],
        negatives=NegativeLabels(negatives, learns),
        kind=golden["consistency_type"],
    )
    loss = total(terms, weights(golden))
    loss.backward()
    assert_close(terms["negative"], golden[f"{side}_negative_loss"])
    assert_close(loss, golden[f"{side}_total_loss"])
    assert_close(learner.class_logits.grad, golden[f"grad_{side}_class"])
    assert_close(learner.cons_logits.grad, golden[f"grad_{side}_cons"])


@golden_files("dual")
@pytest.mark.parametrize("side", ["left", "right"])
def test_golden_dual_negatives_come_from_the_peers_other_view(path: Path, side: str) -> None:
    golden = load(path)
    peer = {"left": "right", "right": "left"}[side]
    predicted = golden[f"{peer}_other_view_class"].argmax(dim=1)
    rows, source = golden[f"{side}_negative_rows"], golden[f"{side}_negative_source"]
    assert torch.equal(predicted[rows], source)
    assert not golden[f"{side}_negative_mask"].bool().gather(1, source.unsqueeze(1)).any()


@golden_files("meanteacher")
def test_golden_meanteacher_loss_and_gradient(path: Path) -> None:
    golden = load(path)
    unlabeled = golden["num_unlabeled"]
    student = heads(golden, "student")
    terms = meanteacher_losses(
        *labeled_first(student, unlabeled),
        labels=golden["target"][unlabeled:],
        teacher=golden["teacher_class"],
        negatives=golden["negative_mask"].bool(),
        kind=golden["consistency_type"],
    )
    loss = total(terms, weights(golden))
    loss.backward()
    assert torch.equal(golden["student_other_view_class"].argmax(dim=1), golden["negative_source"])
    assert_close(terms["negative"], golden["negative_loss"])
    assert_close(loss, golden["total_loss"])
    assert_close(student.class_logits.grad, golden["grad_student_class"])
    assert_close(student.cons_logits.grad, golden["grad_student_cons"])


@golden_files("dual")
def test_golden_negative_loss_alone(path: Path) -> None:
    golden = load(path)
    rows = golden["left_negative_rows"]
    loss = negative_label_loss(golden["left_cons"][rows], golden["left_negative_mask"].bool())
    assert_close(loss, golden["left_negative_loss"])


@golden_files("local_clustering")
def test_local_clustering(path: Path) -> None:
    golden = load(path)
    labeled, unlabeled = (
        golden[f"{kind}_features"].requires_grad_() for kind in ("labeled", "unlabeled")
    )
    loss = local_clustering_loss(labeled, unlabeled, golden["threshold"])
    assert_close(loss.detach(), golden["loss"])
    for kind, gradient in zip(
        ("labeled", "unlabeled"), torch.autograd.grad(loss, (labeled, unlabeled)), strict=True
    ):
        assert_close(gradient, golden[f"grad_{kind}"])


@pytest.mark.parametrize("path", [*files("fullmatch"), *files("fullflex")], ids=lambda p: p.stem)
def test_golden_full_match(path: Path) -> None:
    golden = load(path)
    weak, threshold = golden["logits_ulb_w"], golden["p_cutoff"]
    labeled, strong = (golden[f"logits_{rows}"].requires_grad_() for rows in ("lb", "ulb_s"))
    confidence, label = weak.softmax(dim=1).max(dim=1)
    progress = golden["class_acc"][label] if "class_acc" in golden else torch.ones(())
    mask = (confidence >= threshold * progress / (2 - progress)).double()
    top_k = find_top_k(weak, strong)
    roles = choose_roles(strong, weak, mask, top_k, threshold)
    assert top_k == golden["k"]
    assert torch.equal(mask, golden["mask"])
    assert torch.equal(roles.negatives, golden["negatives"])
    assert torch.equal(roles.evened, golden["entropy_classes"])

    terms = {
        "sup": F.cross_entropy(labeled, golden["labels"]),
        "unsup": (F.cross_entropy(strong, label, reduction="none") * mask).mean(),
        "negative": adaptive_negative_loss(strong, roles.negatives),
        "entropy": entropy_meaning_loss(strong, roles, top_k),
    }
    loss = torch.stack(list(terms.values())).sum()
    loss.backward()
    for name, term in {**terms, "total": loss}.items():
        assert_close(term, golden[name])
    assert_close(strong.grad, golden["grad_logits_ulb_s"])
    assert_close(labeled.grad, golden["grad_logits_lb"])


ONE_RANK = SimpleNamespace(distributed=False, world_size=1, num_iter_per_epoch=1024)
ALIGNED_BY = {"queue": ("queue", "pointer"), "average": ("average",)}


def align_golden(golden: dict[str, Any], kind: str, raw: Tensor) -> Tensor:
    """The aligned predictions, from the state before; the state after is checked."""
    if not golden["use_distribution_alignment"]:
        return raw
    names = {name: name.replace("pointer", "queue_pointer") for name in ALIGNED_BY[kind]}
    before = {name: golden[f"{stored}_before"] for name, stored in names.items()}
    hook = ALIGNMENTS[kind]()
    if golden.get("step") != 0:
        hook.load_state_dict(before, raw.device)
    target = hook.dist_align(ONE_RANK, raw)
    for name, stored in names.items():
        assert_close(torch.as_tensor(hook.state_dict()[name]), golden[f"{stored}_after"])
    return target


@pytest.mark.parametrize(
    "path", [*files("shrinkmatch"), *files("stl_shrinkmatch")], ids=lambda path: path.stem
)
def test_golden_shrinkmatch(path: Path) -> None:
    golden, is_stl = load(path), path.stem.startswith("stl_")
    views = ("labeled_logits", "weak_logits", "strong_logits", "strong_aux_logits")
    labeled, weak, strong, auxiliary = (golden[name].requires_grad_() for name in views)
    raw = weak.detach().softmax(dim=1)
    target = align_golden(golden, "average" if is_stl else "queue", raw)
    certain = (target.amax(dim=1) >= golden["threshold"]).double()
    shrunk = shrink_classes(raw if is_stl else target, golden["threshold"])
    weights = weigh_rows(shrunk, target, certain)
    learned = target.argmax(dim=1) if is_stl else target
    hook = CertaintyHook(0.999, restarts=not is_stl)
    step = golden["step" if is_stl else "step_in_epoch"]
    if step > 0:
        hook.share = torch.tensor(golden["certain_ratio_before"], dtype=torch.float64)
    share = hook.update(SimpleNamespace(**vars(ONE_RANK), it=step), certain)

    terms = {
        "labeled": F.cross_entropy(labeled, golden["labels"]),
        "certain": (F.cross_entropy(strong, learned, reduction="none") * certain).mean(),
        "shrink": shrink_loss(auxiliary, shrunk, weights),
    }
    weighted = share * terms["shrink"]
    weight = golden.get("lambda_unlabeled", 1.0)
    loss = terms["labeled"] + weight * (terms["certain"] + weighted)
    loss.backward()
    for name, term in {**terms, "shrink_weighted": weighted, "total": loss}.items():
        assert_close(term, golden[f"loss_{name}"])
    assert_close(target, golden["target"])
    assert_close(share, golden["certain_ratio_after"])
    assert_close(weights, golden["row_weight"])
    assert torch.equal(certain.bool(), golden["confident"])
    for name, logits in zip(views, (labeled, weak, strong, auxiliary), strict=True):
        assert_close(
            torch.zeros(()) if logits.grad is None else logits.grad, golden[f"grad_{name}"]
        )

    rows = ~golden["confident"]
    row_loss = shrunk_cross_entropy(auxiliary, shrunk.kept, shrunk.label)
    top_class = golden["shrink_class" if is_stl else "top_class"]
    assert torch.equal(shrunk.label[rows], top_class[rows])
    assert torch.equal(shrunk.first_kept_rank[rows], golden["first_kept_rank"][rows])
    assert torch.equal(~shrunk.kept[rows], golden["removed"][rows])
    assert torch.equal(shrunk.satisfied[rows], golden["satisfied"][rows])
    if rows.any():
        assert_close(shrunk.confidence[rows], golden["shrunk_confidence"][rows])
        assert_close(row_loss[rows], golden["row_loss"][rows])
