"""Registering with the toolbox: whoever imports it first, wherever, finds the plugin there."""

import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dnll_plugin.toolbox import registration
from dnll_plugin.toolbox.checkout import block
from dnll_plugin.toolbox.checkout import plan as checkout
from dnll_plugin.toolbox.checkout.version import find_toolbox
from dnll_plugin.toolbox.patches.change import ToolboxChangedError

PLUGIN = Path(__file__).resolve().parents[2]


def run(code: str, folder: Path, **environment: str) -> str:
    """Runs a script in a folder, as one starts ``train.py`` there, and returns what it prints."""
    (folder / "script.py").write_text(textwrap.dedent(code))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "script.py"],
        cwd=folder,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_plugin_before_the_toolbox():
    import semilearn
    from semilearn.algorithms import name2alg

    assert {"dnll_dual", "dnll_meanteacher"} <= set(name2alg.keys())
    assert semilearn.get_net_builder("dual_cnn3", False)(num_classes=2).left
    assert semilearn.get_dataset.__module__.startswith("dnll_plugin.")
    assert not hasattr(semilearn.nets, "resnet_of_nobody")


def test_the_toolbox_before_the_plugin(tmp_path):
    run(
        """
        import semilearn
        import dnll_plugin
        from semilearn.algorithms import name2alg
        assert "dnll_dual" in name2alg
        for name in ("get_dataset", "get_config"):
            assert getattr(semilearn, name).__module__.startswith("dnll_plugin."), name
        """,
        tmp_path,
    )


IN_FORKS = """
import importlib, os, sys
import torch, torchvision, timm, sklearn.metrics, scipy.stats  # once, as they are most of the time
for name in sys.argv[1:]:
    if os.fork() == 0:
        try:
            importlib.import_module(name)
        except BaseException as error:
            print(name, error, flush=True)
        os._exit(0)
    os.wait()
"""


@pytest.mark.parametrize(
    "room",
    [
        "algorithms",
        *(
            pytest.param(r, marks=pytest.mark.slow)
            for r in ("hooks", "nets", "datasets", "training")
        ),
    ],
)
def test_each_module_can_be_the_first_that_is_imported(room):
    """Those that take a class from the toolbox import it, and that registers all the others."""
    files = sorted((PLUGIN / "dnll_plugin" / room).glob("[!_]*.py"))
    names = [f"dnll_plugin.{room}.{file.stem}" for file in files]
    command = [sys.executable, "-W", "ignore", "-c", IN_FORKS, *names]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == ""


def test_looking_for_the_toolbox_does_not_switch_registering_off(monkeypatch):
    monkeypatch.setattr(sys, "meta_path", sys.meta_path.copy())
    monkeypatch.delitem(sys.modules, "semilearn", raising=False)
    sys.meta_path[:] = [f for f in sys.meta_path if type(f).__name__ != "_ToolboxFinder"]
    registration.register_with_toolbox()
    registration.register_with_toolbox()
    for _ in range(2):
        find_toolbox()
        assert [type(f).__name__ for f in sys.meta_path].count("_ToolboxFinder") == 1


def test_the_plugin_alone_is_cheap(tmp_path):
    printed = run(
        "import dnll_plugin, sys\nprint({'torch', 'semilearn', 'numpy'} & set(sys.modules))",
        tmp_path,
    )
    assert printed == "set()\n"


def test_a_failed_registration_is_not_taken_for_done(monkeypatch):
    def fail(before_import: bool) -> None:
        raise ToolboxChangedError("semilearn.core", "something")

    monkeypatch.setattr(registration, "_registered", False)
    monkeypatch.setattr(registration.changes, "make_changes", fail)
    for _ in range(2):
        with pytest.raises(ImportError, match="does not fit this toolbox"):
            registration.register()


@pytest.mark.slow
def test_a_registered_checkout(tmp_path):
    """The block registers in every process, also in a rank that ``train.py`` spawns."""
    installed = find_toolbox()
    assert installed is not None
    shutil.copytree(installed, tmp_path / "semilearn")
    (tmp_path / "config").mkdir()
    checkout.carry_out(checkout.plan_registering(tmp_path, {}))
    assert block.BEGIN in (tmp_path / block.FILE).read_bytes()
    printed = run(
        """
        import torch.multiprocessing
        from semilearn.algorithms import name2alg
        from semilearn.core.utils import send_model_cuda

        def rank(number):
            print("dnll_dual" in name2alg, name2alg["dnll_dual"].__module__, flush=True)

        if __name__ == "__main__":
            rank(0)
            torch.multiprocessing.spawn(rank, nprocs=1)
        """,
        tmp_path,
    )
    assert printed.count("True dnll_plugin.algorithms.dual\n") == 2


CONFIG = """
algorithm: {algorithm}
save_dir: ./saved_models
save_name: {algorithm}
resume: True
load_path: ./saved_models/{algorithm}/latest_model.pth
epoch: 1
num_train_iter: 20
num_eval_iter: 10
num_log_iter: 5
dataset: digits
num_labels: 20
num_classes: 10
net: cnn3
img_size: 16
batch_size: 4
eval_batch_size: 64
uratio: 1
num_workers: 0
seed: 0
gpu: None
dist_backend: gloo
multiprocessing_distributed: {distributed}
"""


@pytest.mark.slow
@pytest.mark.skipif("USB_CHECKOUT" not in os.environ, reason="USB_CHECKOUT names no checkout")
def test_train_py_of_a_real_checkout(tmp_path):
    """20 steps of each algorithm, a spawned rank, resuming, eval.py, and everything put back."""
    clone, site = tmp_path / "clone", tmp_path / "site"
    site.mkdir()
    if not os.environ.get("CUDA_VISIBLE_DEVICES"):
        (site / "sitecustomize.py").write_text(
            "import torch\ntorch.cuda.device_count = lambda: 1\n"
        )

    def call(*command: object) -> str:
        done = subprocess.run(
            [str(word) for word in command],
            cwd=clone if clone.exists() else tmp_path,
            env=os.environ | {"PYTHONPATH": str(site)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout + done.stderr

    call("git", "clone", "--quiet", os.environ["USB_CHECKOUT"], clone)
    register = (sys.executable, PLUGIN / "register.py", "--toolbox", clone)
    call(*register)
    for algorithm in ("dnll_dual", "dnll_meanteacher", "fixmatch", "flexmatch"):
        config = tmp_path / f"{algorithm}.yaml"
        config.write_text(CONFIG.format(algorithm=algorithm, distributed=algorithm == "dnll_dual"))
        printed = call(sys.executable, "train.py", "--c", config)
        assert "20 iteration" in printed
        assert "Model loaded" in call(sys.executable, "train.py", "--c", config)
    checkpoint = "saved_models/dnll_dual/latest_model.pth"
    evaluate = (sys.executable, "eval.py", "--dataset", "digits", "--img_size", 16)
    printed = call(*evaluate, "--net", "dual_cnn3", "--load_path", checkpoint)
    assert "Test Accuracy" in printed
    call(*register, "--remove")
    assert call("git", "status", "--porcelain") == ""
