"""The hook that ends a run whose numbers went bad: what it finds, names and leaves alone."""

import math
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dnll_plugin.hooks.finite import SKIPPED_STEPS, FiniteHook, NotFiniteError


class Run:
    """Training steps of a linear model around the hook; ``log`` says every how many it logs."""

    def __init__(self, log: int = 1, scaler: Any = None, **options: Any) -> None:
        self.model = torch.nn.Linear(2, 1)
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=1.0)
        self.scaler = scaler
        self.hook = FiniteHook(**options)
        self.algorithm = SimpleNamespace(
            model=self.model, optimizer=self.optimizer, it=0, log_dict={}, num_log_iter=log
        )
        self.algorithm.num_eval_iter = self.algorithm.num_train_iter = 1000

    def step(self, factor: float = 1.0, gradient: float | None = None, **log: Any) -> None:
        self.hook.before_train_step(self.algorithm)
        loss = self.model(torch.ones(1, 2)).sum() * factor
        self.algorithm.out_dict = {"loss": loss}
        self.algorithm.log_dict = log
        (self.scaler.scale(loss) if self.scaler else loss).backward()
        if gradient is not None:
            self.model.bias.grad.fill_(gradient)
        if self.scaler:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        self.optimizer.zero_grad()
        self.hook.after_train_step(self.algorithm)
        self.algorithm.it += 1


def scaler() -> torch.amp.GradScaler:
    return torch.amp.GradScaler("cpu", init_scale=2.0**16)


def message(run: Run, *args: Any, **kwargs: Any) -> str:
    with pytest.raises(NotFiniteError) as caught:
        run.step(*args, **kwargs)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_good_numbers_pass() -> None:
    run = Run()
    for _ in range(5):
        run.step(**{"train/sup_loss": 1.0, "train/util_ratio": math.nan})


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_bad_loss_is_named_with_its_step(bad: float) -> None:
    run = Run(last_checkpoint=lambda: "the last good checkpoint is a.pth")
    run.step()
    text = message(run, bad)
    assert text.startswith("not finite at step 2: loss; the last good checkpoint is a.pth; ")


def test_the_first_bad_step_is_kept_until_it_is_read() -> None:
    run = Run(log=10)
    for factor in [1.0] * 3 + [math.nan] + [1.0] * 5:
        run.step(factor)
    assert "not finite at step 4: loss" in message(run)


@pytest.mark.parametrize("kind", [float, torch.tensor])
def test_a_bad_loss_that_is_logged_is_named(kind: Any) -> None:
    run = Run(log=10)
    for it in range(9):
        run.step(**{"train/unsup_loss": kind(math.inf if it == 4 else 1.0)})
    assert "not finite at step 5: unsup_loss" in message(run)


def test_terms_of_the_plugin_are_named() -> None:
    run = Run(log=10)
    for it in range(10):
        bad = math.nan if it == 6 else 1.0
        run.algorithm.loss_terms = {"sup": torch.tensor(1.0), "negative": torch.tensor(bad)}
        if it < 9:
            run.step(bad)
    assert "not finite at step 7: negative_loss, loss" in message(run)


def test_terms_of_the_toolbox_are_named() -> None:
    text = message(Run(), math.inf, **{"train/sup_loss": 1.0, "train/unsup_loss": math.inf})
    assert "not finite at step 1: unsup_loss, loss" in text


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_bad_gradient_is_named_while_the_loss_is_good(bad: float) -> None:
    run = Run(log=3)
    run.step()
    run.step(gradient=bad)
    with torch.no_grad():  # as if nothing had come of it
        run.model.bias.fill_(0.0)
    assert "not finite at step 2: gradient of bias" in message(run)


def test_a_bad_weight_is_named() -> None:
    run = Run()
    run.algorithm.it = 4
    with torch.no_grad():
        run.model.weight[0, 0] = math.inf
    with pytest.raises(NotFiniteError, match="not finite at step 5: weight"):
        run.hook.check(run.algorithm)


def test_updates_that_the_scaler_leaves_out_end_no_run() -> None:
    run = Run(scaler=scaler())
    for it in range(3 * SKIPPED_STEPS):
        run.step(gradient=math.inf if it % SKIPPED_STEPS else None)
    assert torch.isfinite(run.model.bias).all()


def test_a_streak_of_updates_left_out_ends_the_run() -> None:
    run = Run(scaler=scaler(), log=1000)
    run.step()
    for _ in range(SKIPPED_STEPS - 1):
        run.step(gradient=math.nan)
    assert f"the gradient of {SKIPPED_STEPS} steps in a row" in message(run, gradient=math.nan)


def test_a_loss_that_the_scaler_leaves_out_ends_no_run() -> None:
    run = Run(scaler=scaler())
    run.step(math.inf)
    run.step()


def test_all_ranks_say_what_the_first_to_go_bad_found() -> None:
    from dnll_plugin.hooks.finite import Found

    other = [Found(2, "negative_loss, loss"), None]
    run = Run(log=3, gather=lambda value: [value, other])
    run.step()
    run.step()
    assert "not finite at step 2: negative_loss, loss" in message(run, math.nan)


def test_nothing_is_read_from_the_device_between_log_steps() -> None:
    run = Run(log=1000)
    for parameter in run.model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    meta = run.model.to("meta")
    run.algorithm.out_dict = {"loss": torch.zeros((), device="meta")}
    for parameter in meta.parameters():
        parameter.grad = torch.zeros_like(parameter)
    run.hook.look_at_gradients(run.algorithm)
    run.hook.after_train_step(run.algorithm)  # a tensor on `meta` raises where it is read
    with pytest.raises((RuntimeError, NotImplementedError)):
        run.hook.check(run.algorithm)
