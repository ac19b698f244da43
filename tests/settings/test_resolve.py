"""Settings: the order of sources, the check of every key, and the errors, on the real toolbox."""

import ast
import importlib.util
import pickle
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from dnll_plugin.datasets import DATASETS
from dnll_plugin.errors import InputError
from dnll_plugin.settings import checks as keys_checks
from dnll_plugin.settings import keys, ranges
from dnll_plugin.settings import resolve as settings
from dnll_plugin.settings import toolbox_keys as keys_toolbox

FIXMATCH = {
    **{"algorithm": "fixmatch", "dataset": "cifar10", "num_classes": 10, "num_labels": 40},
    **{"net": "wrn_28_2", "epoch": 4, "num_train_iter": 20, "lr": 0.03},
}
DUAL = {**FIXMATCH, "algorithm": "dnll_dual"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("configs")


@pytest.fixture
def resolve(folder):
    """Resolves a config given as a dict (or text) of the file and options of the command line."""

    def run(config, *overrides, **options):
        text = config if isinstance(config, str) else as_yaml(config)
        (folder / "c.yaml").write_text(text, encoding="utf-8")
        return settings.resolve(folder / "c.yaml", overrides, **options)

    return run


@pytest.fixture
def error(resolve):
    """The message of the error that resolving gives."""

    def run(*args, **options):
        with pytest.raises(InputError) as caught:
            resolve(*args, **options)
        assert len(str(caught.value).splitlines()) == 1
        return str(caught.value)

    return run


def as_yaml(config):
    return "\n".join(
        f"{key}: {'null' if value is None else value}" for key, value in config.items()
    )


# ---- sources ----


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


# ---- values ----


@pytest.mark.parametrize(
    ("key", "written", "value"),
    [
        *[("num_train_iter", "2e1", 20), ("num_labels", "40.0", 40), ("lr", "1", 1.0)],
        *[("amp", word, True) for word in ("true", "True", "yes", "'T'", "1", "'1'")],
        *[("use_cat", word, False) for word in ("false", "False", "no", "n", "0")],
        *[(key, "None", None) for key in ("ulb_num_labels", "imb_algorithm", "label_file")],
        *[("hard_label", "no", False), ("T", "1", 1.0), ("num_workers", "0", 0)],
    ],
)
def test_values_are_read_as_their_writer_meant_them(resolve, key, written, value):
    for got in (resolve({**FIXMATCH, key: written}), resolve(FIXMATCH, f"{key}={written}")):
        assert got[key] == value
        assert type(got[key]) is type(value)


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("lr=abc", "lr: must be a number above 0, got 'abc' (--set)"),
        ("lr=-1", "lr: must be a number above 0, got -1 (--set)"),
        ("lr=0", "lr: must be a number above 0, got 0"),
        ("lr=", "lr: must be a number above 0, got nothing"),
        ("lr=true", "lr: must be a number above 0, got true"),
        ("lr='0.1'", "lr: must be a number above 0, got '0.1'"),
        ("lr=.inf", "lr: must be a number above 0, got inf"),
        ("lr=.nan", "lr: must be a number above 0, got nan"),
        ("lr=1" + "0" * 400, "lr: must be a number above 0, got a huge number"),
        ("lr=0x" + "f" * 9000, "lr: must be a number above 0, got a huge number"),
        ("lr=[1, 2]", "lr: must be a number above 0, got a list"),
        ("lr={a: 1}", "lr: '{a: 1}' is not a YAML value: holds a mapping"),
        ("lr=!!python/name:os.system ''", "lr: "),
        ("uratio=0", "uratio: must be a whole number of at least 1, got 0"),
        ("batch_size=0", "batch_size: must be a whole number of at least 1, got 0"),
        ("num_train_iter=0", "num_train_iter: must be a whole number of at least 1, got 0"),
        ("num_train_iter=2.5", "num_train_iter: must be a whole number of at least 1, got 2.5"),
        ("num_train_iter=3", "num_train_iter: 3 is less than one for each epoch of 4; write 4 or"),
        ("num_labels=45", "num_labels: 45 is not a multiple of num_classes 10; write 40 or 50"),
        ("num_labels=9", "num_labels: 9 is not a multiple of num_classes 10; write 10 or more"),
        ("num_classes=1", "num_classes: must be a whole number of at least 2, got 1"),
        ("stable_threshold=1.5", "stable_threshold: must be a number from 0 to 1"),
        ("num_negatives=0", "num_negatives: must be a whole number of at least 1, got 0"),
        ("num_negatives=10", "num_negatives: must be from 1 to 9 with 10 classes, got 10"),
        ("negative_weight=-1", "negative_weight: must be a number of at least 0"),
        ("negative_rampup=-1", "negative_rampup: must be a number of at least 0"),
        ("input_noise=-1", "input_noise: must be a number of at least 0"),
        ("lb_views=3", "lb_views: must be a whole number from 1 to 2, got 3"),
        ("roles=both", "roles: must be mutual or alternate, got 'both'"),
        ("negative_sampling=x", "negative_sampling: must be uniform, without_replacement, least_"),
        ("negative_source=x", "negative_source: must be auto, other, self, student, teacher or p"),
        ("negative_sampling=least-likely", "negative_sampling: must be uniform, without_repl"),
        ("negative_source=student", "negative_source: dnll_dual takes auto, other or self, got"),
        ("consistency_type=l1", "consistency_type: must be mse or kl, got 'l1'"),
        ("ulb_views=strong", "ulb_views: must be weak_weak or weak_strong, got 'strong'"),
        ("lr_schedule=step", "lr_schedule: must be toolbox, cosine_to_zero or linear_to_zero, got"),
        ("device=gpu", "device: must be auto, cpu, cuda or mps, got 'gpu'"),
        ("strict_images=maybe", "strict_images: must be true or false, got 'maybe'"),
        ("amp=on", "amp: must be true or false, got 'on'"),
        ("amp=2", "amp: must be true or false, got 2"),
        ("ema_m=1", "ema_m: must be a number of at least 0 and below 1, got 1"),
        ("crop_ratio=0", "crop_ratio: must be a number above 0 and at most 1, got 0"),
        ("layer_decay=1.1", "layer_decay: must be a number above 0 and at most 1, got 1.1"),
        ("momentum=1", "momentum: must be a number of at least 0 and below 1, got 1"),
        ("momentum=0", "momentum: must be above 0 with SGD"),
        ("weight_decay=-1", "weight_decay: must be a number of at least 0, got -1"),
        ("optim=Adam", "optim: must be SGD or AdamW, got 'Adam'"),
        ("seed=-1", "seed: must be a whole number from 0 to 4294967295, got -1"),
        ("save_name=2024", "save_name: must be text that is not empty, got 2024; put it in quotes"),
        ("save_name=''", "save_name: must be text that is not empty, got ''"),
        ('save_dir="a\\tb"', "save_dir: must be text that is not empty, got 'a\\tb'"),
        ("lb_imb_ratio=0", "lb_imb_ratio: must not be 0"),
        ("ulb_imb_ratio=10", "ulb_imb_ratio: needs ulb_num_labels"),
        ("ulb_num_labels=45", "ulb_num_labels: 45 is not a multiple of num_classes 10"),
        (
            "algorithm=fixmach",
            "algorithm: unknown name 'fixmach'; did you mean 'fixmatch'? (--set)",
        ),
        ("algorithm=zzzz", "algorithm: unknown name 'zzzz'; write one of adamatch, comatch,"),
        ("algorithm=3", "algorithm: unknown name 3"),
        ("algorithm=[1]", "algorithm: unknown name a list"),
        ("dataset=CIFAR_10", "dataset: unknown name 'CIFAR_10'; did you mean 'cifar10'?"),
        ("dataset=[1]", "dataset: must be text, got a list (--set)"),
        ("dataset=ag_news", "dataset: 'ag_news' is text or audio; dnll train is for images"),
        ("net=wrn_28_3", "net: there is no net 'wrn_28_3'; write wrn_28_8 or wrn_28_2 or"),
        ("net_right=wrn_28_3", "net_right: there is no net 'wrn_28_3'; write "),
        ("net=bert_base_cased", "net: 'bert_base_cased' is for text or audio; dnll train is for"),
        ("net_from_name=true", "net_from_name: torchvision's nets do not run here"),
        ("imb_algorithm=abc", "imb_algorithm: dnll train does not run these"),
        ("zzzzzzzzz=3", "zzzzzzzzz: unknown key; none has a name like it, so remove it (--set)"),
        ("num_negative=3", "num_negative: unknown key; did you mean 'num_negatives'? (--set)"),
        ("learning_rate=3", "learning_rate: unknown key; did you mean 'lr'? (--set)"),
        ("batchsize=3", "batchsize: unknown key; did you mean 'batch_size'? (--set)"),
        ("maxSteps=3", "maxSteps: unknown key; did you mean 'num_train_iter'? (--set)"),
        ("lr", "--set 'lr': write key=value"),
        ("=3", "--set '=3': write key=value"),
        ("resume=true", "--set resume: dnll train decides this itself; give --resume instead"),
        ("gpu=0", "--set gpu: dnll train decides this itself; give --set device=cuda instead"),
    ],
)
def test_a_wrong_value_is_one_line_that_says_how_to_mend_it(error, override, expected):
    assert error(DUAL, override).startswith(expected)


