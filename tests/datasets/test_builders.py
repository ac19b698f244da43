import hashlib
import pickle
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from torch.utils.data import default_collate
from torchvision.datasets import MNIST

from dnll_plugin.datasets import DATASETS
from dnll_plugin.errors import InputError


@pytest.fixture(autouse=True)
def no_download(monkeypatch):
    def refuse(*args, **kwargs):
        raise RuntimeError("no\nnetwork")

    monkeypatch.setattr("torchvision.datasets.utils.download_url", refuse)
    monkeypatch.setattr(MNIST, "download", refuse)


def build(name, args, num_labels=20, num_classes=10, alg="fixmatch", **kwargs):
    return DATASETS[name].build(args, alg, name, num_labels, num_classes, **kwargs)


def test_digits_test_set_is_fixed_for_ever(make_args):
    sums = set()
    for seed in (0, 1):
        labeled, unlabeled, test = build("digits", make_args(seed=seed))
        assert (len(labeled), len(unlabeled), len(test)) == (20, 1297, 500)
        assert set(np.bincount(test.targets)) == {50}
        sums.add(hashlib.sha256(test.data.tobytes()).hexdigest()[:16])
    assert sums == {"8c42da29d24759b7"}


def test_held_out_images_are_training_images_that_no_run_trains_on(make_args):
    whole, _, test_images = build("digits", make_args(), alg="fullysupervised")
    first, second = (
        build("digits", make_args(seed=seed, held_out=300), alg="fullysupervised")
        for seed in (0, 1)
    )
    np.testing.assert_array_equal(first[2].data, second[2].data)

    def counted(*sets):
        pictures = [
            image.tobytes() + bytes([y])
            for s in sets
            for image, y in zip(s.data, s.targets, strict=True)
        ]
        return sorted(pictures)

    assert len(first[2]) == 300
    assert counted(first[0], first[2]) == counted(whole)
    assert not set(counted(first[2])) & set(counted(test_images))


def test_no_more_than_the_training_images_can_be_held_out(make_args):
    with pytest.raises(InputError, match="held_out is 1297, but digits has 1297 training images"):
        build("digits", make_args(held_out=1297))


def test_indices_say_which_images_were_used(make_args):
    first = build("digits", make_args(seed=5))
    other = build("digits", make_args(seed=5), num_labels=40)
    whole, _, _ = build("digits", make_args(), alg="fullysupervised")
    assert len(whole) == 1297
    for labeled, unlabeled, _ in (first, other):
        for dataset in (labeled, unlabeled):
            assert dataset.indices.dtype == np.int64
            np.testing.assert_array_equal(dataset.data, whole.data[dataset.indices])
            np.testing.assert_array_equal(dataset.targets, whole.targets[dataset.indices])
        assert set(labeled.indices) <= set(unlabeled.indices)
        assert labeled.classes == [str(digit) for digit in range(10)]


@pytest.mark.parametrize("name", [name for name, row in DATASETS.items() if row.build])
def test_items_feed_the_toolbox(name, make_args, request):
    folder = request.getfixturevalue("train_folder" if name == "imagefolder" else "digit_files")
    classes = 2 if name == "imagefolder" else 10
    labeled, unlabeled, test = build(name, make_args(), classes, classes, data_dir=str(folder))
    batch = default_collate([labeled[index] for index in range(classes)])
    assert batch["x_lb"].shape == (classes, 3, 16, 16)
    assert batch["y_lb"].dtype == torch.int64
    assert batch["y_lb"].tolist() == list(range(classes))
    item = unlabeled[len(unlabeled) - 1]
    assert item["x_ulb_w"].shape == item["x_ulb_s"].shape == (3, 16, 16)
    assert sorted(set(test.targets.tolist())) == list(range(classes))
    again = pickle.loads(pickle.dumps(labeled)) if name != "imagefolder" else labeled
    assert again[0]["x_lb"].shape == (3, 16, 16)  # loader workers that are spawned get a copy


@pytest.mark.parametrize(
    ("alg", "views"),
    [
        ("dnll_dual", {"x_ulb_w", "x_ulb_s"}),
        ("meanteacher", {"x_ulb_w", "x_ulb_s"}),
        ("pseudolabel", {"x_ulb_w"}),
        ("supervised", set()),
        ("comatch", {"x_ulb_w", "x_ulb_s_0", "x_ulb_s_1"}),
        ("remixmatch", {"x_ulb_w", "x_ulb_s_0", "x_ulb_s_1", "x_ulb_s_0_rot", "rot_v"}),
    ],
)
def test_every_algorithm_gets_its_views(alg, views, make_args):
    _, unlabeled, _ = build("digits", make_args(), alg=alg)
    assert set(unlabeled[0]) == {"idx_ulb"} | views


