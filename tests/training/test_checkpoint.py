"""Checkpoints: whole or not there, checked, exact, and nothing in them is executed."""

import os
import pickle
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.errors import FileNotWrittenError, InputError
from dnll_plugin.runs.folder import LATEST, PREVIOUS
from dnll_plugin.training import checkpoint

STATE = {"model": {"weight": torch.arange(5.0)}, "best_eval_acc": np.float64(0.5)}


def test_numpy_numbers_survive_a_safe_load(tmp_path: Path) -> None:
    checkpoint.write(STATE, tmp_path / "a.pth")
    state = checkpoint.read(tmp_path / "a.pth")
    assert state["best_eval_acc"] == 0.5
    assert torch.equal(state["model"]["weight"], torch.arange(5.0))


def test_the_previous_one_is_kept(tmp_path: Path) -> None:
    for number in range(3):
        checkpoint.write_latest({**STATE, "it": number}, tmp_path)
    assert checkpoint.read(tmp_path / LATEST)["it"] == 2
    assert checkpoint.read(tmp_path / PREVIOUS)["it"] == 1
    assert not list(tmp_path.glob("*.writing"))


def test_a_damaged_one_does_not_take_the_place_of_the_one_before(tmp_path: Path) -> None:
    checkpoint.write_latest({**STATE, "it": 0}, tmp_path)
    checkpoint.write_latest({**STATE, "it": 1}, tmp_path)
    (tmp_path / LATEST).write_bytes(b"cut off")
    checkpoint.write_latest({**STATE, "it": 2}, tmp_path)
    assert checkpoint.read(tmp_path / LATEST)["it"] == 2
    assert checkpoint.read(tmp_path / PREVIOUS)["it"] == 0


def test_the_previous_one_is_kept_without_hard_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(source: object, target: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    for number in range(2):
        checkpoint.write_latest({**STATE, "it": number}, tmp_path)
    assert checkpoint.read(tmp_path / LATEST)["it"] == 1
    assert checkpoint.read(tmp_path / PREVIOUS)["it"] == 0


def test_a_write_that_fails_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint.write_latest(STATE, tmp_path)
    before = (tmp_path / LATEST).read_bytes()

    def full(state: object, file: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(FileNotWrittenError, match="No space left"):
        checkpoint.write_latest(STATE, tmp_path)
    assert (tmp_path / LATEST).read_bytes() == before
    assert not list(tmp_path.glob("*.writing"))


@given(data=st.data())
def test_damage_never_gives_other_numbers(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "a.pth"
    checkpoint.write(STATE, path)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    else:
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    path.write_bytes(content)
    try:
        state = checkpoint.read(path)
    except InputError as error:
        message = str(error)
    else:
        message = str(path)
        assert torch.equal(state["model"]["weight"], torch.arange(5.0))
    assert str(path) in message
    assert "\n" not in message


class Evil:
    def __reduce__(self) -> tuple:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize("dump", [torch.save, lambda value, file: pickle.dump(value, file)])
def test_nothing_is_executed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dump: object) -> None:
    monkeypatch.chdir(tmp_path)
    with open("evil.pth", "wb") as file:
        dump({"model": Evil()}, file)  # type: ignore[operator]
    with pytest.raises(InputError, match=r"evil\.pth"):
        checkpoint.read(Path("evil.pth"))
    assert not Path("executed").exists()


def test_the_newest_whole_one_is_found(tmp_path: Path) -> None:
    assert checkpoint.find_latest_intact(tmp_path) is None
    checkpoint.write_latest(STATE, tmp_path)
    checkpoint.write_latest(STATE, tmp_path)
    (tmp_path / LATEST).write_bytes(b"cut off")
    assert checkpoint.find_latest_intact(tmp_path) == tmp_path / PREVIOUS
    (tmp_path / PREVIOUS).write_bytes(b"")
    with pytest.raises(InputError, match="damaged, and so is the one before"):
        checkpoint.find_latest_intact(tmp_path)


def test_one_that_may_not_be_read_is_not_taken_for_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: object) -> None:
        raise PermissionError(13, "Permission denied")

    for _ in range(2):
        checkpoint.write_latest(STATE, tmp_path)
    monkeypatch.setattr(zipfile, "ZipFile", refuse)
    with pytest.raises(InputError, match=r"latest_model.pth: cannot be read \(Permission denied\)"):
        checkpoint.find_latest_intact(tmp_path)


def test_random_generators_go_on() -> None:
    def draw() -> tuple:
        return random.random(), random.gauss(0, 1), np.random.randn(), torch.rand(1).item()

    draw()
    state = checkpoint.get_random_state()
    first = draw()
    draw()
    checkpoint.set_random_state(state)
    assert draw() == first
