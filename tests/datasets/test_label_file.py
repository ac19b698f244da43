import hashlib

import numpy as np
import pytest

from dnll_plugin.datasets import DATASETS, DataSet
from dnll_plugin.datasets.label_file import (
    labeled_indices_from_file,
    labeled_indices_from_paths,
)
from dnll_plugin.errors import InputError

TARGETS = np.array([3, 1, 3, 1, 3])


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Read a label file for a data set of one file, which ``content`` makes an original or not."""

    def read(text, num_labels=2, dataset="ours", content=b"original"):
        row = DataSet(originals={"raw": hashlib.md5(b"original").hexdigest()})
        monkeypatch.setitem(DATASETS, "ours", row)
        (tmp_path / "raw").write_bytes(content)
        (tmp_path / "labels.txt").write_text(text)
        return labeled_indices_from_file(
            tmp_path / "labels.txt", dataset, tmp_path, TARGETS, num_labels
        )

    return read


@pytest.mark.parametrize(
    "text", ["4\n1\n", "4 3\n\n1 1", "4_dog.png dog\n1_cat.png cat\n", "4_3.png 3\r\n1_1.png 1\r\n"]
)
def test_every_way_of_writing_a_line(read, text):
    indices = read(text)
    assert indices.dtype == np.int64
    assert indices.tolist() == [4, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("4\n5\n", r"line 2: '5' names no image: write a number from 0 to 4"),
        ("cat.png\n", r"line 1: 'cat.png' names no image"),
        ("-1\n", "names no image"),
        ("4 1\n", "line 1: image 4 is of class 3, not 1"),
        ("4 dog\n1 dog\n", "line 2: image 1 is of class 1, not dog"),
        ("4\n4\n", "lists image 4 twice"),
        ("4\n", "write num_labels: 1"),
        ("4\n2\n", "lists no image of class 1"),
    ],
)
def test_wrong_file_is_an_input_error(read, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read(text)
    assert "\n" not in str(caught.value)


def test_other_files_than_the_originals_are_refused(read):
    with pytest.raises(InputError, match="raw is not the original ours file"):
        read("4\n1\n", content=b"in another order")


def test_data_set_without_known_originals_is_refused(read):
    with pytest.raises(InputError, match="label_file is not known for dataset stl10"):
        read("4\n1\n", dataset="stl10")


def test_missing_label_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*nowhere.txt"):
        labeled_indices_from_file(tmp_path / "nowhere.txt", "digits", tmp_path, TARGETS, 2)


def test_known_originals_are_torchvisions():
    from torchvision.datasets import CIFAR10, CIFAR100, SVHN, USPS

    def last_parts(dataset):
        return {path.rsplit("/", 1)[1]: md5 for path, md5 in DATASETS[dataset].originals.items()}

    assert last_parts("cifar10") == dict(CIFAR10.train_list)
    assert last_parts("cifar100") == dict(CIFAR100.train_list)
    svhn = [SVHN.split_list[part] for part in ("train", "extra")]
    assert last_parts("svhn") == {name: md5 for _, name, md5 in svhn}
    assert last_parts("usps") == {USPS.split_list["train"][1]: USPS.split_list["train"][2]}


def test_paths_of_own_images(tmp_path):
    label_file = tmp_path / "labels.txt"
    paths = ["cat/a b.png", "cat/b.png", "dog/c.png"]
    targets = np.array([0, 0, 1])
    label_file.write_text("dog/c.png\ncat/a b.png\n")
    assert labeled_indices_from_paths(label_file, paths, targets, 2).tolist() == [2, 0]
    label_file.write_text("dog/d.png\n")
    with pytest.raises(InputError, match=r"line 1: no image 'dog/d\.png'"):
        labeled_indices_from_paths(label_file, paths, targets, 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat/b.png\ncat/b.png\n", "lists image cat/b.png twice"),
        ("cat/b.png\ncat/a b.png\n", "lists no image of class dog"),
    ],
)
def test_errors_name_files_and_folders_of_own_images(tmp_path, text, message):
    label_file = tmp_path / "labels.txt"
    label_file.write_text(text)
    paths = ["cat/a b.png", "cat/b.png", "dog/c.png"]
    with pytest.raises(InputError, match=message):
        labeled_indices_from_paths(label_file, paths, np.array([0, 0, 1]), 2)
