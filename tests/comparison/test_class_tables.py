"""The table of each class's error, of few and of many classes."""

from types import SimpleNamespace

from dnll_plugin.comparison.tables import CLASSES_SHOWN, class_tables


def model(name, **errors):
    return SimpleNamespace(name=name, by_class=errors)


def test_a_column_a_model_and_the_hardest_class_first():
    (table,) = class_tables([model("a", cat=1.0, dog=3.0), model("b", cat=2.0), model("pair")])
    assert table.title == "Error at the end of each class, %"
    assert table.header == ("class", "a", "b")
    assert table.rows == [("dog", "3.0", "–"), ("cat", "1.0", "2.0")]  # noqa: RUF001


def test_of_many_classes_the_hardest():
    (table,) = class_tables([model("a", **{f"c{number}": float(number) for number in range(100)})])
    assert table.title.endswith(f"the {CLASSES_SHOWN} hardest of 100")
    assert [row[0] for row in table.rows] == [f"c{99 - place}" for place in range(CLASSES_SHOWN)]


def test_none_where_no_run_recorded_them():
    assert class_tables([model("old")]) == []
