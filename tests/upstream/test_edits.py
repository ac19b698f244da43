"""Edits of files, and the message of a patch."""

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.upstream.edits import Edit, Patch


def patch(*edits: Edit, **options: object) -> Patch:
    return Patch(subject="Do it", what="Because.", edits=lambda plugin: edits, **options)


def test_edits_in_order_and_new_files(tmp_path):
    (tmp_path / "a.py").write_bytes(b"one\r\ntwo\r\n")
    made = patch(
        Edit("a.py", "two", "2"),
        Edit("a.py", "", "three\n"),
        files=lambda plugin: {"b/c.py": "c\n"},
    )
    made.apply(tmp_path, tmp_path)
    assert (tmp_path / "a.py").read_bytes() == b"one\r\n2\r\nthree\n"
    assert (tmp_path / "b" / "c.py").read_bytes() == b"c\n"


@pytest.mark.parametrize(("content", "times"), [("", 0), ("one one", 2)])
def test_a_place_that_is_not_there_once(tmp_path, content, times):
    (tmp_path / "a.py").write_text(content)
    with pytest.raises(InputError, match=f"a.py: 'one' is there {times} times"):
        patch(Edit("a.py", "one", "1")).apply(tmp_path, tmp_path)


def test_a_new_file_that_is_there(tmp_path):
    (tmp_path / "a.py").touch()
    with pytest.raises(InputError, match="in the toolbox already"):
        patch(files=lambda plugin: {"a.py": ""}).apply(tmp_path, tmp_path)


def test_the_message_follows_the_template():
    message = patch().message
    assert message.startswith("Do it\n\n## What does this PR do?\n\nBecause.\n\n### Does your PR")
    assert "- [ ] Was this **discussed/approved**" in message
    about = Patch("Do it", "Because.\n\nFixes #1, see #23", lambda plugin: (), breaking="All of it")
    assert "**discussed/approved** via a GitHub issue? (#1, #23)\n" in about.message
    assert "\n\nAll of it\n\n" in about.message
