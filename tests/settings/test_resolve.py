"""Settings: the order of sources, what becomes of keys that are not read, and any keys at all."""

import pickle
import sys

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dnll_plugin.datasets import DATASETS
from dnll_plugin.errors import InputError
from dnll_plugin.settings import keys
from dnll_plugin.settings import resolve as settings
from dnll_plugin.settings import toolbox_keys as keys_toolbox

from .configs import DUAL, FIXMATCH, as_yaml


def test_command_line_beats_file_beats_default(resolve):
    got = resolve({**FIXMATCH, "seed": 5, "uratio": 7}, "lr=1e-1", "uratio=3", "uratio=2", seed=6)
    assert (got.lr, got["uratio"], got.seed, got.batch_size) == (0.1, 2, 6, 8)
    assert {got.origins[key] for key in ("lr", "uratio", "seed")} == {"command line"}
    assert got.origins["num_labels"] == "file"
    assert got.origins["batch_size"] == "default"
    assert got.origins.keys() == got.values.keys()


def test_own_options_are_taken_as_they_are(resolve, tmp_path):
    got = resolve(FIXMATCH, data_dir=tmp_path, save_dir="a: b", save_name="2024", seed=0)
    assert (got.data_dir, got.save_dir, got.save_name, got.seed) == (
        str(tmp_path),
        "a: b",
        "2024",
        0,
    )


def test_save_name_follows_algorithm_and_data_set(resolve):
    assert resolve(DUAL).save_name == "dnll_dual_cifar10"
    assert resolve({**DUAL, "save_name": "mine"}).save_name == "mine"


def test_settings_are_read_only_and_unknown_attributes_are_attribute_errors(resolve):
    got = resolve(FIXMATCH)
    with pytest.raises(AttributeError):
        got.lr = 3
    with pytest.raises(AttributeError, match="no_such_key"):
        got.no_such_key  # noqa: B018
    with pytest.raises(KeyError):
        got["no_such_key"]
    assert pickle.loads(pickle.dumps(got)) == got


def test_dump_reads_back_to_the_same_values_and_names_origins(resolve, tmp_path):
    odd = {"save_name": "'null'", "pretrain_path": "'a: b #c'", "weight_decay": "5e-5"}
    got = resolve({**DUAL, **odd, "num_negatives": None}, "lr=2")
    got.dump(tmp_path / "config.yaml")
    again = settings.resolve(tmp_path / "config.yaml")
    assert again.values == got.values
    assert again.notes == ()
    lines = (tmp_path / "config.yaml").read_text().splitlines()
    assert "lr: 2.0  # command line" in lines
    assert 'save_name: "null"  # file' in lines
    assert "weight_decay: 5.0e-05  # file" in lines
    assert "momentum: 0.9  # default" in lines
    assert settings.read_yaml(tmp_path / "config.yaml") == got.values


@pytest.fixture
def my_plugin(tmp_path, monkeypatch):
    """A module in the current folder that adds a data set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    (tmp_path / "adds_a_set.py").write_text(
        "from dnll_plugin.datasets import DATASETS, DataSet\n"
        "DATASETS['stripes'] = DataSet(build=print, classes='abcd', originals={}, has_ood=True,"
        "train_images=43)"
    )
    yield "adds_a_set"
    DATASETS.pop("stripes", None)
    sys.modules.pop("adds_a_set", None)


def test_a_plugin_is_imported_first_and_kept(resolve, my_plugin, tmp_path):
    config = {**FIXMATCH, "dataset": "stripes", "num_classes": 4}
    got = resolve({**config, "plugin": my_plugin})
    assert (got.plugin, got.dataset) == (my_plugin, "stripes")
    assert resolve(config, f"plugin={my_plugin}").origins["plugin"] == "command line"
    got = resolve(config, plugin=my_plugin)
    got.dump(tmp_path / "config.yaml")
    assert settings.resolve(tmp_path / "config.yaml").values == got.values


def test_a_data_set_of_a_plugin_takes_the_keys_of_data_sets(resolve, my_plugin, error):
    config = {**FIXMATCH, "dataset": "stripes", "num_classes": 3, "plugin": my_plugin}
    assert resolve(config, "num_labels=6", "ood_classes=1", "ulb_ood=0.1").ood_classes == 1
    assert "1 of the 4 classes of stripes" in error(config, "num_classes=4", "ood_classes=1")
    assert resolve(config, "num_labels=43").num_labels == 43
    assert "not a multiple" in error(config, "num_labels=44")


def test_a_plugin_that_cannot_be_imported_is_named_with_its_place(error, folder):
    message = error({**FIXMATCH, "plugin": "nowhere_at_all"})
    assert message.startswith("plugin: cannot import nowhere_at_all: there is no such module in ")
    assert message.endswith(f"({folder / 'c.yaml'} line 9)")
    assert error(FIXMATCH, plugin="nowhere_at_all").endswith("(--plugin)")
    assert error(FIXMATCH, "plugin=7").startswith("plugin: must be text that is not empty, got 7")


def test_a_config_from_before_the_key_resolves(resolve):
    assert resolve(FIXMATCH).plugin is None


ANY_KEY = st.sampled_from(
    sorted(
        {*keys.MethodKeys.model_fields, *keys.RunKeys.model_fields, "T", "clip", "nonsense"}
        | keys_toolbox.ToolboxKeys.model_fields.keys() - {"algorithm", "net", "dataset"}
    )
)
ANY_VALUE = st.one_of(
    st.integers(-3, 50).map(str),
    st.floats(-2, 2).map(str),
    st.sampled_from(
        ["true", "None", "null", "''", "[1]", "{}", "auto", "other", "kl", "x y", "1e9"]
    ),
    st.text(max_size=8),
)


@given(overrides=st.lists(st.tuples(ANY_KEY, ANY_VALUE), max_size=6))
@hypothesis_settings(max_examples=150)
def test_any_overrides_give_settings_that_can_be_written_and_read_or_one_line(folder, overrides):
    (folder / "fuzz.yaml").write_text(as_yaml(DUAL))
    try:
        got = settings.resolve(folder / "fuzz.yaml", [f"{key}={text}" for key, text in overrides])
    except InputError as error:
        message = str(error)
    else:
        message = "fine"
        got.dump(folder / "dump.yaml")
        assert settings.resolve(folder / "dump.yaml").values == got.values
    assert len(message.splitlines()) == 1
