"""``--variant``: names, settings, grids, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.comparison.variants import Variant, list_variants, read_variant
from dnll_plugin.errors import InputError


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:algorithm=uda,T=0.4", [Variant("a", "uda", ("T=0.4",))]),
        ("uda:T=0.4", [Variant("uda[T=0.4]", "uda", ("T=0.4",))]),
        (
            "a:algorithm=uda,T=1|2,p=3",
            [Variant(f"a[T={t}]", "uda", (f"T={t}", "p=3")) for t in "12"],
        ),
        ("a:algorithm=uda,names=[x, y]", [Variant("a", "uda", ("names=[x, y]",))]),
        ("a:algorithm=uda", [Variant("a", "uda")]),
    ],
)
def test_a_variant_as_it_is_written(text, expected):
    assert read_variant(text) == expected


def test_a_grid_is_every_combination():
    names = [variant.name for variant in read_variant("uda:T=1|2,p=3|4")]
    assert names == ["uda[T=1,p=3]", "uda[T=1,p=4]", "uda[T=2,p=3]", "uda[T=2,p=4]"]


@pytest.mark.parametrize(
    "text", ["", "a", "a:", "a:T", "a:=1", ":T=1", "a:T=", "<b>:T=1", "a\nb:T=1", "../a:T=1"]
)
def test_another_form_is_refused(text):
    with pytest.raises(InputError, match=r"--variant .*: write NAME:key=value"):
        read_variant(text)


@pytest.mark.parametrize(
    ("algorithms", "written", "message"),
    [
        (["uda", "uda"], [], "--algorithms: uda stands there twice"),
        (["uda"], ["uda:algorithm=fixmatch"], "--algorithms: uda stands there twice"),
        ([], ["uda:T=1|1"], r"--variant: uda\[T=1\] stands there twice"),
        ([], ["uda:T=1,T=2"], "T stands there twice"),
        ([], ["a:algorithm=uda|fixmatch"], "one algorithm a variant"),
    ],
)
def test_names_differ(algorithms, written, message):
    with pytest.raises(InputError, match=message):
        list_variants(algorithms, written)


@given(st.text(max_size=20))
def test_a_folders_name_is_one_plain_word(value):
    name = Variant(f"uda[T={value}]", "uda", (f"T={value}",)).folder_name
    assert name.startswith("uda-T=")
    assert not set(name) & set("/\\<>\"'\n\t |[]")
