"""The series of patches: git's part of it on a made-up toolbox, all of it on a real one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.upstream import writer
from dnll_plugin.upstream.edits import Edit
from dnll_plugin.upstream.series import SERIES

PLUGIN = Path(__file__).resolve().parents[2]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.invalid"]
    command = ["git", *identity, *arguments]
    return subprocess.run(
        command, cwd=folder, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A repository in which every place of the series' edits is there once."""
    folder = tmp_path / "toolbox"
    folder.mkdir()
    edits: list[Edit] = [edit for patch in SERIES for edit in patch.edits]
    places: dict[str, list[str]] = {}
    for edit in edits:
        known = places.setdefault(edit.file, [])
        if edit.old and not any(edit.old in old for old in known):
            known[:] = [old for old in known if old not in edit.old] + [edit.old]
    for file, olds in places.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        filler = "\n" + "".join(f"# line {line}\n" for line in range(8))
        ends = [edit.until for edit in edits if edit.file == file and edit.until]
        (folder / file).write_text(filler + filler.join([*olds, *ends]) + filler)
    git(folder, "init", "--quiet")
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "The toolbox")
    return folder


def check_series(checkout: Path, destination: Path, base: str) -> None:
    """Writes the series, applies it in order, and each patch alone; the checkout is only read."""
    before = git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")
    patches = writer.write_series(checkout, PLUGIN, destination / "patches", base)
    assert (git(checkout, "status", "--porcelain"), git(checkout, "rev-parse", "HEAD")) == before
    assert len(patches) == len(SERIES)

    clean = destination / "clean"
    git(destination, "clone", "--quiet", str(checkout), str(clean))
    git(clean, "checkout", "--quiet", base)
    for patch in patches:
        git(clean, "apply", "--check", str(patch))
    git(clean, "am", "--quiet", *map(str, patches))
    assert git(clean, "status", "--porcelain") == ""
    subjects = git(clean, "log", "--reverse", "--format=%s", f"{base}..HEAD").splitlines()
    assert subjects == [patch.subject for patch in SERIES]
    message = git(clean, "log", "-1", "--format=%B")
    assert "## What does this PR do?" in message
    assert "## Before submitting" in message


def test_a_series_that_git_applies(made_up, tmp_path):
    (made_up / "train.py").write_text("edited by the user, not committed\n")
    check_series(made_up, tmp_path, git(made_up, "rev-parse", "HEAD"))


def test_the_commit_must_be_there(made_up, tmp_path):
    with pytest.raises(InputError, match="1ef4cbe, which its git history lacks"):
        writer.write_series(made_up, PLUGIN, tmp_path / "patches")


def test_without_git(made_up, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="git is not installed"):
        writer.git(made_up, "status")


WITHOUT_PLUGIN = """
import sys
sys.modules["dnll_plugin"] = None  # whoever imports it fails
import torch
from semilearn.algorithms import name2alg
from semilearn.core.utils import get_net_builder
assert {"dnll_dual", "dnll_meanteacher"} <= set(name2alg.keys())
for name in ("dual_wrn_28_2", "timm_resnet18@32", "dual_timm_resnet18@32"):
    net = get_net_builder(name, False)(num_classes=10)
    assert net(torch.zeros(2, 3, 32, 32))["logits"].shape == (2, 10), name
"""


@pytest.mark.slow
@pytest.mark.skipif("USB_CHECKOUT" not in os.environ, reason="USB_CHECKOUT names no checkout")
def test_the_real_toolbox(tmp_path):
    """With the series the toolbox has it all without the plugin, and passes the series' test."""
    check_series(Path(os.environ["USB_CHECKOUT"]), tmp_path, writer.NEWEST)
    for command in (["-c", WITHOUT_PLUGIN], ["-m", "pytest", "-q", "tests"]):
        python = [sys.executable, "-W", "ignore", *command]
        environment = os.environ | {"PYTHONPATH": "."}
        subprocess.run(python, cwd=tmp_path / "clean", env=environment, check=True)
