"""A stand-in of a checkout of the toolbox: its layout, with the files of the installed wheel."""

import shutil
from pathlib import Path

import pytest

from dnll_plugin.toolbox.checkout.version import find_toolbox


@pytest.fixture
def stand_in(tmp_path: Path) -> Path:
    """A checkout in a folder whose name has a space and an umlaut."""
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
