"""What is recorded of a step, and that nothing of it outlives the step."""

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from dnll_plugin.hooks.step_record import StepNotRecordedError, record_step


class Toy:
    """What of an algorithm of the toolbox a step is recorded from."""

    def __init__(self) -> None:
        from semilearn.core.criterions import ConsistencyLoss

        self.args = SimpleNamespace(algorithm="toy")
        self.consistency_loss = ConsistencyLoss()
        self.called: list[str] = []

    def process_batch(self, input_args: Any = None, **batch: Any) -> dict[str, Any]:
        return {name: value for name, value in batch.items() if name != "idx_ulb"}

    def call_hook(self, fn_name: str, hook_name: Any = None, *args: Any, **kwargs: Any) -> str:
        self.called.append(fn_name)
        return fn_name


STRONG, MASK = torch.randn(3, 4, requires_grad=True), torch.tensor([1.0, 0.0, 0.5])
PROBABILITIES = torch.tensor([[0.5, 0.5, 0.0, 0.0]]).repeat(3, 1)


def lose(algorithm: Any, strong: Tensor, **kwargs: Any) -> None:
    algorithm.consistency_loss(strong, strong.argmax(dim=1), **kwargs)


def test_a_step_is_recorded() -> None:
    algorithm = Toy()
    with record_step(algorithm) as record:
        batch = algorithm.process_batch(idx_ulb=torch.tensor([4, 2, 7]), x=torch.ones(1))
        algorithm.call_hook("masking", "MaskingHook", logits_x_ulb=STRONG)
        found = algorithm.call_hook(
            "gen_ulb_targets", "PseudoLabelingHook", logits=PROBABILITIES, softmax=False
        )
        lose(algorithm, STRONG, name="ce", mask=MASK)
    assert batch.keys() == {"x"}
    assert found == "gen_ulb_targets"
    assert record.idx_ulb is not None
    assert record.idx_ulb.tolist() == [4, 2, 7]
    strong, weak, mask = record.masked_rows(algorithm)
    assert strong is STRONG
    assert torch.equal(weak, PROBABILITIES.log())
    assert torch.equal(mask, MASK)


def test_the_first_loss_with_a_mask_counts() -> None:
    algorithm = Toy()
    with record_step(algorithm) as record:
        algorithm.call_hook("masking", logits_x_ulb=STRONG)
        lose(algorithm, torch.zeros(3, 4))
        algorithm.consistency_loss(STRONG, STRONG.argmax(dim=1), "ce", MASK)  # not by name
        algorithm.call_hook("masking", logits_x_ulb=torch.zeros(3, 4))
        lose(algorithm, torch.zeros(3, 4), mask=torch.zeros(3))
    strong, weak, mask = record.masked_rows(algorithm)
    assert strong is STRONG
    assert torch.equal(weak, STRONG)
    assert not weak.requires_grad
    assert torch.equal(mask, MASK)


@pytest.mark.parametrize(
    ("does", "missing"),
    [
        ((), "no strong logits and no mask"),
        (("masking",), "no strong logits and no mask"),
        (("loss",), "no weak prediction: it calls neither hook masking nor gen_ulb_targets"),
        (("loss", "masking"), "no weak prediction"),
    ],
)
def test_what_a_step_leaves_out_is_named(does: tuple[str, ...], missing: str) -> None:
    """Also in the step after one that was whole: nothing of that one is used."""
    algorithm = Toy()
    for calls in (("masking", "loss"), does):
        with record_step(algorithm) as record:
            for call in calls:
                if call == "masking":
                    algorithm.call_hook(call, logits_x_ulb=STRONG)
                else:
                    lose(algorithm, STRONG, mask=MASK)
    with pytest.raises(StepNotRecordedError, match=f"toy: its train_step hands over {missing}"):
        record.masked_rows(algorithm)


def test_records_within_each_other_see_the_same_and_leave_nothing() -> None:
    algorithm = Toy()
    before = vars(algorithm).copy()
    with record_step(algorithm) as outer, record_step(algorithm) as inner:
        algorithm.call_hook("masking", logits_x_ulb=STRONG)
        lose(algorithm, STRONG, mask=MASK)
    for record in (outer, inner):
        strong, weak, mask = record.masked_rows(algorithm)
        assert strong is STRONG
        assert torch.equal(weak, STRONG)
        assert torch.equal(mask, MASK)
    assert vars(algorithm) == before
    assert not algorithm.consistency_loss._forward_hooks
    algorithm.call_hook("masking", logits_x_ulb=STRONG)
    assert algorithm.called == ["masking", "masking"]


def fail_while_recording(algorithm: Any) -> None:
    with record_step(algorithm):
        raise KeyError


def test_a_step_that_fails_leaves_nothing() -> None:
    algorithm = Toy()
    before = vars(algorithm).copy()
    with pytest.raises(KeyError):
        fail_while_recording(algorithm)
    assert vars(algorithm) == before
    assert not algorithm.consistency_loss._forward_hooks
