import numpy as np
import pytest

from dnll_plugin.datasets.folders import FolderImages, Layout
from dnll_plugin.datasets.parts import cut_parts
from dnll_plugin.errors import InputError

CLASSES = ["cat", "dog"]


def images(root, *counts):
    targets = np.repeat(np.arange(len(counts)), counts)
    paths = [f"{CLASSES[label]}/{index}.png" for index, label in enumerate(targets)]
    return FolderImages(root, paths, targets)


def cut(root, counts, test=0.2, val=0.0, seed=0, kept=None):
    shares = {"test_share": test, "val_share": val}
    layout = Layout(root, None, None, None)
    return cut_parts(layout, images(root, *counts), CLASSES, shares, seed, kept)


def test_parts_are_the_same_share_of_every_class_and_share_nothing(tmp_path):
    whole = images(tmp_path, 50, 10)
    parts = cut(tmp_path, (50, 10), test=0.2, val=0.1)
    counts = {part: np.bincount(f.targets).tolist() for part, f in parts.held_out.items()}
    assert counts == {"test": [10, 2], "val": [5, 1]}
    assert parts.cut == ("test", "val")
    every = [whole.paths[i] for i in parts.rest]
    for part in parts.held_out.values():
        every += part.paths
    assert sorted(every) == sorted(whole.paths)


def test_the_seed_decides_and_validation_does_not_change_the_test():
    first, same, other = (cut("x", (50, 10), seed=seed) for seed in (0, 0, 1))
    assert first.held_out["test"].paths == same.held_out["test"].paths
    assert first.held_out["test"].paths != other.held_out["test"].paths
    validated = cut("x", (50, 10), val=0.3)
    assert validated.held_out["test"].paths == first.held_out["test"].paths


def test_every_class_gives_at_least_one_image_and_keeps_one(tmp_path):
    parts = cut(tmp_path, (40, 2), test=0.1)
    assert np.bincount(parts.held_out["test"].targets).tolist() == [4, 1]
    with pytest.raises(
        InputError, match=r"test_share: 1 of the images in \S*dog would go to test/"
    ):
        cut(tmp_path, (40, 1), test=0.1)
    with pytest.raises(InputError, match=r"val_share: 1 of the images in \S*dog would go to val/"):
        cut(tmp_path, (40, 2), test=0.1, val=0.1)


def test_images_of_a_label_file_stay(tmp_path):
    kept = np.asarray([0, 1, 2, 50])
    for seed in range(5):
        parts = cut(tmp_path, (50, 4), test=0.5, seed=seed, kept=kept)
        assert set(kept) <= set(parts.rest)


def test_folders_of_the_user_are_taken_as_they_are(train_folder, write_image):
    write_image(train_folder / "val/cat/0.png")
    layout = Layout(train_folder / "train", None, train_folder / "val", train_folder / "test")
    whole = images(train_folder / "train", 4, 4)
    shares = {"test_share": 0.2, "val_share": 0.0}
    with pytest.raises(InputError, match="1 class folders"):
        cut_parts(layout, whole, CLASSES, shares, 0)
    write_image(train_folder / "val/dog/0.png")
    parts = cut_parts(layout, whole, CLASSES, shares, 0)
    assert parts.cut == ()
    assert {part: found.paths for part, found in parts.held_out.items()} == {
        part: ["cat/0.png", "dog/0.png"] for part in ("test", "val")
    }
    with pytest.raises(InputError, match=r"val_share: the validation images are in \S*val: remove"):
        cut_parts(layout, whole, CLASSES, {**shares, "val_share": 0.1}, 0)
