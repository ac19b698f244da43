"""Names of folders and classes are harmless wherever a report shows them."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.escaping import fence, for_markdown, for_spreadsheet, for_terminal


@given(st.text())
def test_a_text_is_one_line_without_control_characters(text):
    assert for_terminal(text).isprintable()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a|b", "a\\|b"),
        ("<script>", "&lt;script>"),
        ("[x](y)", "[x]\\(y)"),
        ("two\nlines", "two\\nlines"),
        ("\x1b[31mred", "\\x1b[31mred"),
    ],
)
def test_markdown(text, shown):
    assert for_markdown(text) == shown


def test_a_block_of_code_ends_where_it_should():
    assert fence("a ``` b") == "````\na ``` b\n````"


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\t=1"])
def test_no_cell_is_a_formula(text):
    stream = io.StringIO()
    csv.writer(stream).writerow([for_spreadsheet(text)])
    assert next(csv.reader(io.StringIO(stream.getvalue())))[0] == f"'{text}"


def test_numbers_stay_numbers():
    assert for_spreadsheet(-1.5) == -1.5
