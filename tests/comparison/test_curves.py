"""The picture of a comparison."""

import numpy as np
import pytest
from PIL import Image

from dnll_plugin.comparison.curves import band, draw
from dnll_plugin.comparison.statistics import list_models, read_result


def test_the_band_is_over_the_steps_that_every_seed_has():
    steps, mean, deviation = band({0: [(5, 10.0), (10, 4.0)], 1: [(5, 14.0)]})
    assert steps.tolist() == [5]
    assert mean.tolist() == [12]
    assert deviation == pytest.approx([np.sqrt(8)])


def test_one_seed_has_a_band_of_no_width():
    _, mean, deviation = band({3: [(5, 10.0), (10, 4.0)]})
    assert mean.tolist() == [10, 4]
    assert deviation.tolist() == [0, 0]


def test_a_picture_is_drawn_also_of_an_error_of_zero(finished, finished_pair, tmp_path):
    groups = [[finished_pair(seed, [50, 1 + seed]) for seed in range(2)], [finished("uda", 0, [0])]]
    models = [
        model
        for runs in groups
        for model in list_models(runs, {run.name: read_result(run) for run in runs})
    ]
    draw(models, tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert min(picture.size) > 400
