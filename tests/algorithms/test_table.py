"""The table of algorithms, and the classes that are made from it."""

import multiprocessing
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from semilearn.core.utils import ALGORITHMS

from dnll_plugin.algorithms import negative_mixin
from dnll_plugin.algorithms.table import OWN_ALGORITHMS, PAIR, Algorithm, add_algorithm, is_own
from dnll_plugin.nets.pair import SIDES

MADE = [name for name, row in OWN_ALGORITHMS.items() if row.base and name in ALGORITHMS]


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test adds to the table and to the toolbox is forgotten after it."""
    monkeypatch.setattr(ALGORITHMS, "_dict", ALGORITHMS._dict.copy())
    before = OWN_ALGORITHMS.copy()
    yield
    OWN_ALGORITHMS.clear()
    OWN_ALGORITHMS.update(before)


def test_every_row_is_registered_unless_only_the_newest_toolbox_has_its_base() -> None:
    for name, row in OWN_ALGORITHMS.items():
        assert row.name == name
        if not row.newest_only or row.base in ALGORITHMS:
            assert ALGORITHMS[name].__module__ == row.module
    known = {name for name in ALGORITHMS.keys() if name.startswith("dnll_")}  # noqa: SIM118
    assert known <= OWN_ALGORITHMS.keys()


def test_the_table_imports_neither_torch_nor_the_toolbox() -> None:
    code = (
        "import sys, dnll_plugin.algorithms.table\n"
        "assert not {'torch', 'semilearn', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_models_of_a_pair_are_the_ensemble_and_its_sides() -> None:
    assert ("ensemble", *SIDES) == PAIR


def test_who_is_own() -> None:
    assert is_own("shrinkmatch")
    assert is_own("dnll_fixmatch")
    assert not is_own("fixmatch")


@pytest.mark.usefixtures("forgetful")
def test_a_name_is_taken_once() -> None:
    mine = Algorithm("mine", "my_module")
    for _ in range(2):  # a notebook's cell may run again
        add_algorithm(mine)
    assert is_own("mine")
    with pytest.raises(ValueError, match="there is an algorithm 'shrinkmatch' already"):
        add_algorithm(Algorithm("shrinkmatch", "my_module"))


@pytest.mark.usefixtures("forgetful")
def test_a_misspelt_base_is_an_error() -> None:
    with pytest.raises(
        ValueError, match="has no algorithm 'fixmach' to learn negatives; write fixmatch"
    ):
        negative_mixin.learn_negatives_too("fixmach")
    assert "dnll_fixmach" not in OWN_ALGORITHMS


@pytest.mark.usefixtures("forgetful")
def test_only_what_the_newest_toolbox_has_may_be_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    module = negative_mixin.__name__
    monkeypatch.setattr(negative_mixin, "DNLLUDA", ALGORITHMS["dnll_uda"])  # to be put back
    absent = Algorithm("dnll_later", module, base="later", newest_only=True)
    present = Algorithm("dnll_uda", module, base="uda", newest_only=True)
    negative_mixin.make_classes([absent])
    assert "dnll_later" not in ALGORITHMS
    with pytest.raises(ValueError, match="'later'"):  # this is the newest, so it is misspelt
        negative_mixin.make_classes([present, absent])
    with pytest.raises(ValueError, match="'later'"):
        negative_mixin.make_classes([Algorithm("dnll_later", module, base="later")])


@pytest.mark.parametrize("name", MADE)
def test_a_made_class_can_be_pickled(name: str) -> None:
    assert pickle.loads(pickle.dumps(ALGORITHMS[name])) is ALGORITHMS[name]


def test_a_made_class_reaches_a_spawned_process() -> None:
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        assert pool.apply(getattr, (ALGORITHMS["dnll_uda"], "base_name")) == "uda"


THEIRS = """
from semilearn.algorithms.fixmatch import FixMatch
from semilearn.core.utils import ALGORITHMS
from dnll_plugin.algorithms.negative_mixin import learn_negatives_too

@ALGORITHMS.register("strictmatch")
class StrictMatch(FixMatch):
    pass

learn_negatives_too("strictmatch")
"""


def test_a_class_made_in_another_module_is_found_again_through_it(tmp_path: Path) -> None:
    (tmp_path / "theirs.py").write_text(THEIRS)
    dump = (
        "import pickle, theirs; from semilearn.core.utils import ALGORITHMS\n"
        "from dnll_plugin.algorithms.table import is_own; assert is_own('dnll_strictmatch')\n"
        "pickle.dump(ALGORITHMS['dnll_strictmatch'], open('class', 'wb'))"
    )
    load = "import pickle; print(pickle.load(open('class', 'rb')).base_name)"
    for code in (f"import dnll_plugin; {dump}", load):
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "strictmatch"