def test_an_error_in_the_file_names_file_and_line(error, folder):
    place = f"({folder / 'c.yaml'} line 8)"
    assert error({**FIXMATCH, "lr": "abc"}).endswith(f"got 'abc' {place}")
    config = "\n".join([as_yaml(FIXMATCH), "batchsize: 3"])
    assert error(config) == (
        f"batchsize: unknown key; did you mean 'batch_size'? ({folder / 'c.yaml'} line 9)"
    )
    assert error(FIXMATCH, seed=-1).endswith("got -1 (--seed)")
    assert error({"epoch": 30}).endswith("write 30 or more, or a smaller epoch (default)")


def test_a_missing_config_is_an_input_error(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        settings.resolve(tmp_path / "none.yaml")


# ---- what depends on the algorithm and the data set ----


def test_num_negatives_default_follows_the_classes(resolve):
    assert resolve(DUAL).num_negatives == 2
    assert resolve({**DUAL, "num_negatives": 9}).num_negatives == 9
    two_classes = {**DUAL, "num_classes": 2}
    assert resolve(two_classes).num_negatives == 1
    assert resolve(two_classes).origins["num_negatives"] == "default"


def test_negative_source_depends_on_the_algorithm(resolve, error):
    teacher = {**DUAL, "algorithm": "dnll_meanteacher"}
    assert resolve(teacher, "negative_source=student").negative_source == "student"
    assert "takes auto, student or teacher" in error(teacher, "negative_source=other")


def test_keys_that_a_run_does_not_read_are_accepted_with_a_note(resolve):
    unread = {"clip": 0.0, "use_epass": True, "q_cutoff": "abc", "abc_p_cutoff": 1, "max_length": 5}
    got = resolve({**DUAL, **unread, "roles": "alternate"})
    assert got.notes == (
        "max_length, use_epass: accepted, but nothing reads it",
        "abc_p_cutoff, q_cutoff: accepted, but dnll_dual does not read it",
    )
    assert got.roles == "alternate"
    assert not unread.keys() & got.values.keys()
    fixmatch = resolve({**DUAL, "roles": "alternate", "num_negatives": 99}, "algorithm=fixmatch")
    assert fixmatch.notes == ("num_negatives, roles: accepted, but fixmatch does not read it",)
    assert fixmatch.p_cutoff == 0.95


@pytest.mark.parametrize(
    ("steps", "epochs", "rounded"), [(18, 4, 20), (17, 4, 16), (4, 4, 4), (5, 3, 6), (4, 3, 3)]
)
def test_steps_are_rounded_to_whole_epochs_with_a_note(resolve, steps, epochs, rounded):
    got = resolve({**DUAL, "epoch": epochs}, f"num_train_iter={steps}")
    assert got.num_train_iter == rounded
    note = f"num_train_iter: {steps} is no multiple of epoch {epochs}, rounded to {rounded}"
    assert got.notes == ((note,) if steps != rounded else ())


def test_the_default_number_of_steps_is_rounded_too(resolve):
    got = resolve("epoch: 3")
    assert got.num_train_iter == 21
    assert "num_train_iter: 20 is no multiple of epoch 3, rounded to 21" in got.notes


def test_keys_of_resuming_and_devices_are_ignored_in_the_file(resolve):
    got = resolve({**FIXMATCH, **dict.fromkeys(keys_toolbox.IGNORED, "[any thing]")})
    assert got.notes == ()
    assert not got.values.keys() & keys_toolbox.IGNORED.keys()


@pytest.mark.parametrize("key", keys_toolbox.IGNORED)
def test_keys_of_resuming_and_devices_are_errors_on_the_command_line(error, key):
    assert error(FIXMATCH, f"{key}=1").startswith(f"--set {key}: dnll train decides this itself; ")


def test_an_argument_that_an_algorithm_reads_undeclared_is_noticed():
    class Reads:
        def set_model(self):
            return self.args.use_epass

    class ReadsNot:
        def set_model(self):
            return self.args.net

    assert keys_toolbox._reads(Reads, "use_epass")
    assert not keys_toolbox._reads(ReadsNot, "use_epass")


@pytest.mark.parametrize("imbalanced", [{"lb_imb_ratio": 10}, {"dataset": "semi_aves"}])
def test_labels_need_not_be_shared_evenly_where_they_are_not_drawn_so(resolve, imbalanced):
    assert resolve({**FIXMATCH, **imbalanced, "num_labels": 45}).num_labels == 45


def test_a_whole_training_set_may_be_labeled(resolve, error):
    usps = {**DUAL, "dataset": "usps2mnist", "net": "cnn3"}
    assert resolve({**usps, "num_labels": 7291}).num_labels == 7291
    assert "write 7280 or 7290" in error({**usps, "num_labels": 7289})


def image_folders(root, *layout):
    """Folders with empty image files, as ``labeled/cat/0.png``; nothing opens them."""
    for name in layout:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


OWN = {**DUAL, "dataset": "imagefolder"}


def test_folders_of_images_say_themselves_how_many_classes_and_labels_there_are(resolve, tmp_path):
    image_folders(tmp_path, "labeled/cat/0.png", "labeled/cat/1.png", "labeled/dog/0.png")
    got = resolve(OWN, data_dir=tmp_path)
    assert (got.num_classes, got.num_labels, got.num_negatives) == (2, 3, 1)
    assert (got.origins["num_classes"], got.origins["num_labels"]) == ("data", "data")


def test_folders_where_every_image_has_its_label_leave_their_number_to_the_config(
    resolve, tmp_path
):
    image_folders(tmp_path, *(f"train/{name}/0.png" for name in "abc"))
    got = resolve({**OWN, "num_labels": 3}, data_dir=tmp_path)
    assert (got.num_classes, got.num_labels) == (3, 3)


def test_the_command_line_cannot_contradict_the_folders(resolve, error, tmp_path):
    image_folders(tmp_path, "labeled/cat/0.png", "labeled/dog/0.png")
    assert resolve(OWN, "num_classes=2", data_dir=tmp_path).num_classes == 2
    message = error(OWN, "num_classes=3", data_dir=tmp_path)
    assert message.startswith("num_classes: the folders in ")
    assert "say 2" in message


def test_negatives_are_checked_against_the_classes_of_the_folders(error, tmp_path):
    image_folders(tmp_path, "labeled/cat/0.png", "labeled/dog/0.png")
    message = error({**OWN, "num_negatives": 2}, data_dir=tmp_path)
    assert message.startswith("num_negatives: must be from 1 to 1 with 2 classes")


# ---- tables ----


def test_every_row_has_a_range_and_a_meaning():
    for group in (keys.RunKeys, keys.MethodKeys, keys_toolbox.ToolboxKeys):
        for field in group.model_fields.values():
            assert field.description
            assert ranges.range_in_words(field)


def test_every_algorithm_has_defaults_in_the_ranges():
    for algorithm in keys_toolbox.algorithm_arguments():
        model = keys_toolbox.collect_keys(algorithm)
        defaults = {name: field.default for name, field in model.model_fields.items()}
        assert dict(model(**defaults)) == defaults


def own_algorithms():
    from semilearn.algorithms import name2alg

    every = {name: name2alg[name] for name in name2alg.keys()}  # noqa: SIM118 (no dict)
    return {n: kind for n, kind in every.items() if kind.__module__.startswith("dnll_plugin.")}


def test_every_own_key_of_our_algorithms_has_a_row():
    algorithms = own_algorithms()
    assert {"dnll_dual", "dnll_meanteacher", "lc_meanteacher", "shrinkmatch"} <= set(algorithms)
    for name, kind in algorithms.items():
        own = keys_toolbox.own_arguments(kind).keys()
        rows = keys.MethodKeys.model_fields.keys() | keys.RunKeys.model_fields.keys()
        assert own <= rows, name


def test_every_row_is_a_key_of_one_of_our_algorithms():
    declared = set().union(
        *(keys_toolbox.own_arguments(kind) for kind in own_algorithms().values())
    )
    assert keys.MethodKeys.model_fields.keys() <= declared


def test_a_default_stands_in_one_place():
    """Either in the table, or in `get_argument`."""
    for kind in own_algorithms().values():
        for name in keys_toolbox.own_arguments(kind):
            row = {**keys.RunKeys.model_fields, **keys.MethodKeys.model_fields}[name]
            assert row.is_required(), name


def test_ema_p_of_shrinkmatch_has_a_range(error):
    config = {**FIXMATCH, "algorithm": "shrinkmatch"}
    assert error(config, "ema_p=5").startswith("ema_p: must be a number from 0 to 1, got 5")


def test_a_sampler_added_later_is_a_choice_and_a_wrong_name_gets_the_nearest(
    resolve, error, monkeypatch
):
    from dnll_plugin.functional.negatives import NEGATIVE_SAMPLERS

    message = error(DUAL, "negative_sampling=least-likely")
    assert message.endswith("got 'least-likely'; did you mean 'least_likely'? (--set)")
    assert "below_average" in error(DUAL, "negative_sampling=mine")
    monkeypatch.setitem(NEGATIVE_SAMPLERS, "mine", NEGATIVE_SAMPLERS["uniform"])
    assert resolve(DUAL, "negative_sampling=mine").negative_sampling == "mine"


def test_negative_sources_are_those_of_the_algorithms():
    expected = {
        "dnll_dual": {"auto", "other", "self"},
        "dnll_meanteacher": {"auto", "student", "teacher"},
        "dnll_comatch": {"auto", "self"},
        "dnll_simmatch": {"auto", "self"},
    }
    every = ranges.choices_of(keys.MethodKeys.model_fields["negative_source"])
    arguments = keys_toolbox.algorithm_arguments()
    learning = [name for name in arguments if "negative_source" in arguments[name]]
    assert expected.keys() <= set(learning)
    for algorithm in learning:
        taken = {
            source
            for source in every
            if keys_checks.check_negative_source(
                {"algorithm": algorithm, "negative_source": source}
            )
            is None
        }
        assert taken == expected.get(algorithm, {"auto", "self", "peer"})


def test_an_algorithm_with_negatives_has_its_own_defaults_and_those_of_its_base(resolve):
    got, base = resolve(FIXMATCH, "algorithm=dnll_fixmatch"), resolve(FIXMATCH)
    assert got.values.keys() > base.values.keys()
    assert (got.negative_weight, got.negative_rampup, got.negative_late_epoch) == (1, 0, None)
    assert (got.negative_sampling, got.negative_loss) == ("below_average", "together")
    assert (got.num_negatives, got.p_cutoff) == (2, base.p_cutoff)


def test_a_file_of_another_algorithm_does_not_tune_ours(resolve):
    config = {**DUAL, "negative_weight": 75, "stable_threshold": 0.7}
    got = resolve(config, "algorithm=dnll_fixmatch")
    assert got.negative_weight == 1
    assert got.origins["negative_weight"] == "default"
    (note,) = [note for note in got.notes if note.startswith("negative_weight: ")]
    assert "dnll_fixmatch has its own defaults" in note
    assert resolve(config, "algorithm=dnll_fixmatch", "negative_weight=3").negative_weight == 3
    assert resolve(config, "algorithm=dnll_meanteacher").negative_weight == 75


def test_namespace_has_everything_that_the_toolbox_reads(resolve):
    root = Path(importlib.util.find_spec("semilearn").origin).parent
    files = [*root.glob("core/**/*.py"), *root.glob("datasets/cv_datasets/*.py")]
    read = {key for file in files for key in attributes_of_args(file)}
    set_by_the_toolbox = {"ulb_dest_len", "lb_dest_len", "__dict__"}
    namespace = resolve(FIXMATCH).namespace()
    assert len(read) > 40
    assert {key for key in read - set_by_the_toolbox if not hasattr(namespace, key)} == set()
    assert (namespace.resume, namespace.distributed, namespace.gpu) == (False, False, None)


@pytest.mark.parametrize("algorithm", ["fixmatch", "flexmatch", "dnll_dual", "dnll_meanteacher"])
def test_namespace_has_the_arguments_of_the_algorithm(resolve, algorithm):
    namespace = resolve({**FIXMATCH, "algorithm": algorithm}).namespace()
    assert vars(namespace).keys() >= keys_toolbox.algorithm_arguments()[algorithm].keys()
    assert namespace.algorithm == algorithm


def attributes_of_args(file):
    """The names read as ``args.name`` or ``….args.name`` in a source file."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            owner = node.value
            if getattr(owner, "id", None) == "args" or getattr(owner, "attr", None) == "args":
                yield node.attr


# ---- code of others ----


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


# ---- anything at all ----

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


# ---- out-of-distribution images ----


def test_images_are_taken_for_no_class_beside_pseudo_labels_only(resolve, error):
    strong = {**DUAL, "ulb_views": "weak_strong", "ood_share": 0.3}
    assert resolve(strong).ood_share == 0.3
    assert error({**strong, "pseudo_labels": False}).startswith("ood_share: goes with pseudo-label")


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        (
            ("held_out=1000",),
            "held_out: is for digits, mnist, mnist_plain or usps, not for cifar10",
        ),
        (("ulb_ood=0.2",), "ulb_ood: needs ood_classes"),
        (("ulb_ood=1.0", "ood_classes=4"), "ulb_ood: must be a number of at least 0 and below 1"),
        (
            ("ood_classes=4",),
            "ood_classes: 4 of the 10 classes of cifar10 are out of distribution; write num",
        ),
        (("ood_classes=9", "num_classes=2"), "ood_classes: 9 of the 10 classes"),
        (
            ("ood_classes=4", "num_classes=6", "num_labels=6", "dataset=stl10"),
            "ood_classes: is for cifar10, cifar100, digits",
        ),
        (
            ("ood_classes=4", "num_classes=6", "num_labels=6", "label_file=x"),
            "label_file: goes without ood_classes",
        ),
        (("known_classes=cat,dog",), "known_classes: needs ood_classes"),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dogg"),
            "known_classes: cifar10 has no class 'dogg'; did you mean 'dog'?",
        ),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dog,cat"),
            "known_classes: lists 'cat' more than once",
        ),
        (
            ("ood_classes=8", "num_classes=2", "num_labels=4", "known_classes=cat,dog,frog"),
            "known_classes: lists 3 classes, but num_classes is 2; write num_classes=3",
        ),
        (("algorithm=iomatch",), "algorithm: iomatch is for unlabeled images of no class"),
        (
            ("algorithm=openmatch", "ood_classes=4", "num_classes=6", "num_labels=6"),
            "algorithm: openmatch is for unlabeled images of no class, and there are none; write",
        ),
    ],
)
def test_strangers_that_cannot_be(error, override, expected):
    assert error(FIXMATCH, *override).startswith(expected)


@pytest.mark.parametrize("algorithm", ["iomatch", "openmatch"])
@pytest.mark.parametrize(
    "dataset", ["usps2mnist", "eurosat", "tissuemnist", "food101", "semi_aves"]
)
def test_a_data_set_that_cannot_have_strangers_is_no_open_set_one(error, algorithm, dataset):
    assert error({**FIXMATCH, "dataset": dataset}, f"algorithm={algorithm}").startswith(
        f"algorithm: {algorithm} is for unlabeled images of no class, and there are none; take "
        "cifar10, cifar100, digits, mnist, mnist_plain, svhn or usps with ood_classes and ulb_ood"
    )


def test_own_images_may_hold_strangers_that_nobody_knows_of(resolve):
    own = {**FIXMATCH, "algorithm": "iomatch", "dataset": "stl10"}
    assert resolve(own).algorithm == "iomatch"
