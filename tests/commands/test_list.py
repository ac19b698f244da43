"""``dnll list``: names that a config may hold, one a line."""

import subprocess
import sys

import pytest

from dnll_plugin.commands.main import main

HOLDS = {
    "algorithms": ["dnll_dual", "dnll_fixmatch", "fixmatch", "supervised"],
    "nets": ["cnn3", "wrn_28_2", "timm_resnet18"],
    "datasets": ["digits", "cifar10", "imagefolder"],
    "configs": ["dnll_digits_20", "dnll_cifar10_40"],
    "keys": ["lr", "device", "num_negatives"],
}


@pytest.mark.parametrize("what", HOLDS)
def test_every_line_begins_with_a_name(capsys, what):
    assert main(["list", what]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines]
    assert set(HOLDS[what]) <= set(names)
    assert len(names) == len(set(names))


def test_a_plugins_names_are_among_them(capsys, tmp_path, monkeypatch):
    (tmp_path / "my_sets_to_list.py").write_text(
        "from dnll_plugin.datasets import DATASETS, DataSet\n"
        "DATASETS['my_listed_set'] = DataSet(classes=('a', 'b'))\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    from dnll_plugin.datasets import DATASETS

    try:
        assert main(["list", "datasets", "--plugin", "my_sets_to_list"]) == 0
    finally:
        DATASETS.pop("my_listed_set", None)
    assert "my_listed_set  2 classes" in capsys.readouterr().out


def test_what_cannot_be_listed_is_exit_code_2(capsys):
    assert main(["list", "colours"]) == 2
    assert "configs" in capsys.readouterr().err


def test_nothing_but_the_names_is_printed():
    done = subprocess.run(
        [sys.executable, "-m", "dnll_plugin", "list", "algorithms"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "dnll_dual" in done.stdout
