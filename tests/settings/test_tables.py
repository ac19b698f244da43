"""The tables of keys in the docs."""

from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.settings import keys, tables

PAGE = Path(__file__).parents[2] / tables.PAGE


def test_the_page_has_the_tables_of_the_code() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert tables.fill_page(text) == text, "stale: run make docs-tables"


def test_a_changed_default_makes_the_page_stale(monkeypatch) -> None:
    own = tables.collect_own_defaults()
    own["shrinkmatch"]["uncertain_weight"] = 2.0
    monkeypatch.setattr(tables, "collect_own_defaults", lambda: own)
    text = PAGE.read_text(encoding="utf-8")
    assert tables.fill_page(text) != text


def test_every_key_has_a_row_with_each_default_and_the_algorithms() -> None:
    table = tables.method_table().splitlines()
    assert table[0] == "| key | default | range | meaning | algorithms |"
    assert len(table) == 2 + len(keys.MethodKeys.model_fields)
    (row,) = [row for row in table if row.startswith("| `negative_weight` |")]
    assert row.startswith(
        "| `negative_weight` | null; `dnll_<algorithm>`: 1 | a number of at least"
    )
    assert "`dnll_dual`, `dnll_meanteacher`, `dnll_<algorithm>` |" in row
    (row,) = [row for row in table if row.startswith("| `consistency_weight` |")]
    assert "| 10; `lc_meanteacher`: 100; `openmatch`: 0.5 |" in row
    assert "| `strict_images` | false | true or false |" in tables.run_table()
    assert "| `lr_schedule` | toolbox |" in tables.run_table()


def test_a_family_of_algorithms_has_the_same_defaults() -> None:
    """Only so may the table name them together."""
    from semilearn.algorithms import name2alg

    from dnll_plugin.settings.toolbox_keys import algorithm_arguments, own_arguments

    family = [name for name in algorithm_arguments() if hasattr(name2alg[name], "base_name")]
    defaults = [
        {key: argument.default for key, argument in own_arguments(name2alg[name]).items()}
        for name in family
    ]
    assert len(family) > 5
    assert all(found == defaults[0] for found in defaults)


def test_a_page_without_a_place_is_an_error(tmp_path, capsys) -> None:
    with pytest.raises(InputError, match="there is no <!-- keys: "):
        tables.fill_page("# Keys")
    page = tmp_path / "keys.md"
    page.write_text("# Keys")
    assert tables.main([str(page)]) == 2
    assert page.read_text() == "# Keys"
    assert capsys.readouterr().err.startswith(f"error: {page}: ")
