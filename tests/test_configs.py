"""The shipped configs, and the toolbox's own, against the checked settings."""

import argparse
import itertools
import os
import re
from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.settings import resolve as settings
from dnll_plugin.settings.toolbox_keys import IGNORED, UNREAD, algorithm_arguments

FOLDER = Path(__file__).parent.parent / "config"
CONFIGS = {file.stem: file for file in sorted(FOLDER.rglob("*.yaml"))}
CHECKOUT = os.environ.get("USB_CHECKOUT")

# the keys of the toolbox's config/classic_cv/fixmatch/fixmatch_cifar10_40_0.yaml
TOOLBOX_KEYS = {
    *("algorithm", "save_dir", "save_name", "resume", "load_path", "overwrite", "use_tensorboard"),
    *("use_wandb", "epoch", "num_train_iter", "num_eval_iter", "num_log_iter", "num_labels"),
    *("batch_size", "eval_batch_size", "hard_label", "T", "p_cutoff", "ulb_loss_ratio", "uratio"),
    *("ema_m", "crop_ratio", "img_size", "optim", "lr", "momentum", "weight_decay", "layer_decay"),
    *("amp", "clip", "use_cat", "net", "net_from_name", "data_dir", "dataset", "train_sampler"),
    *("num_classes", "num_workers", "seed", "world_size", "rank", "multiprocessing_distributed"),
    *("dist_url", "dist_backend", "gpu"),
}
KEYS_OF_FIXMATCH = {"hard_label", "T", "p_cutoff"}
OF_ONE_RUN = {"algorithm", "save_name", "load_path", "ulb_loss_ratio"}


