# Copyright (c) Microsoft Corporation.
# Licensed under the MIT License.

"""Config files: what is read from them, and what is refused."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from semilearn.core.utils import over_write_args_from_file

CONFIG = Path(__file__).resolve().parents[1] / 'config' / 'classic_cv' / 'fixmatch' / 'fixmatch_cifar10_40_0.yaml'


def test_values():
    args = SimpleNamespace(seed=1)
    over_write_args_from_file(args, str(CONFIG))
    assert (args.algorithm, args.num_labels, args.lr, args.use_cat, args.gpu) == ('fixmatch', 40, 0.03, True, 'None')
    assert args.seed == 0


def test_values_of_numbers(tmp_path):
    config = tmp_path / 'config.yaml'
    config.write_text('lr: 1e-4\nweight_decay: 5.0e-4\namp: False\nfp16: on\n')
    args = SimpleNamespace()
    over_write_args_from_file(args, str(config))
    assert vars(args) == {'lr': 1e-4, 'weight_decay': 5e-4, 'amp': False, 'fp16': 'on'}


def test_code_is_refused(tmp_path):
    config, made = tmp_path / 'config.yaml', tmp_path / 'made'
    config.write_text(f"seed: !!python/object/apply:os.mkdir ['{made}']\n")
    with pytest.raises(Exception, match='python/object/apply'):
        over_write_args_from_file(SimpleNamespace(), str(config))
    assert not made.exists()
