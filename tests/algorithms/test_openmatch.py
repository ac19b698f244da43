"""OpenMatch: its step on golden logits, the images that it chooses, what it says of others."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from dnll_plugin.datasets.subset import CHOSEN, WHOLE
from dnll_plugin.functional.one_vs_all import select_inliers

GOLDEN = Path(__file__).parents[1] / "data" / "golden"
OPEN_SET = ("num_classes=6", "num_labels=12", "batch_size=12", "ood_classes=4", "ulb_ood=0.3")


def load(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return {name: torch.from_numpy(np.asarray(array)) for name, array in arrays.items()}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("openmatch_*.npz")), ids=lambda path: path.stem)
def test_the_step_gives_the_authors_loss_on_their_logits(build: Any, path: Path) -> None:
    golden = load(path)
    names = {"fix_cutoff": "p_cutoff", "entropy_weight": "lambda_entropy"}
    names["consistency_weight"] = "lambda_consistency"
    weights = [f"{key}={golden[name].item()}" for key, name in names.items()]
    algorithm = build("openmatch", *OPEN_SET, *weights)
    logits = {name: golden[name].requires_grad_() for name in golden if f"grad_{name}" in golden}
    both = {
        name: torch.cat((logits[f"{name}_0"], logits[f"{name}_1"]))
        for name in ("closed_labeled", "binary_labeled", "binary_unlabeled")
    }
    first = {
        "logits": torch.cat(
            (both["closed_labeled"], torch.zeros(24, len(logits["closed_weak"].T)))
        ),
        "logits_binary": torch.cat((both["binary_labeled"], both["binary_unlabeled"])),
    }
    second = {"logits": torch.cat((logits["closed_weak"], logits["closed_strong"]))}
    outputs = iter((first, second))
    algorithm.forward_parts = lambda *_, **__: next(outputs)
    nothing, rows = torch.zeros(0), torch.zeros(8)
    chosen = nothing if golden["epoch"] >= golden["start_fix"] else None
    out, _ = algorithm.train_step(
        rows, golden["labels"], nothing, nothing, rows, x_chosen_w=chosen, x_chosen_s=chosen
    )
    out["loss"].backward()
    torch.testing.assert_close(out["loss"], golden["loss_total"], rtol=1e-9, atol=0)
    for name, tensor in logits.items():
        gradient = torch.zeros_like(tensor) if tensor.grad is None else tensor.grad
        torch.testing.assert_close(gradient, golden[f"grad_{name}"], rtol=1e-9, atol=1e-12)


def test_fixmatch_begins_at_its_epoch_on_batches_of_its_own(build: Any, steps: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET, "start_fix=2", "uratio=3", "consistency_uratio=2")
    rows: list[list[int]] = []
    algorithm.model.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    logs = steps(algorithm, 2 * algorithm.num_iter_per_epoch + 1)
    first, second = 2 * 12 + 2 * 24, 2 * 36
    assert rows == [first] * (len(logs) - 1) + [first, second]
    assert "train/unsup_loss" not in logs[-2]
    assert logs[-1]["train/unsup_loss"] > 0


@pytest.mark.parametrize("data_on", ["loaders", "device"])
def test_the_averaged_net_chooses_each_epoch_anew(build: Any, steps: Any, data_on: str) -> None:
    algorithm = build("openmatch", *OPEN_SET, "start_fix=0", f"data_on={data_on}", "ema_m=0.5")
    hook = algorithm.hooks_dict["InliersHook"]
    drawn = []
    for wanted in (torch.arange(7), torch.tensor([3, 5])):
        # the averaged net's one-vs-all classifiers accept these images only
        number = len(algorithm.loader_dict["train_ulb"].dataset)

        def choose(algorithm: Any, images: Any, number: int, wanted: Any = wanted) -> None:
            assert sum(len(batch["x_ulb_w"]) for batch in images) == number
            hook.chosen = torch.zeros(number, dtype=torch.bool)
            hook.chosen[wanted] = True
            hook.epoch = algorithm.it // algorithm.num_iter_per_epoch

        hook.choose = choose
        algorithm.epoch = algorithm.it // algorithm.num_iter_per_epoch
        algorithm.call_hook("before_train_epoch", "LoaderPositionHook")
        places: set[int] = set()
        for _ in range(algorithm.num_iter_per_epoch):
            places |= set(algorithm.next_chosen()["idx_ulb"].tolist())
            algorithm.it += 1
        drawn.append(places)
        assert places == set(wanted.tolist())
        assert hook.state_dict()["chosen"].sum() == len(wanted)
        assert number == hook.chosen.numel()
    assert drawn[1] < drawn[0]


def test_it_chooses_by_the_averaged_net_in_evaluation_mode(build: Any, steps: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET, "net=cnn3_one_head", "start_fix=0", "ema_m=0.9")
    steps(algorithm, 3)
    loaders, hook = algorithm.loader_dict, algorithm.hooks_dict["InliersHook"]
    number = len(loaders["train_ulb"].dataset)
    average = algorithm.ema_model
    before = {name: value.clone() for name, value in average.state_dict().items()}
    loaders[WHOLE].batch_sampler.start(0, 0)
    expected = torch.zeros(number, dtype=torch.bool)
    average.eval()
    with torch.no_grad():
        for batch in loaders[WHOLE]:
            outputs = average(batch["x_ulb_w"], heads_from=0)
            chosen = select_inliers(outputs["logits"], outputs["logits_binary"])
            expected[batch["idx_ulb"]] = chosen
    average.train()
    hook.choose(algorithm, loaders[WHOLE], number)
    assert 0 < expected.sum() < number
    assert torch.equal(hook.chosen, expected)
    assert average.training
    for name, value in average.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_where_no_image_passes_the_last_choice_stays(build: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET)
    hook = algorithm.hooks_dict["InliersHook"]
    number = len(algorithm.loader_dict["train_ulb"].dataset)
    with torch.no_grad():  # each classifier says "not of my class"
        algorithm.ema_model.binary_head.register_forward_hook(
            lambda _, __, out: torch.cat((torch.ones_like(out[:, :6]), -out[:, 6:].abs()), dim=1)
        )
    hook.choose(algorithm, algorithm.loader_dict[WHOLE], number)
    assert hook.chosen is None
    last = hook.chosen = torch.arange(number) < 5
    hook.choose(algorithm, algorithm.loader_dict[WHOLE], number)
    assert hook.chosen is last


def test_it_tells_how_many_of_either_kind_it_chose(build: Any, steps: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET, "start_fix=0", "num_log_iter=1")
    log = steps(algorithm, 1)[0]
    both = log["train/chosen_ratio_inlier"], log["train/chosen_ratio_outlier"]
    assert min(both) <= log["train/chosen_ratio"] <= max(both)
    assert log["train/chosen_ratio"] == algorithm.hooks_dict["InliersHook"].chosen.float().mean()


def test_images_lie_on_the_device_once(build: Any) -> None:
    loaders = build("openmatch", *OPEN_SET, "data_on=device").loader_dict
    assert loaders[CHOSEN].images is loaders["train_ulb"].images
    assert loaders[WHOLE].images is loaders["train_ulb"].images
    assert loaders["train_lb"].images is not loaders["train_ulb"].images


def test_with_a_separate_pass_for_each_view_the_logits_are_the_same(build: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET)
    algorithm.model.eval()
    images = torch.randn(4, 3, 8, 8), torch.randn(6, 3, 8, 8)
    together = algorithm.forward_parts(*images, heads_from=0)
    algorithm.use_cat = False
    apart = algorithm.forward_parts(*images, heads_from=0)
    assert together["logits_binary"].shape == (10, 12)
    for name, output in together.items():
        torch.testing.assert_close(output, apart[name])


def test_what_it_says_of_unknown_images(build: Any) -> None:
    algorithm = build("openmatch", *OPEN_SET)
    algorithm.model.eval()
    images = torch.randn(40, 3, 8, 8)
    score, predicted = algorithm.score_unknown(images), algorithm.classify_open_set(images)
    assert score.shape == predicted.shape == (40,)
    assert not score.requires_grad
    closed = algorithm.model(images)["logits"].argmax(dim=1)
    assert torch.equal(predicted == 6, score > 0.5)
    assert torch.equal(predicted[score <= 0.5], closed[score <= 0.5])


def test_no_number_is_brought_to_the_host(build: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    algorithm = build("openmatch", *OPEN_SET)
    names = ("x_lb", "x_lb_2", "x_ulb_w", "x_ulb_s", "x_chosen_w", "x_chosen_s")
    batch = {name: torch.randn(6, 3, 8, 8) for name in names}

    def poisoned(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        raise AssertionError("the step brings a number to the host")

    for name in ("item", "cpu", "numpy", "tolist", "__bool__", "__float__", "__int__", "nonzero"):
        monkeypatch.setattr(torch.Tensor, name, poisoned)
    out, _ = algorithm.train_step(**batch, y_lb=torch.arange(6))
    out["loss"].backward()


def test_mixed_precision(build: Any, steps: Any) -> None:
    log = steps(build("openmatch", *OPEN_SET, "amp=true", "start_fix=0"), 2)[1]
    assert log["train/entropy_loss"].dtype == torch.float32
    assert log["train/total_loss"].isfinite()
