"""Config files and checkpoints that are damaged or hostile: one line, exit code 2, nothing done."""

import io
import os
import pickle
import zipfile
from collections.abc import Iterator
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from dnll_plugin.commands.main import main
from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import LATEST, PREVIOUS
from dnll_plugin.settings.resolve import resolve
from dnll_plugin.settings.toolbox_keys import collect_keys
from dnll_plugin.training import checkpoint
from dnll_plugin.training import run as training
from dnll_plugin.training.saving import SavingHook, collect_state, load_checkpoint

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
GOOD = DIGITS.read_bytes()
TRACE = "executed"
"""The file that any of the hostile code below would leave in the current folder."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The current folder of these tests, in which no run starts."""
    folder = tmp_path_factory.mktemp("hostile")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(training, "train", lambda *_: 0)
        yield folder


def names_of(kind: type) -> list[str]:
    """Keys of a run of the good config that take a value of one type."""
    fields = collect_keys("dnll_dual").model_fields
    return sorted(name for name, field in fields.items() if field.annotation is kind)


def with_line(line: bytes) -> bytes:
    """The good config with one key written anew, or one line more."""
    key = line.split(b":")[0]
    kept = [old for old in GOOD.splitlines() if not old.startswith(key + b":")]
    return b"\n".join([*kept, line])


ascii_letters = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12)
calls = st.sampled_from(
    [
        f"!!python/object/apply:os.system ['touch {TRACE}']",
        f"!!python/object/apply:os.open ['{TRACE}', 65]",
        f"!!python/object/new:subprocess.Popen [['touch', '{TRACE}']]",
        f"!!python/object/apply:builtins.eval [\"open('{TRACE}', 'w')\"]",
        "!!python/name:os.system",
        "!!python/module:os",
        "!!python/tuple [1, 2]",
        "!mine {a: 1}",
    ]
)
damaged_configs = st.one_of(
    # wrong types and ranges
    st.builds(
        lambda key, value: with_line(f"{key}: {value}".encode()),
        st.sampled_from(names_of(int) + names_of(float)),
        st.sampled_from(["abc", "[1]", "{a: 1}", ".nan", ".inf", "null", "", "'3'", "1e999"]),
    ),
    st.builds(
        lambda key, value: with_line(f"{key}: {value}".encode()),
        st.sampled_from(names_of(bool)),
        st.sampled_from(["maybe", "2", "-1", "0.5", "[true]", "null"]),
    ),
    # unknown keys
    ascii_letters.map(lambda word: with_line(f"{word}_zz: 1".encode())),
    # code in a value, in a list, as a key, around everything
    calls.map(lambda call: with_line(f"lr: {call}".encode())),
    calls.map(lambda call: with_line(f"net: [{call}]".encode())),
    calls.map(lambda call: with_line(f"? {call}\n: 1".encode())),
    calls.map(lambda call: f"{call}\n".encode()),
    # not text
    st.binary(max_size=80).map(lambda data: b"\xff" + data),
    st.binary(min_size=1, max_size=80).map(lambda data: GOOD[:300] + b"\xc3\x28\x00" + data),
    # deep, long, looping
    st.builds(
        lambda depth, begin: b"a: " + begin * depth,
        st.integers(50, 3000),
        st.sampled_from([b"[", b"{a: "]),
    ),
    st.integers(30, 200).map(
        lambda depth: b"a:\n" + b"".join(b" " * n + b"a:\n" for n in range(1, depth))
    ),
    st.integers(2, 40).map(
        lambda n: "\n".join(f"k{i}: &k{i} [{f'*k{i - 1}, ' * 9}1]" for i in range(1, n)).encode()
    ),
    # nothing, and what is no mapping
    st.text(" \n\t", max_size=20).map(lambda blank: blank.replace("\t", " ").encode()),
    st.sampled_from([b"# nothing\n", b"- 1\n- 2\n", b"words\n", b"---\n---\n", b"42"]),
    # no YAML, a key twice
    st.sampled_from(
        [b"lr: 1: 2", b"lr: 'x", b"a: *b", b"<<<<<<< HEAD", b"%YAML 9\n---\na: b", b"\tlr: 1"]
    ).map(lambda line: GOOD + b"\n" + line),
    st.sampled_from(names_of(int)).map(lambda key: GOOD + f"\n{key}: 1\n{key}: 1\n".encode()),
)


@given(data=damaged_configs)
@settings(max_examples=300)
def test_damaged_configs_are_one_line_and_nothing_else(folder: Path, data: bytes) -> None:
    config = folder / "config.yaml"
    config.write_bytes(data)
    before = set(folder.iterdir())
    error = io.StringIO()
    with redirect_stderr(error):
        assert main(["train", "--c", str(config), "--save_dir", "runs"]) == 2
    assert error.getvalue().startswith("dnll: error: ")
    assert error.getvalue().count("\n") == 1
    assert "Traceback" not in error.getvalue()
    assert set(folder.iterdir()) == before  # no run folder, and nothing executed


