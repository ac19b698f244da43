"""What only the toolbox's newest commit has, in the checkout that USB_CHECKOUT names."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

PLUGIN = Path(__file__).resolve().parents[2]
CHECKOUT = os.environ.get("USB_CHECKOUT", "")
TINY = [
    *("num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=2", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "num_labels=20", "net=cnn3"),
]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not CHECKOUT, reason="USB_CHECKOUT names no checkout"),
]


def run_python(*arguments: str) -> str:
    """Runs Python where ``semilearn`` is the checkout's, and returns what it prints."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", *arguments],
        env=os.environ | {"PYTHONPATH": f"{CHECKOUT}:{PLUGIN}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_each_mend_finds_its_mistake() -> None:
    code = """
        import dnll_plugin
        from dnll_plugin.toolbox.patches import table
        make_changes, made = table.make_changes, []
        table.make_changes = lambda before_import: made.extend(make_changes(before_import))
        import semilearn
        assert semilearn.__file__.startswith("{}"), semilearn.__file__
        print(*made, sep="\\n")
    """
    made = run_python("-c", textwrap.dedent(code.format(CHECKOUT))).splitlines()
    assert {
        "top-5 accuracy with few classes",
        "Mean Teacher's student",
        "SequenceMatch's features",
        "SoftMatch in several processes",
        "SimMatch in bfloat16",
        "CRMatch's feature maps",
        "Trainer.fit",
        "Trainer's teacher",
    } <= set(made)


@pytest.mark.parametrize(
    "algorithm",
    [
        *("refixmatch", "sequencematch", "dnll_refixmatch", "dnll_sequencematch"),
        *("meanteacher", "softmatch", "dnll_dual"),
    ],
)
def test_trains_and_goes_on(tmp_path: Path, algorithm: str) -> None:
    config = PLUGIN / "config" / "dnll_digits_20.yaml"
    command = ["-m", "dnll_plugin", "train", "--c", str(config), "--save_dir", str(tmp_path)]
    command += ["--save_name", "run", "--set", *TINY, f"algorithm={algorithm}"]
    run_python(*command)
    run = tmp_path / "run"
    metrics = (run / "metrics.jsonl").read_text()
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    assert "not exactly" not in run_python(*command, "--resume")
    assert (run / "metrics.jsonl").read_text() == metrics
