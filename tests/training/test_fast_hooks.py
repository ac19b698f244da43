"""The faster hooks compute what the toolbox's own compute, bit for bit."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.commands.main import main

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = [
    *("num_train_iter=25", "epoch=5", "num_eval_iter=25", "num_log_iter=25", "batch_size=10"),
    *("uratio=2", "img_size=8", "eval_batch_size=500", "ema_m=0.9"),
]


def same(a: object, b: object) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


@pytest.mark.parametrize(
    "changes",
    [
        ["algorithm=dnll_dual"],
        ["algorithm=dnll_meanteacher"],
        ["algorithm=meanteacher"],
        ["algorithm=flexmatch", "p_cutoff=0.2"],
        # fewer images than rows of a batch: some come twice
        ["algorithm=flexmatch", "p_cutoff=0.2", "thresh_warmup=false", "ulb_num_labels=10"],
    ],
    ids=str,
)
def test_runs_end_with_the_same_numbers(tmp_path: Path, changes: list[str]) -> None:
    ends = []
    for fast in ("true", "false"):
        command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", fast]
        assert main([*command, "--set", *SHORT, *changes, f"fast_hooks={fast}"]) == 0
        ends.append(torch.load(tmp_path / fast / "latest_model.pth", weights_only=True))
    for state in ends:
        del state["dnll"]
    assert ends[0].keys() == ends[1].keys()
    for name in ends[0]:
        assert same(ends[0][name], ends[1][name]), name


@given(data=st.data(), warmup=st.booleans())
def test_flexmatch_counts_as_the_toolbox_does(data: st.DataObject, warmup: bool) -> None:
    from semilearn.algorithms.flexmatch.utils import FlexMatchThresholdingHook

    from dnll_plugin.training.fast_hooks import CountingFlexMatchHook

    images, classes, rows = 7, 3, 5
    theirs = FlexMatchThresholdingHook(images, classes, warmup)
    ours = CountingFlexMatchHook(FlexMatchThresholdingHook(images, classes, warmup))
    algorithm = SimpleNamespace(p_cutoff=0.5)
    for _ in range(data.draw(st.integers(1, 6))):
        seed = data.draw(st.integers(0, 2**16))
        generator = torch.Generator().manual_seed(seed)
        probs = torch.randn(rows, classes, generator=generator).mul(2).softmax(dim=1)
        index = torch.randint(images, (rows,), generator=generator)
        batch = {"logits_x_ulb": probs, "idx_ulb": index, "softmax_x_ulb": False}
        assert torch.equal(ours.masking(algorithm, **batch), theirs.masking(algorithm, **batch))
        assert torch.equal(ours.selected_label, theirs.selected_label)
        assert torch.equal(ours.classwise_acc, theirs.classwise_acc)