# ---- checkpoints ----


class Evil:
    """Unpickled, it leaves a trace."""

    def __reduce__(self) -> tuple:
        return os.system, (f"touch {TRACE}",)


@pytest.fixture(scope="module")
def algorithm(folder: Path) -> Any:
    from dnll_plugin.training import device
    from dnll_plugin.training.build import build_algorithm
    from dnll_plugin.training.fast_hooks import FastEMAHook

    class Log:
        def info(self, text: object) -> None:
            """Keeps the tests' output clean."""

    resolved = resolve(DIGITS, ["img_size=8", "batch_size=4", "num_workers=0"])
    algorithm = build_algorithm(resolved.namespace(), device.select_device("cpu"), folder, Log())
    FastEMAHook().before_run(algorithm)
    algorithm.epoch = 0
    return algorithm


@pytest.fixture(scope="module")
def good(folder: Path, algorithm: Any) -> dict[str, Any]:
    from dnll_plugin.training.ranks import ALONE

    state = collect_state(algorithm, 1.0, ALONE)
    checkpoint.write(state, folder / "good.pth")
    return checkpoint.read(folder / "good.pth")


def zipped(state: Any) -> bytes:
    file = io.BytesIO()
    torch.save(state, file)
    return file.getvalue()


def other_formats() -> list[bytes]:
    archive, arrays, old = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("readme.txt", "words")
    np.savez(arrays, a=np.arange(3))
    torch.save({"model": {}}, old, _use_new_zipfile_serialization=False)
    return [b"", b"words", b"\x89PNG\r\n\x1a\n", *(f.getvalue() for f in (archive, arrays, old))]


def malformed(good: dict[str, Any]) -> list[Any]:
    """States that load, but are no state of this run."""
    own, weights = good["dnll"], good["model"]
    name = next(iter(weights))
    return [
        *([], 3, {}, {"model": 3}, {"model": weights}),
        {**good, "model": {**weights, name: torch.zeros(7)}},
        {**good, "model": {key: value for key, value in weights.items() if key != name}},
        {**good, "model": {**weights, "extra": torch.zeros(1)}},
        {**good, "ema_model": None},
        *({**good, "dnll": value} for value in (3, [], {}, {**own, "identity": None})),
        {**good, "dnll": {**own, "identity": {**own["identity"], "num_classes": 7}}},
        {**good, "dnll": {**own, "random": {}}},
        {**good, "dnll": {**own, "random_of_others": [own["random"]]}},
        {key: value for key, value in good.items() if key != "it"},
        {key: value for key, value in good.items() if key != "optimizer"},
    ]


def damaged(content: bytes, good: dict[str, Any], data: st.DataObject) -> bytes:
    kind = data.draw(st.sampled_from(["cut", "flip", "code", "format", "malformed"]))
    if kind == "cut":
        return content[: data.draw(st.integers(0, len(content) - 1))]
    if kind == "flip":
        at = data.draw(st.integers(0, len(content) - 1))
        return (
            content[:at] + bytes([content[at] ^ data.draw(st.integers(1, 255))]) + content[at + 1 :]
        )
    if kind == "code":
        state = data.draw(st.sampled_from([Evil(), {"model": Evil()}, {**good, "dnll": [Evil()]}]))
        return data.draw(st.sampled_from([zipped, pickle.dumps]))(state)
    if kind == "format":
        return data.draw(st.sampled_from(other_formats()))
    return zipped(data.draw(st.sampled_from(malformed(good))))


@given(data=st.data())
@settings(max_examples=100)
def test_damaged_checkpoints_are_refused_or_passed_over(
    folder: Path, algorithm: Any, good: dict[str, Any], data: st.DataObject
) -> None:
    run = folder / "run"
    run.mkdir(exist_ok=True)
    content = (folder / "good.pth").read_bytes()
    (run / PREVIOUS).write_bytes(content)
    (run / LATEST).write_bytes(damaged(content, good, data))
    start = checkpoint.find_latest_intact(run)
    assert start is not None
    saving = SavingHook(run, lambda: None)
    message = str(start)
    try:
        load_checkpoint(start, algorithm, saving)
    except InputError as error:
        message = str(error)
    else:  # the one before, or a flip where the archive holds nothing
        assert algorithm.it == good["it"]
        weights = algorithm.model.state_dict()
        assert all(torch.equal(weights[name], value) for name, value in good["model"].items())
    assert str(start) in message
    assert len(message.splitlines()) == 1
    assert not (folder / TRACE).exists()
