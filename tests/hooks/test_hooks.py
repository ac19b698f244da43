"""The hooks that algorithms call, and the records of a run, without a training loop."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from dnll_plugin.functional.negatives import default_num_negatives
from dnll_plugin.hooks.monitor import MonitorHook, average_by_kind, is_log_step
from dnll_plugin.hooks.negative_label import NegativeLabelHook
from dnll_plugin.hooks.role_swap import RoleSwapHook
from dnll_plugin.training import metrics

ALONE = SimpleNamespace(distributed=False, rank=0, world_size=1)


def test_mutual_roles_never_change() -> None:
    hook = RoleSwapHook("mutual")
    assert hook.learners(SimpleNamespace(it=7)) == ("left", "right")
    assert hook.updates(5) == {"left": 5, "right": 5}


def test_alternate_roles_swap_every_iteration() -> None:
    hook = RoleSwapHook("alternate")
    turns = [hook.learners(SimpleNamespace(it=it)) for it in range(5)]
    assert turns == [("left",), ("right",), ("left",), ("right",), ("left",)]
    assert hook.updates(5) == {"left": 3, "right": 2}


def test_unknown_roles_are_named() -> None:
    with pytest.raises(ValueError, match="roles must be 'mutual' or 'alternate', got 'both'"):
        RoleSwapHook("both")


@pytest.mark.parametrize(("classes", "number"), [(2, 1), (3, 2), (100, 2)])
def test_default_number_of_negatives(classes: int, number: int) -> None:
    assert default_num_negatives(classes) == number


@pytest.mark.parametrize("number", [0, 10, -1])
def test_number_of_negatives_out_of_range(number: int) -> None:
    with pytest.raises(ValueError, match="num_negatives must be between 1 and 9"):
        NegativeLabelHook(10, number, "uniform", 0)


def test_draws_go_on_from_a_saved_state() -> None:
    hook, other = (NegativeLabelHook(10, 2, "uniform", seed) for seed in (0, 1))
    logits = torch.zeros(50, 10)
    hook.gen_negatives(ALONE, logits)
    other.load_state_dict(hook.state_dict(), torch.device("cpu"))
    assert torch.equal(hook.gen_negatives(ALONE, logits), other.gen_negatives(ALONE, logits))


@pytest.mark.parametrize("size", [16, 44])
def test_draws_begin_anew_from_another_kind_of_device(size: int) -> None:
    """CUDA's generators have a state of 16 bytes, MPS' one of 44, the CPU's one of 5,056."""
    hook, other = (NegativeLabelHook(10, 2, "uniform", 0) for _ in range(2))
    other.load_state_dict({"generator": torch.zeros(size, dtype=torch.uint8)}, torch.device("cpu"))
    logits = torch.zeros(50, 10)
    assert torch.equal(hook.gen_negatives(ALONE, logits), other.gen_negatives(ALONE, logits))


def test_a_run_on_a_gpu_that_drew_nothing_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """The state is then of the CPU's generator, which gives way to one on the GPU when it draws."""
    saved = NegativeLabelHook(10, 2, "uniform", 0).state_dict()
    hook = NegativeLabelHook(10, 2, "uniform", 0)
    on_gpu = SimpleNamespace(get_state=lambda: torch.zeros(16, dtype=torch.uint8))
    with monkeypatch.context() as patched:
        patched.setattr(torch, "Generator", lambda device: on_gpu)
        hook.load_state_dict(saved, torch.device("cuda"))
    assert hook.generator.device.type == "cpu"
    assert torch.equal(hook.generator.get_state(), saved["generator"])


def test_draws_leave_the_global_generator_alone() -> None:
    before = torch.get_rng_state()
    NegativeLabelHook(10, 2, "uniform", 0).gen_negatives(ALONE, torch.zeros(5, 10))
    assert torch.equal(before, torch.get_rng_state())


def test_count_of_no_rows_does_not_divide_by_zero() -> None:
    hook = NegativeLabelHook(10, 2, "uniform", 0)
    assert hook.count_rows(ALONE, torch.zeros(4, dtype=torch.bool)).item() == 1


def test_monitor_measures_with_the_hidden_labels() -> None:
    dataset = SimpleNamespace(targets=[0, 1, 2, 1])
    loader = SimpleNamespace(dataset=dataset)
    algorithm = SimpleNamespace(args=SimpleNamespace(), loader_dict={"train_ulb": loader})
    negatives = torch.tensor([[True, False, True], [False, True, False]])
    seen = MonitorHook().observe(
        algorithm, torch.tensor([2, 3]), negatives, torch.tensor([True, False])
    )
    assert {name: value.item() for name, value in seen.items()} == {
        "util_ratio": 0.5,
        "negative_ratio": 0.5,
        "negative_acc": 0.5,
    }


def test_labels_that_are_known_of_the_labeled_images_alone_do_not_count() -> None:
    loader = SimpleNamespace(dataset=SimpleNamespace(targets=[0, -1, 2, -1]))
    algorithm = SimpleNamespace(args=SimpleNamespace(), loader_dict={"train_ulb": loader})
    seen = MonitorHook().observe(
        algorithm, torch.arange(4), torch.ones(4, 3, dtype=torch.bool), torch.ones(4)
    )
    assert seen["negative_acc"].isnan()


def test_monitor_tells_strangers_from_the_others() -> None:
    dataset = SimpleNamespace(targets=[0, -1, 2, -1])
    loader = SimpleNamespace(dataset=dataset)
    algorithm = SimpleNamespace(
        args=SimpleNamespace(ood_classes=4), loader_dict={"train_ulb": loader}
    )
    seen = MonitorHook().observe(
        algorithm,
        torch.tensor([0, 1, 2, 3]),
        torch.ones(4, 3, dtype=torch.bool),
        torch.tensor([1.0, 0.5, 0.0, 0.0]),
    )
    found = {name: value.item() for name, value in seen.items() if name.endswith("lier")}
    assert found == {
        "util_ratio_inlier": 0.5,
        "util_ratio_outlier": 0.75,
        "negative_ratio_inlier": 0.5,
        "negative_ratio_outlier": 0.25,
    }
    assert seen["negative_acc"].item() == pytest.approx(2 / 3)  # of known rows only


def test_a_batch_without_strangers_has_no_share_of_them() -> None:
    shares = average_by_kind("used", torch.tensor([True, False]), torch.tensor([False, False]))
    assert shares["used_inlier"].item() == 0.5
    assert shares["used_outlier"].isnan()


def test_log_steps() -> None:
    algorithm = SimpleNamespace(num_log_iter=3, num_eval_iter=5, num_train_iter=11)
    logged = [it + 1 for it in range(11) if is_log_step(SimpleNamespace(it=it, **vars(algorithm)))]
    assert logged == [3, 5, 6, 9, 10, 11]


def test_records_after_a_step_are_dropped_and_so_is_a_line_cut_off(tmp_path: Path) -> None:
    file = tmp_path / "metrics.jsonl"
    file.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n{"st')
    metrics.truncate(file, 2)
    assert file.read_text() == '{"step": 1}\n{"step": 2}\n'


def test_a_number_that_is_not_finite_is_none() -> None:
    assert metrics.number(torch.tensor(float("nan"))) is None
    assert metrics.number(torch.tensor(1.5)) == 1.5
    assert metrics.number(3) == 3
