"""ShrinkMatch: its step on golden logits, its auxiliary head, its state."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
STL10 = (
    *("certain_target=hard", "alignment=average", "shrink_by=raw"),
    *("auxiliary_rows=all", "restart_share=false"),
)


def load(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


@pytest.mark.parametrize(
    "path", sorted(GOLDEN.glob("*shrinkmatch_*.npz")), ids=lambda path: path.stem
)
def test_the_step_gives_the_authors_loss_on_their_logits(build: Any, path: Path) -> None:
    golden, is_stl = load(path), path.stem.startswith("stl_")
    alignment = () if golden["use_distribution_alignment"] else ("alignment=none",)
    weight = f"ulb_loss_ratio={golden.get('lambda_unlabeled', torch.ones(())).item()}"
    algorithm = build("shrinkmatch", *(STL10 if is_stl else ()), *alignment, weight)
    algorithm.p_cutoff = golden["threshold"].item()
    algorithm.it = int(golden["step" if is_stl else "step_in_epoch"])
    if algorithm.it:
        algorithm.hooks_dict["CertaintyHook"].share = golden["certain_ratio_before"]
    if not alignment and (algorithm.it or not is_stl):
        before = (
            {"average": golden["average_before"]}
            if is_stl
            else {
                "queue": golden["queue_before"],
                "pointer": int(golden["queue_pointer_before"]),
            }
        )
        algorithm.hooks_dict["DistAlignHook"].load_state_dict(before, torch.device("cpu"))
    views = ("labeled_logits", "weak_logits", "strong_logits", "strong_aux_logits")
    logits = [golden[view].requires_grad_() for view in views]
    algorithm.num_iter_per_epoch = 1024
    algorithm.forward_views = lambda *_: logits
    nothing = torch.zeros(0)
    out, log = algorithm.train_step(nothing, golden["labels"], nothing, nothing)
    out["loss"].backward()
    torch.testing.assert_close(out["loss"], golden["loss_total"], rtol=1e-9, atol=0)
    torch.testing.assert_close(
        log["train/certain_share"], golden["certain_ratio_after"], rtol=1e-9, atol=0
    )
    for view, tensor in zip(views, logits, strict=True):
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        torch.testing.assert_close(gradient, golden[f"grad_{view}"], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("changes", [(), STL10, ("alignment=none",)])
def test_with_a_separate_pass_for_each_view_the_logits_are_the_same(
    build: Any, changes: tuple[str, ...]
) -> None:
    algorithm = build("shrinkmatch", *changes)
    algorithm.model.eval()  # batch norm gives the same in one pass and in three
    images = torch.randn(4, 3, 8, 8), torch.randn(6, 3, 8, 8), torch.randn(6, 3, 8, 8)
    together = algorithm.forward_views(*images)
    algorithm.use_cat = False
    apart = algorithm.forward_views(*images)
    assert [len(logits) for logits in together] == [4, 6, 6, 6]
    for one, other in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other)
    feat = algorithm.model(images[2])["feat"]
    torch.testing.assert_close(together[3], algorithm.model.auxiliary_head(feat))


@pytest.mark.parametrize(("changes", "rows"), [((), 6), (STL10, 16)])
def test_the_auxiliary_head_sees_the_strong_rows_or_all(
    build: Any, changes: tuple[str, ...], rows: int
) -> None:
    algorithm = build("shrinkmatch", *changes)
    seen: list[int] = []
    algorithm.model.auxiliary_head.register_forward_hook(
        lambda _, args, __: seen.append(len(args[0]))
    )
    algorithm.forward_views(
        torch.randn(4, 3, 8, 8), torch.randn(6, 3, 8, 8), torch.randn(6, 3, 8, 8)
    )
    assert seen == [rows]


def test_both_heads_learn_and_both_are_averaged(build: Any, steps: Any) -> None:
    algorithm = build("shrinkmatch", "net=cnn3_one_head", "p_cutoff=0.15", "ema_m=0.9")
    before = {name: value.clone() for name, value in algorithm.model.state_dict().items()}
    logs = steps(algorithm, 12)
    assert max(log["train/uncertain_loss"].item() for log in logs) > 0
    average = algorithm.ema_model.state_dict()
    for name, parameter in algorithm.model.named_parameters():
        if parameter.ndim > 1:  # a bias before a batch norm has no effect, and no gradient
            assert not torch.equal(parameter, before[name]), name
            assert not torch.equal(average[name], before[name]), name


def test_no_number_is_brought_to_the_host(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build("shrinkmatch")
    batch = {name: torch.randn(6, 3, 8, 8) for name in ("x_lb", "x_ulb_w", "x_ulb_s")}

    def poisoned(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the step brings a number to the host")

    for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, poisoned)
    for algorithm.it in range(2):
        out, _ = algorithm.train_step(**batch, y_lb=torch.arange(6))
        out["loss"].backward()


def test_mixed_precision(build: Any, steps: Any) -> None:
    log = steps(build("shrinkmatch", "amp=true", "p_cutoff=0.3"), 2)[1]
    assert log["train/uncertain_loss"].dtype == torch.float32
    assert log["train/total_loss"].isfinite()