@pytest.fixture(scope="module")
def own_images(tmp_path_factory):
    """Folders of two classes, whose images nothing opens."""
    root = tmp_path_factory.mktemp("images")
    for name in ("labeled/cat/0.png", "labeled/dog/0.png", "unlabeled/0.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).touch()
    return root


def test_the_promised_configs_are_there():
    assert CONFIGS.keys() >= {
        *("dnll_cifar10_40", "dnll_mt_cifar10_40", "dnll_cifar100_400", "dnll_digits_20"),
        *("fixmatch_cifar10_40", "flexmatch_cifar10_40"),
        *("dnll_cifar10_1000_cnn13", "dnll_cifar10_4000_cnn13", "dnll_mt_cifar10_1000_cnn13"),
        *("dnll_cifar100_10000_cnn13", "dnll_mnist_20", "dnll_usps2mnist", "dnll_images"),
        *("lcmt_cifar10_4000", "lcmt_svhn_1000", "images_cpu"),
    }


@pytest.mark.parametrize(
    ("name", "unlabeled_images"),
    [
        ("dnll_cifar10_1000_cnn13", 49_000),
        ("dnll_cifar10_4000_cnn13", 46_000),
        ("dnll_mt_cifar10_1000_cnn13", 49_000),
        ("dnll_cifar100_10000_cnn13", 40_000),
        ("dnll_mnist_20", 60_000),
        ("dnll_usps2mnist", 60_000),
    ],
)
def test_a_protocol_has_the_published_batches_and_schedule(name, unlabeled_images):
    got = settings.resolve(CONFIGS[name])
    assert (got.batch_size, got.uratio, got.include_lb_to_ulb) == (50, 1, False)
    assert (got.lr, got.lr_schedule, got.weight_decay) == (0.1, "cosine_to_zero", 1e-4)
    steps_per_epoch = got.num_train_iter // got.epoch
    assert (got.epoch, steps_per_epoch * got.batch_size) == (100, unlabeled_images)
    if got.algorithm == "dnll_dual":
        assert (got.lb_views, got.roles) == (2, "mutual")


@pytest.mark.parametrize(
    ("name", "unlabeled_images", "epochs", "weight", "start", "ramp", "decay", "momentum"),
    [
        ("lcmt_cifar10_4000", 46_000, 1000, 10, 600, 100, 800, 0.99),
        ("lcmt_svhn_1000", 72_257, 600, 20, 300, 50, 400, 0.995),
    ],
)
def test_local_clustering_has_the_published_values(
    name, unlabeled_images, epochs, weight, start, ramp, decay, momentum
):
    got = settings.resolve(CONFIGS[name])
    assert (got.batch_size, got.batch_size * got.uratio) == (32, 128)
    assert (got.epoch, got.num_train_iter // got.epoch) == (epochs, unlabeled_images // 128)
    clustering = (got.clustering_weight, got.clustering_start, got.clustering_rampup)
    assert clustering == (weight, start, ramp)
    assert (got.clustering_threshold, got.clustering_threshold_type) == (50, "absolute")
    assert (got.consistency_weight, got.consistency_rampup, got.ema_m) == (100, 5, momentum)
    assert (got.lr, got.lr_schedule, got.lr_decay_epoch) == (0.05, "linear_to_zero", decay)


@pytest.mark.parametrize("algorithm", ["iomatch", "openmatch"])
@pytest.mark.parametrize(
    ("task", "known", "labels_a_class", "unlabeled_share"),
    [
        *((f"cifar10_6_{n}", 6, n // 6, 0.4) for n in (24, 150)),
        *((f"cifar100_20_{n}", 20, n // 20, 0.8) for n in (80, 500)),
        *((f"cifar100_50_{n}", 50, n // 50, 0.5) for n in (200, 1250)),
        *((f"cifar100_80_{n}", 80, n // 80, 0.2) for n in (320, 2000)),
    ],
)
def test_open_set_tasks_have_the_published_values(
    algorithm, task, known, labels_a_class, unlabeled_share
):
    got = settings.resolve(CONFIGS[f"{algorithm}_{task}"])
    assert got.algorithm == algorithm
    assert (got.num_classes, got.num_labels) == (known, known * labels_a_class)
    assert labels_a_class in (4, 25)
    assert (got.ulb_ood, got.include_lb_to_ulb) == (unlabeled_share, True)
    of_cifar10 = got.dataset == "cifar10"
    assert (got.net, got.batch_size, got.uratio) == ("wrn_28_2", 64, 7)
    assert (got.epoch, got.num_train_iter, got.lr) == (256, 256 * 1024, 0.03)
    if algorithm == "iomatch":
        assert (got.p_cutoff, got.q_cutoff, got.binary_weight, got.open_weight) == (0.95, 0.5, 1, 1)
        assert got.weight_decay == (5e-4 if of_cifar10 else 1e-3)
        assert got.alignment_steps == (0 if of_cifar10 else 128)
    else:
        assert (got.start_fix, got.fix_cutoff, got.consistency_uratio) == (5, 0, 2)
        assert (got.weight_decay, got.entropy_weight) == (5e-4, 0.1)
        assert got.consistency_weight == (0.5 if of_cifar10 else 1.0)


@pytest.mark.parametrize("name", CONFIGS)
def test_config_resolves_and_holds_no_key_of_another_algorithm(name, own_images):
    own = settings.read_yaml(CONFIGS[name])["dataset"] == "imagefolder"
    got = settings.resolve(CONFIGS[name], data_dir=own_images if own else None)
    assert got.notes == ()
    assert got.save_name == name


@pytest.mark.parametrize("name", CONFIGS)
def test_config_has_a_comment_on_top_and_one_unindented_key_a_line(name):
    lines = CONFIGS[name].read_text(encoding="utf-8").splitlines()
    comment = list(itertools.takewhile(lambda line: line.startswith("# "), lines))
    assert comment
    keys = lines[len(comment) :]
    assert [line for line in keys if not re.fullmatch(r"\w+: \S+", line)] == []


@pytest.mark.parametrize("name", CONFIGS)
def test_config_writes_out_the_keys_of_the_toolbox(name):
    written = settings.read_yaml(CONFIGS[name])
    assert written.keys() >= TOOLBOX_KEYS - KEYS_OF_FIXMATCH
    assert written["load_path"] == f"{written['save_dir']}/{name}/latest_model.pth"


@pytest.mark.filterwarnings("ignore::PendingDeprecationWarning")
@pytest.mark.parametrize("name", CONFIGS)
def test_the_toolbox_reads_the_same_values(name):
    from semilearn.core.utils import over_write_args_from_file

    namespace = argparse.Namespace()
    over_write_args_from_file(namespace, str(CONFIGS[name]))
    assert vars(namespace) == settings.read_yaml(CONFIGS[name])


@pytest.mark.parametrize("baseline", ["fixmatch", "flexmatch"])
def test_a_baseline_differs_only_in_what_is_its_own(baseline):
    dual = settings.read_yaml(CONFIGS["dnll_cifar10_40"])
    other = settings.read_yaml(CONFIGS[f"{baseline}_cifar10_40"])
    arguments = algorithm_arguments()
    own = OF_ONE_RUN | arguments["dnll_dual"].keys() | arguments[baseline].keys()
    assert {key: value for key, value in dual.items() if key not in own} == {
        key: value for key, value in other.items() if key not in own
    }


def test_own_images_have_one_algorithm_on_a_cpu_and_on_a_gpu():
    cpu, gpu = (settings.read_yaml(CONFIGS[name]) for name in ("images_cpu", "dnll_images"))
    sizes = {"save_name", "load_path", "num_train_iter", "num_eval_iter", "num_log_iter", "net"}
    sizes |= {"num_labels", "batch_size", "ema_m", "img_size", "num_workers", "channels_last"}
    assert {key for key in cpu.keys() | gpu.keys() if cpu.get(key) != gpu.get(key)} == sizes


def test_the_demo_is_small_and_its_ramps_end_within_it():
    demo = settings.resolve(CONFIGS["dnll_digits_20"])
    assert (demo.net, demo.dataset, demo.device, demo.num_workers) == ("cnn3", "digits", "cpu", 0)
    ramps = (demo.consistency_rampup, demo.stabilization_rampup, demo.negative_rampup)
    assert max(ramps) <= demo.epoch
    assert demo.batch_size * (1 + demo.uratio) * demo.num_train_iter <= 150_000


@pytest.mark.skipif(CHECKOUT is None, reason="set USB_CHECKOUT to a checkout of the toolbox")
def test_every_published_image_config_resolves():
    root = Path(str(CHECKOUT)) / "config"
    files = [file for group in ("classic_cv", "usb_cv") for file in root.glob(f"{group}/**/*.yaml")]
    wrong = {file: message for file in files if (message := problem_of(file)) is not None}
    # one config of the newest commit holds a merge conflict
    assert all("is not valid YAML" in message for message in wrong.values()), wrong
    assert len(wrong) <= 1
    assert len(files) > 300


@pytest.mark.skipif(CHECKOUT is None, reason="set USB_CHECKOUT to a checkout of the toolbox")
def test_the_published_configs_hold_every_key_that_ours_write_out():
    template = Path(str(CHECKOUT)) / "config/classic_cv/fixmatch/fixmatch_cifar10_40_0.yaml"
    assert settings.read_yaml(template).keys() == TOOLBOX_KEYS
    ours = settings.read_yaml(CONFIGS["fixmatch_cifar10_40"])
    own = {"save_name", "load_path"}
    assert {
        key: value for key, value in settings.read_yaml(template).items() if key not in own
    } == {key: value for key, value in ours.items() if key not in own}


def problem_of(file):
    """Why a published config does not resolve, with the algorithm replaced where it is unknown."""
    try:
        written = settings.read_yaml(file)
        known = written["algorithm"] in algorithm_arguments()
        got = settings.resolve(file, () if known else ["algorithm=fixmatch"])
    except InputError as error:
        return str(error)
    unexplained = written.keys() - got.values.keys() - IGNORED.keys()
    noted = {word for note in got.notes for word in re.findall(r"\w+", note)}
    return None if unexplained <= noted | UNREAD else f"lost {unexplained}"
