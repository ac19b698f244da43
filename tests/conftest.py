"""What all tests share. Nothing heavy is imported here: most tests need neither torch nor USB."""

import json
import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

# Before the first import of torch, and passed on to the processes that tests start: the tensors of
# tests are tiny, on which more threads are slower; no window opens; no test reaches the network.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("HF_HUB_OFFLINE", "1")

# Time is never asserted (the first call into torch is slow), and CI tries the same cases each time.
settings.register_profile("dnll", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("dnll")

RUN = {
    **{"algorithm": "dnll_dual", "net": "cnn3", "dataset": "imagefolder", "num_classes": 3},
    **{"img_size": 8, "crop_ratio": 0.875, "num_workers": 0},
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--write-docs", action="store_true", help="write tables that tests hold true")


@pytest.fixture
def make_run(tmp_path):
    """A run folder with random weights, the last and the best alike; keywords replace settings."""

    def make(classes=("ant", "bee", "cat"), **changes):
        from dnll_plugin.prediction.net import build_net
        from dnll_plugin.prediction.run import read_run
        from dnll_plugin.runs.folder import BEST, LATEST
        from dnll_plugin.training import checkpoint

        folder = tmp_path / "run"
        folder.mkdir()
        text = "".join(f"{key}: {value}\n" for key, value in {**RUN, **changes}.items())
        (folder / "config.yaml").write_text(text)
        (folder / LATEST).touch()
        if classes is not None:
            (folder / "classes.json").write_text(json.dumps(classes))
        nets = [build_net(read_run(folder)).state_dict() for _ in range(2)]
        for name in (LATEST, BEST):
            checkpoint.write(dict(zip(("model", "ema_model"), nets, strict=True)), folder / name)
        return folder

    return make


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A stand-in of a checkout of the toolbox: its layout, with the files of the installed wheel.

    Its folder's name has a space and an umlaut.
    """
    from dnll_plugin.toolbox.checkout.version import find_toolbox

    checkout = tmp_path / "my tööls"
    installed = find_toolbox()
    assert installed is not None
    for file in ("__init__.py", "nets/vit/vit.py"):
        (checkout / "semilearn" / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(installed / file, checkout / "semilearn" / file)
    (checkout / "config").mkdir()
    (checkout / "config" / "theirs.yaml").write_text("algorithm: fixmatch\n")
    (checkout / "train.py").write_text("import semilearn\n")
    return checkout
