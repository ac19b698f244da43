"""Edits of files, and the message of a patch."""

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.upstream import edits as module
from dnll_plugin.upstream.edits import Edit, Patch


@pytest.fixture
def new_files(tmp_path, monkeypatch):
    """The folder of the new files of a patch."""
    folder = tmp_path / "files"
    monkeypatch.setattr(module, "FILES", folder)
    (folder / "mine" / "b").mkdir(parents=True)
    return folder / "mine"


@pytest.fixture
def checkout(tmp_path):
    folder = tmp_path / "checkout"
    folder.mkdir()
    return folder


def patch(*edits: Edit, **options: object) -> Patch:
    return Patch(subject="Do it", what="Because.", edits=edits, folder="mine", **options)


def test_edits_in_order_and_new_files(new_files, checkout):
    (checkout / "a.py").write_bytes(b"one\r\ntwo\r\n")
    (new_files / "b" / "c.py").write_text("c\n")
    patch(Edit("a.py", "two", "2"), Edit("a.py", "", "three\n")).apply(checkout, checkout)
    assert (checkout / "a.py").read_bytes() == b"one\r\n2\r\nthree\n"
    assert (checkout / "b" / "c.py").read_bytes() == b"c\n"


def test_an_edit_up_to_the_end_of_a_part(new_files, checkout):
    (checkout / "a.py").write_text("begin\nold\nend\nend\n")
    patch(Edit("a.py", "begin\n", "new\n", until="end\n")).apply(checkout, checkout)
    assert (checkout / "a.py").read_text() == "new\nend\n"
    with pytest.raises(InputError, match=r"a\.py: 'nowhere' is not there"):
        patch(Edit("a.py", "new", "", until="nowhere")).apply(checkout, checkout)


@pytest.mark.parametrize(("content", "times"), [("", 0), ("one one", 2)])
def test_a_place_that_is_not_there_once(new_files, checkout, content, times):
    (checkout / "a.py").write_text(content)
    with pytest.raises(InputError, match=f"a.py: 'one' is there {times} times"):
        patch(Edit("a.py", "one", "1")).apply(checkout, checkout)


def test_a_new_file_that_is_there(new_files, checkout):
    (new_files / "b" / "c.py").write_text("c\n")
    (checkout / "b").mkdir()
    (checkout / "b" / "c.py").touch()
    with pytest.raises(InputError, match="in the toolbox already"):
        patch().apply(checkout, checkout)


def test_the_message_follows_the_template_and_ticks_only_what_is_so():
    message = patch().message
    assert message.startswith("Do it\n\n## What does this PR do?\n\nBecause.\n\nThis has not been")
    assert "Please open an issue for it before the pull request" in message
    assert "- [ ] Was this **discussed/approved**" in message
    assert "- [ ] Is this pull request ready for review?" in message
    about = patch(issues="Fixes #1.", breaking="All of it", documented=True).message
    assert "\n\nBecause.\n\nFixes #1.\n\n" in about
    assert "(reported: Fixes #1.)" in about
    assert "\n\nAll of it\n\n" in about
    assert "- [x] Did you make sure to **update the documentation**" in about
