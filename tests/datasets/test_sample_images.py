"""The digits written as image folders."""

import csv

import pytest

from dnll_plugin.datasets import sample_images
from dnll_plugin.datasets.folders import folder_facts, image_paths
from dnll_plugin.errors import InputError


def test_the_folders_are_laid_out_for_training(tmp_path):
    assert sample_images.write(tmp_path / "d") == (200, 1097, 500)
    classes, labels = folder_facts(tmp_path / "d")
    assert (set(classes), labels) == (set(sample_images.NAMES), 200)
    with (tmp_path / "d" / "unlabeled.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["file"] for row in rows] == image_paths(tmp_path / "d" / "unlabeled")
    names = [path.rpartition("/")[2] for path in image_paths(tmp_path / "d")]
    assert len(set(names)) == len(names) == 1797


def test_a_folder_that_holds_something_is_left_alone(tmp_path, capsys):
    (tmp_path / "mine").touch()
    with pytest.raises(InputError, match="is not empty"):
        sample_images.write(tmp_path)
    assert sample_images.main([str(tmp_path)]) == 2
    assert sample_images.main([]) == 2
    assert "usage:" in capsys.readouterr().err