def test_sequencematch_gets_a_medium_view_where_the_toolbox_has_it(make_args):
    _, unlabeled, _ = build("digits", make_args(), alg="sequencematch")
    medium = {"x_ulb_m"} if hasattr(unlabeled, "medium_transform") else set()
    assert set(unlabeled[0]) == {"idx_ulb", "x_ulb_w", "x_ulb_s"} | medium


def test_mnist_and_usps_are_read_as_they_are(make_args, digit_files):
    labeled, _, test = build("mnist", make_args(), data_dir=str(digit_files))
    assert labeled.data.shape == (20, 28, 28, 3)
    np.testing.assert_array_equal(labeled.data[:, 3, 5, 1], labeled.targets * 10)
    np.testing.assert_array_equal(np.bincount(test.targets), [2] * 10)
    labeled, _, test = build("usps", make_args(), data_dir=str(digit_files))
    assert labeled.data.shape == (20, 16, 16, 3)
    assert labeled.data[0, 0, :2, 0].tolist() == [255, 0]
    np.testing.assert_array_equal(np.bincount(test.targets), [2] * 10)


def test_usps2mnist_labels_one_and_shows_the_other(make_args, digit_files):
    labeled, unlabeled, test = build("usps2mnist", make_args(), 80, data_dir=str(digit_files))
    assert labeled.data.shape == (80, 16, 16, 3)
    assert unlabeled.data.shape == (80, 28, 28, 3)
    assert test.data.shape == (20, 28, 28, 3)
    args = make_args(ulb_num_labels=30)
    assert len(build("usps2mnist", args, 10, data_dir=str(digit_files))[1]) == 30


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("mnist", "MNIST/raw has no train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k"),
        ("usps", r"usps has no usps.bz2, usps.t.bz2 and the download failed \(no network\)"),
    ],
)
def test_missing_files_are_named(name, files, make_args, tmp_path):
    with pytest.raises(InputError, match=files) as caught:
        build(name, make_args(), data_dir=str(tmp_path))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03", b"\0\0\x08\x01\0\0\0\x02a", b"GIF89a"])
