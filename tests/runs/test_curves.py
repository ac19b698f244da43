"""``curves.png``: a panel more where there are test images of no class."""

import json

import pytest
from PIL import Image

from dnll_plugin.runs.curves import draw_curves

RECORD = {"step": 1, "eval/top-1-acc": 0.5, "train/sup_loss": 1.0, "train/util_ratio": 0.5}


@pytest.mark.parametrize(
    ("more", "panels"), [({}, 3), ({"eval/confidence-auroc": 0.8, "eval/own-auroc": 0.9}, 4)]
)
def test_a_panel_for_each_kind_of_curve(tmp_path, more, panels):
    metrics, picture = tmp_path / "metrics.jsonl", tmp_path / "curves.png"
    metrics.write_text(json.dumps(RECORD | more) + "\n")
    draw_curves(metrics, picture)
    with Image.open(picture) as image:
        assert image.width == panels * 550
