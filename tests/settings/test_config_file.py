"""Config files: what is read, what is refused, and that nothing is executed."""

import os
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dnll_plugin.errors import InputError
from dnll_plugin.settings.config_file import (
    MAX_BYTES,
    find_config,
    list_configs,
    read_config,
    read_value,
    write_config,
    write_override,
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return tmp_path_factory.mktemp("config") / "c.yaml"


def values(file, text):
    file.write_text(text, encoding="utf-8")
    return {key: entry.value for key, entry in read_config(file).items()}


def message(file, data):
    file.write_bytes(data if isinstance(data, bytes) else data.encode())
    with pytest.raises(InputError) as caught:
        read_config(file)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert text.startswith(str(file))
    return text.removeprefix(str(file)).strip()


def outcome(function, *args):
    try:
        return function(*args)
    except InputError as error:
        return error


def is_one_line_error(result):
    return isinstance(result, InputError) and len(str(result).splitlines()) == 1


def test_scalars_follow_yaml_1_2(file):
    text = "a: 1e-4\nb: on\nc: True\nd: 010\ne: .5\nf: null\ng:\nh: '1'\ni: 1_000\nj: no\nk: None"
    assert values(file, text) == {
        **{"a": 1e-4, "b": "on", "c": True, "d": 10, "e": 0.5, "f": None, "g": None},
        **{"h": "1", "i": 1000, "j": "no", "k": "None"},
    }


def test_dates_stay_text_and_lists_are_read(file):
    assert values(file, "a: 2024-01-31\nb: [1, x]") == {"a": "2024-01-31", "b": [1, "x"]}


def test_bom_windows_line_ends_comments_and_aliases_of_scalars(file):
    assert values(file, "\ufeff# c\r\na: &x 3  # d\r\nb: *x\r\n") == {"a": 3, "b": 3}


def test_lines_are_counted_from_one(file):
    file.write_text("# comment\n\na: 1\nb:\n  2\n")
    assert {key: entry.line for key, entry in read_config(file).items()} == {"a": 3, "b": 4}


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", ": is empty"),
        (b"# only a comment\n", ": is empty"),
        (b"- 1\n- 2\n", "line 1: holds no keys"),
        (b"just words", "line 1: holds no keys"),
        (b"a: 1\nb: 2\n\na: 3\n", "line 4: key 'a' stands on line 1 already"),
        (b"a: 1\n---\nb: 2\n", "line 2: is not valid YAML"),
        (b"a: 1\nb: c: d\n", "line 2: is not valid YAML"),
        (b"a: 1\n<<<<<<< HEAD\nb: 2\n", "line 3: is not valid YAML"),
        (b"a: *nowhere", "line 1: is not valid YAML"),
        (b"a: \x00", ": is not valid YAML"),
        (b"a: 1\nb: \xff\xfe\n", "line 2: is not UTF-8"),
        ("a: ä".encode("utf-16"), "line 1: is not UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "line 1: is not UTF-8"),
        (b"1: 2\n", "line 1: a key must be a word, got '1'"),
        (b"[1]: 2\n", "line 1: a key must be a word"),
        (b"? {a: 1}\n: 2\n", "line 1: a key must be a word"),
        (b"<<: {a: 1}\n", "line 1: a key must be a word"),
        (b"a: {b: 1}\n", "line 1: a: holds a mapping"),
        (b"a: [[1]]\n", "line 1: a: holds a list in a list"),
        (b"a: &x [*x]\n", "line 1: a: holds a list in a list"),
        (b"x: 1\na: !!python/object/apply:os.system [ls]\n", "line 2: a: YAML tags"),
        (b"a: !!python/name:os.system\n", "line 1: a: YAML tags"),
        (b"!!python/object:os._Environ {a: 1}\n", ": YAML tags"),
        (b"a: !mine 3\n", "line 1: a: YAML tags"),
        (b"!mine a: 3\n", "line 1: a key must be a word"),
        (b"a: [!!python/name:os.system '']\n", "line 1: a: YAML tags"),
        (b"a: !!int abc\n", "line 1: a: cannot read 'abc'"),
        (b"a: !!bool abc\n", "line 1: a: cannot read 'abc'"),
        (b"a: " + b"9" * 5000, "line 1: a: cannot read"),
        (b"a: " + b"[" * 50_000, ": is nested too deeply"),
        (b"a:\n" + b"".join(b" " * n + b"- \n" for n in range(1, 900)), ""),
        (b"a: 1\n" * (MAX_BYTES // 5 + 1), ": is larger than 1 MiB"),
    ],
    ids=lambda value: repr(value[:25]) if isinstance(value, bytes) else "",
)
def test_what_is_not_a_config_is_an_error_that_says_where(file, data, expected):
    assert message(file, data).startswith(expected)


def test_billion_laughs_are_refused_at_once(file):
    lists = [f"x{n}: &x{n} [" + ", ".join([f"*x{n - 1}"] * 9) + "]" for n in range(1, 30)]
    assert "holds a list in a list" in message(file, "\n".join(["x0: &x0 lol", *lists]))
    merges = [f"x{n}: &x{n}\n  <<: [" + ", ".join([f"*x{n - 1}"] * 9) + "]" for n in range(1, 30)]
    assert "holds a mapping" in message(file, "\n".join(["x0: &x0 {a: 1}", *merges]))


def test_nothing_is_executed(file, monkeypatch):
    called = []
    monkeypatch.setattr(os, "system", called.append)
    for tag in ("object/apply:os.system [x]", "object/new:os.system [x]", "name:os.system"):
        message(file, f"a: !!python/{tag}\n")
    assert not called


def test_missing_file_and_folder(tmp_path):
    for path, expected in (
        (tmp_path / "none.yaml", "no such file"),
        (tmp_path, "is a folder"),
        (tmp_path / "a\0b", "cannot be read"),
    ):
        with pytest.raises(InputError, match=expected) as caught:
            read_config(path)
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
def test_endless_file_is_not_read_to_its_end():
    with pytest.raises(InputError, match="larger than 1 MiB"):
        read_config(Path("/dev/zero"))


@given(data=st.binary(max_size=60))
@example(b"%YAML 3.0\n---\na: 1")
@example(b"? ")
@example(b"&a")
@example(b"!<")
@settings(max_examples=150)
def test_any_bytes_give_values_or_one_line(file, data):
    file.write_bytes(data)
    result = outcome(read_config, file)
    assert is_one_line_error(result) or all(isinstance(key, str) for key in result)


@given(text=st.text(st.sampled_from("ab01:-?[]{}&*!|>'\"%@`#,. \n\t~eE+_<"), max_size=40))
@settings(max_examples=250)
def test_any_yaml_like_text_gives_a_value_or_one_line(text):
    value = outcome(read_value, text)
    plain = value is None or isinstance(value, (bool, int, float, str, list))
    assert plain or is_one_line_error(value)


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text().filter(str.isprintable),
    st.sampled_from(
        ["None", "true", "1e-4", "on", "- a", "a: b", "a #b", "#a", "2024-01-31", "*x"]
    ),
)


@given(value=scalars)
@settings(max_examples=200)
def test_written_values_read_back_the_same(file, value):
    write_config(file, {"key": value}, {"key": "file"}, "title")
    entry = read_config(file)["key"]
    assert entry.line == 2
    assert entry.value == value
    assert type(entry.value) is type(value)
    assert file.read_text(encoding="utf-8").rstrip().endswith("# file")


def test_the_plugins_configs_go_by_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    configs = list_configs()
    assert "dnll_digits_20" in configs
    assert find_config(Path("dnll_digits_20")) == configs["dnll_digits_20"]
    assert find_config(Path("laptop/mnist_100")) == configs["laptop/mnist_100"]
    assert read_config(Path("dnll_digits_20"))["dataset"].value == "digits"


@pytest.mark.parametrize("name", ["dnll_digits_20.yaml", "config/dnll_digits_20", "no_such"])
def test_any_other_path_is_taken_as_it_is(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert find_config(Path(name)) == Path(name)
    with pytest.raises(InputError, match="no such file"):
        read_config(Path(name))


def test_a_file_of_ones_own_comes_before_the_plugins(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("dnll_digits_20").write_text("algorithm: fixmatch\n")
    assert read_config(Path("dnll_digits_20"))["algorithm"].value == "fixmatch"


def test_a_name_like_that_of_a_config_is_suggested():
    with pytest.raises(InputError, match="did you mean dnll_digits_20"):
        read_config(Path("dnll_digit_20"))
    with pytest.raises(InputError, match="no such file; give the path"):
        read_config(Path("mine.yaml"))


@given(st.one_of(st.text().filter(str.isprintable), st.booleans(), st.integers()))
@example("/data/\N{GRINNING FACE}")
def test_an_override_is_read_back_as_it_was(value):
    key, _, text = write_override("data_dir", value).partition("=")
    assert (key, read_value(text)) == ("data_dir", value)