def test_damaged_mnist_file_is_named(content, make_args, digit_files):
    (digit_files / "MNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(content)
    with pytest.raises(InputError, match=r"train-images-idx3-ubyte is not a whole idx file"):
        build("mnist", make_args(), data_dir=str(digit_files))


@pytest.mark.parametrize("content", [b"", b"text", b"BZh9"])
def test_damaged_usps_file_is_named(content, make_args, digit_files):
    (digit_files / "usps" / "usps.bz2").write_bytes(content)
    with pytest.raises(InputError, match=r"usps\.bz2 is damaged"):
        build("usps", make_args(), data_dir=str(digit_files))


@pytest.mark.parametrize("name", ["digits", "mnist", "usps2mnist", "imagefolder"])
def test_wrong_number_of_classes(name, make_args, request):
    folder = request.getfixturevalue("train_folder" if name == "imagefolder" else "digit_files")
    with pytest.raises(InputError, match="num_classes is 7, but"):
        build(name, make_args(), 14, 7, data_dir=str(folder))


def test_label_file_decides(make_args, digit_files, tmp_path, monkeypatch):
    for name in ("mnist", "usps2mnist", "digits"):
        label_file = tmp_path / f"{name}.txt"
        targets = build(name, make_args(), 10, alg="fullysupervised", data_dir=str(digit_files))[
            0
        ].targets
        chosen = [int(np.flatnonzero(targets == label)[-1]) for label in range(10)]
        label_file.write_text("".join(f"{index}\n" for index in chosen))
        args = make_args(label_file=str(label_file))
        if name != "digits":
            with pytest.raises(InputError, match="is not the original"):
                build(name, args, 10, data_dir=str(digit_files))
        monkeypatch.setitem(DATASETS, name, replace(DATASETS[name], originals={}))
        labeled, _, _ = build(name, args, 10, data_dir=str(digit_files))
        assert labeled.indices.tolist() == chosen


def test_own_images_that_are_labeled_by_folder(make_args, labeled_folder):
    labeled, unlabeled, test = build("imagefolder", make_args(), 99, 2, data_dir=labeled_folder)
    assert labeled.targets.tolist() == [0, 0, 1]
    assert labeled.classes == ["cat", "dog"]
    assert unlabeled.targets.tolist() == [0, 0, 1, -1, -1, -1]
    assert unlabeled.indices.tolist() == list(range(6))
    assert len(test) == 2
    without = build(
        "imagefolder", make_args(), 3, 2, data_dir=labeled_folder, include_lb_to_ulb=False
    )
    assert without[1].indices.tolist() == [3, 4, 5]


def test_own_images_of_which_some_keep_their_label(make_args, train_folder):
    labeled, unlabeled, _ = build("imagefolder", make_args(), 4, 2, data_dir=train_folder)
    assert np.bincount(labeled.targets).tolist() == [2, 2]
    assert sorted(unlabeled.indices) == list(range(8))
    assert sorted(unlabeled.targets) == [0] * 4 + [1] * 4
    label_file = train_folder / "labels.txt"
    label_file.write_text("dog/3.png\ncat/2.png\n")
    args = make_args(label_file=label_file)
    labeled, _, _ = build("imagefolder", args, 2, 2, data_dir=train_folder)
    assert labeled.indices.tolist() == [7, 2]
    assert labeled[1]["x_lb"][0].mean() > labeled[0]["x_lb"][0].mean()  # a red cat, a green dog


def test_broken_own_image_is_shared_knowledge(make_args, train_folder):
    broken = train_folder / "train" / "cat" / "0.png"
    broken.write_text("")
    labeled, unlabeled, _ = build("imagefolder", make_args(), 8, 2, data_dir=train_folder)
    for dataset in (labeled, unlabeled):
        for index in range(8):
            assert dataset[index]
        assert dataset.reader.broken == [str(broken)]
    strict = build("imagefolder", make_args(strict_images=True), 8, 2, data_dir=train_folder)[0]
    with pytest.raises(InputError, match="cannot read image"):
        [strict[index] for index in range(8)]


@pytest.mark.parametrize(
    ("changes", "alg", "message"),
    [
        ({"label_file": "some.txt"}, "fixmatch", "label_file: the images in"),
        ({}, "fullysupervised", "algorithm: fullysupervised needs the label of every"),
    ],
)
def test_what_labels_by_folder_cannot_serve(changes, alg, message, make_args, labeled_folder):
    with pytest.raises(InputError, match=message):
        build("imagefolder", make_args(**changes), 3, 2, alg=alg, data_dir=labeled_folder)


def test_own_images_lacking_a_test_class(make_args, train_folder, write_image):
    write_image(train_folder / "train" / "horse" / "0.png")
    with pytest.raises(InputError, match="class horse is in"):
        build("imagefolder", make_args(), 3, 3, data_dir=train_folder)


def test_own_images_with_validation(make_args, train_folder, write_image):
    for name in ("cat", "dog"):
        write_image(train_folder / "val" / name / "0.png")
    _, _, validation, test = build("imagefolder", make_args(), 4, 2, data_dir=train_folder)
    assert [path.split("/")[-3] for path in (validation.data[0], test.data[0])] == ["val", "test"]
    assert validation[1]["x_lb"].shape == (3, 16, 16)
    assert validation.classes == ["cat", "dog"]


def test_own_images_whose_test_is_cut_off(make_args, train_folder):
    (train_folder / "train").rename(train_folder / "plain")
    args = make_args(test_share=0.3, val_share=0.3)
    build_plain = partial(build, "imagefolder", args, 4, 2, data_dir=train_folder / "plain")
    labeled, unlabeled, validation, test = build_plain()
    assert [len(part) for part in (labeled, unlabeled, validation, test)] == [4, 4, 2, 2]
    trained = {*labeled.data, *unlabeled.data}
    assert not trained & {*validation.data, *test.data}
    assert labeled.about.cut.keys() == {"test", "val"}
    args.label_file = train_folder / "labels.txt"
    args.label_file.write_text("dog/3.png\ncat/2.png\ncat/0.png\ndog/0.png\n")
    listed = [f"{path.split('/')[-2]}/{path.split('/')[-1]}" for path in build_plain()[0].data]
    assert listed == args.label_file.read_text().split()


def test_too_many_labels_name_the_folder(make_args, train_folder):
    message = r"asks for 5 images of \S*train/cat, which has 4: write at most 8"
    with pytest.raises(InputError, match=message):
        build("imagefolder", make_args(), 10, 2, data_dir=train_folder)
