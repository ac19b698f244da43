"""What is said of settings before torch is imported: the same words, only sooner."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from dnll_plugin.algorithms.table import OWN_ALGORITHMS
from dnll_plugin.errors import InputError
from dnll_plugin.settings import early
from dnll_plugin.settings.early import check_early
from dnll_plugin.settings.resolve import resolve
from dnll_plugin.settings.toolbox_keys import algorithm_arguments, known_keys
from dnll_plugin.toolbox.checkout.version import find_toolbox

DIGITS = Path("dnll_digits_20")

WRONG = [
    "lrr=1",
    "num_negative=1",
    "T_=1",
    "algorithm=dnll_dul",
    "dataset=cifar",
    "lr=abc",
    "lr=-1",
    "device=gpu",
    "epoch=2000",
    "learning-rate=1",
    "num_labels=25",
    "ood_classes=11",
    "momentum=0",
    "data_on=disk",
    "dataset=imagefolder",
]


@pytest.mark.parametrize("override", WRONG)
def test_the_words_are_those_of_the_full_check(override):
    messages = []
    for check in (check_early, resolve):
        with pytest.raises(InputError) as caught:
            check(DIGITS, [override])
        messages.append(str(caught.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize(
    "overrides",
    [
        [],
        ["algorithm=supervised"],
        ["algorithm=fixmatch", "p_cutoff=0.9"],
        ["algorithm=dnll_fixmatch"],
        ["plugin=no_such_module", "whatever=1"],
        ["net=no_such_net"],
    ],
)
def test_what_only_the_toolbox_can_tell_is_left_to_it(overrides):
    check_early(DIGITS, overrides)


def test_the_source_names_every_key_and_algorithm():
    toolbox = find_toolbox()
    assert toolbox is not None
    text = early.read_source(toolbox)
    assert algorithm_arguments().keys() <= {*early._ALGORITHM.findall(text), *OWN_ALGORITHMS}
    assert known_keys() <= early.known_names(text)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["train", "--help"],
        ["train", "--c", "no_such_config"],
        ["train", "--c", "dnll_digits_20", "--set", "lrr=1"],
        ["train", "--c", "dnll_images", "--data_dir", "no_such_folder"],
        ["predict", "--run", "no_such_run", "--images", ".", "--out", "labels.csv"],
        ["list", "configs"],
        ["list", "datasets"],
    ],
)
def test_answers_that_need_no_torch_do_not_wait_for_it(tmp_path, arguments):
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "dnll_plugin", *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    imported = set(re.findall(r"^import time:.*\| +([\w.]+)$", done.stderr, re.MULTILINE))
    assert "argparse" in imported
    assert not imported & {"torch", "semilearn", "timm", "matplotlib", "pandas", "sklearn"}
