import shutil
import subprocess
import sys

import pytest

from dnll_plugin.datasets.folders import (
    UNKNOWN,
    check_same_classes,
    find_layout,
    folder_facts,
    image_paths,
    image_suffixes,
    labeled_images,
    unlabeled_images,
)
from dnll_plugin.errors import InputError


def test_facts_of_both_layouts(tmp_path, write_image):
    for path in ("a/labeled/dog/1.png", "a/labeled/cat/1.png", "a/labeled/cat/2.png"):
        write_image(tmp_path / path)
    for path in ("b/train/dog/1.png", "b/train/cat/1.png"):
        write_image(tmp_path / path)
    assert folder_facts(tmp_path / "a") == (["cat", "dog"], 3)
    assert folder_facts(str(tmp_path / "b")) == (["cat", "dog"], None)


def test_a_plain_tree_of_class_folders(tmp_path, write_image):
    for path in ("dog/1.png", "cat/deep/1.png", ".cache/1.png"):
        write_image(tmp_path / path)
    assert folder_facts(tmp_path) == (["cat", "dog"], None)
    layout = find_layout(tmp_path)
    assert (layout.training, layout.validation, layout.test) == (tmp_path, None, None)


def test_folders_for_validation_and_test(train_folder):
    layout = find_layout(train_folder)
    assert (layout.validation, layout.test) == (None, train_folder / "test")
    (train_folder / "test").rename(train_folder / "val")
    layout = find_layout(train_folder)
    assert (layout.validation, layout.test) == (train_folder / "val", None)


def test_the_labeled_layout_wants_a_test_folder(labeled_folder):
    (labeled_folder / "test").rename(labeled_folder / "val")
    layout = find_layout(labeled_folder)
    assert (layout.validation, layout.test) == (labeled_folder / "val", labeled_folder / "test")


def test_labels_follow_the_sorted_class_names(train_folder):
    images = labeled_images(train_folder / "train", ["cat", "dog"])
    assert images.paths[0] == "cat/0.png"
    assert images.targets.tolist() == [0] * 4 + [1] * 4
    assert images.files[0] == str(train_folder / "train" / "cat" / "0.png")


def test_unlabeled_images_are_found_at_any_depth(labeled_folder):
    images = unlabeled_images(labeled_folder / "unlabeled")
    assert images.paths == ["more/y.JPG", "x.png", "z.bmp"]
    assert set(images.targets) == {UNKNOWN}


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path):
    for name in (".hidden.png", ".cache/a.png", "notes.txt", "a.PNG", "b.tiff", "c.webp"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert image_paths(tmp_path) == ["a.PNG", "b.tiff", "c.webp"]
    assert {".jpg", ".gif", ".ppm"} <= image_suffixes()


@pytest.mark.parametrize(
    ("folders", "message"),
    [
        ([], "no such folder"),
        (["test/cat"], "neither labeled/ nor train/"),
        (["cat", "dog"], "neither labeled/ nor train/"),
        (["labeled/cat", "train/cat"], "both labeled/ and train/"),
        (["train/cat"], "1 class folders"),
        (["labeled/cat", "labeled/dog"], "labeled/cat holds no image"),
    ],
)
def test_wrong_folders_are_input_errors(tmp_path, folders, message):
    for folder in folders:
        (tmp_path / "data" / folder).mkdir(parents=True)
    with pytest.raises(InputError, match=message) as caught:
        folder_facts(tmp_path / "data")
    assert "\n" not in str(caught.value)


def test_classes_must_be_the_same(train_folder):
    (train_folder / "test" / "horse").mkdir()
    with pytest.raises(InputError, match=r"class horse is in .*test but not in .*train"):
        check_same_classes(train_folder / "train", train_folder / "test")
    shutil.rmtree(train_folder / "test")
    with pytest.raises(InputError, match=r"no such folder: .*test"):
        check_same_classes(train_folder / "train", train_folder / "test")


def test_no_unlabeled_images(tmp_path):
    with pytest.raises(InputError, match="no unlabeled images"):
        unlabeled_images(tmp_path / "unlabeled")


def test_folder_facts_need_neither_torch_nor_the_toolbox():
    code = (
        "import sys, dnll_plugin.datasets.folders, dnll_plugin.datasets as d;"
        "assert 'imagefolder' in d.DATASETS;"
        "assert not {'torch', 'semilearn'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
