"""Names of other toolboxes lead to our keys."""

import pytest

from dnll_plugin.settings.other_names import OTHER_NAMES, find_meant_key, suggest_key
from dnll_plugin.settings.toolbox_keys import known_keys


def test_they_name_keys_and_are_none():
    names = [name for row in OTHER_NAMES.values() for name in row.split()]
    assert OTHER_NAMES.keys() <= known_keys()
    assert not set(names) & known_keys()
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("learning_rate", "lr"),
        ("Learning-Rate", "lr"),
        ("learningRate", "lr"),
        ("backbone", "net"),
        ("zzz", None),
    ],
)
def test_the_spelling_does_not_matter(name, key):
    assert find_meant_key(name) == key


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("learnin_rate", "lr"),
        ("lerning_rate", "lr"),
        ("num_lables", "num_labels"),
        ("sample_rates", "sample_rate"),
        ("epochs", "epoch"),
        ("num_train_iters", "num_train_iter"),
    ],
)
def test_a_slip_in_a_name_of_either_toolbox_is_understood(name, key):
    assert suggest_key(name, known_keys()) == f"did you mean {key!r}?"
