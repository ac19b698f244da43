"""The marked block: pure functions of a file's content."""

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.checkout import block

PLACE = b"from .core.utils import get_dataset\n"
CONFIGS = {"a.yaml": "0123456789ab", "b=c.yaml": "ba9876543210"}
# Anything but a second place or the marks themselves.
text = st.binary(max_size=40).filter(lambda content: b"from" not in content and b"#" not in content)
newlines = st.sampled_from([b"\n", b"\r\n"])


@given(text, text, newlines)
def test_putting_it_in_and_taking_it_out(before, after, newline):
    content = before + b"\n" + PLACE.replace(b"\n", newline) + after
    registered = block.with_block(content, CONFIGS)
    assert block.without_block(registered) == content
    assert block.with_block(registered, CONFIGS) == registered
    assert block.recorded_configs(registered) == CONFIGS
    parts = block.split(registered)
    assert parts.before == before + b"\n"
    assert parts.block.count(b"\n") == parts.block.count(newline)


def test_the_block_says_when_the_plugin_is_gone(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "dnll_plugin", None)  # what Python takes for: there is none
    exec(block.split(block.with_block(PLACE, {})).block)
    assert "registered here but not installed" in capsys.readouterr().err


def test_the_block_hides_no_other_failure(tmp_path, monkeypatch):
    (tmp_path / "dnll_plugin.py").write_text("import a_module_that_nobody_has")
    monkeypatch.delitem(sys.modules, "dnll_plugin")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="nobody_has"):
        exec(block.split(block.with_block(PLACE, {})).block)


def test_no_block():
    assert block.split(PLACE) == (PLACE, b"", b"")
    assert block.recorded_configs(PLACE) == {}


@pytest.mark.parametrize("content", [b"", PLACE + PLACE, b"import semilearn.core.utils\n"])
def test_no_place(content):
    with pytest.raises(InputError, match=r"semilearn/__init__\.py: .* times; restore"):
        block.with_block(content, {})


@pytest.mark.parametrize("lost", [block.BEGIN, block.END])
def test_a_damaged_block(lost):
    content = block.with_block(PLACE, {}).replace(lost, b"#")
    with pytest.raises(InputError, match="damaged"):
        block.split(content)


def test_two_blocks():
    once = block.split(block.with_block(PLACE, {})).block
    with pytest.raises(InputError, match="damaged"):
        block.split(once + once + PLACE)
