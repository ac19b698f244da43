"""The check of every value, alone and with the algorithm and the data set, and the errors."""

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.settings import resolve as settings
from dnll_plugin.settings import toolbox_keys as keys_toolbox

from .configs import DUAL, FIXMATCH, as_yaml


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
