"""Registering in a checkout and taking it back: files before, between and after."""

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from dnll_plugin.errors import InputError
from dnll_plugin.toolbox.checkout import block
from dnll_plugin.toolbox.checkout import plan as checkout
from dnll_plugin.toolbox.checkout.version import find_toolbox, identify

CONFIGS = {"dnll_a.yaml": b"algorithm: dnll_dual\n", "dnll_b.yaml": b"seed: 1\n"}


def files(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Content and mode of every file below a folder."""
    return {
        str(file.relative_to(folder)): (file.read_bytes(), file.stat().st_mode)
        for file in folder.rglob("*")
        if file.is_file()
    }


def register(folder: Path, configs: dict[str, bytes] = CONFIGS) -> list[str]:
    plan = checkout.plan_registering(folder, configs)
    checkout.carry_out(plan)
    return plan.notes


def remove(folder: Path, configs: dict[str, bytes] = CONFIGS) -> list[str]:
    plan = checkout.plan_removing(folder, configs)
    checkout.carry_out(plan)
    return plan.notes


def test_register_twice_and_remove(stand_in):
    before = files(stand_in)
    assert not checkout.is_registered(stand_in)
    register(stand_in)
    registered = files(stand_in)
    assert checkout.is_registered(stand_in)
    assert registered.keys() - before.keys() == {f"config/{name}" for name in CONFIGS}
    assert checkout.plan_registering(stand_in, CONFIGS) == checkout.Plan()
    remove(stand_in)
    assert files(stand_in) == before
    assert checkout.plan_removing(stand_in, CONFIGS) == checkout.Plan()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b"\n", b"\r\n"),
        lambda text: b"# \xe9\xff, not UTF-8\n" + text,
        lambda text: (
            b'"""A docstring."""\nfrom __future__ import annotations\n' + text.rstrip(b"\n")
        ),
    ],
    ids=["CRLF", "bytes", "docstring"],
)
def test_whatever_the_file_looks_like(stand_in, edit: Callable[[bytes], bytes]):
    init = stand_in / block.FILE
    init.write_bytes(edit(init.read_bytes()))
    before = files(stand_in)
    register(stand_in)
    assert (b"\r\n" in edit(b"\n")) == (b"\r\n" in init.read_bytes())
    compile(init.read_bytes().decode("latin-1"), "init", "exec")
    remove(stand_in)
    assert files(stand_in) == before


def test_links_stay_links(stand_in, tmp_path):
    real = tmp_path / "elsewhere.py"
    init = stand_in / block.FILE
    os.replace(init, real)
    init.symlink_to(real)
    link = tmp_path / "link"
    link.symlink_to(stand_in)
    before = real.read_bytes()
    folder = checkout.find_checkout(link)
    register(folder)
    assert init.is_symlink()
    assert block.BEGIN in real.read_bytes()
    remove(folder)
    assert init.is_symlink()
    assert real.read_bytes() == before


def test_the_mode_of_a_file_stays(stand_in):
    (stand_in / block.FILE).chmod(0o755)
    before = files(stand_in)
    register(stand_in)
    assert (stand_in / block.FILE).stat().st_mode & 0o777 == 0o755
    remove(stand_in)
    assert files(stand_in) == before


def test_a_config_of_the_users_is_left_alone(stand_in):
    mine = stand_in / "config" / "dnll_a.yaml"
    mine.write_text("mine: 1\n")
    before = files(stand_in)
    assert register(stand_in) == [
        "config/dnll_a.yaml differs from the plugin's and was left as it is"
    ]
    assert mine.read_text() == "mine: 1\n"
    remove(stand_in)
    assert files(stand_in) == before


def test_a_config_that_the_user_changed_later_stays(stand_in):
    register(stand_in)
    mine = stand_in / "config" / "dnll_a.yaml"
    mine.write_text("mine: 1\n")
    registered = files(stand_in)
    assert len(register(stand_in)) == 1
    assert files(stand_in) == registered
    assert remove(stand_in) == ["config/dnll_a.yaml was changed by you and stays"]
    assert mine.read_text() == "mine: 1\n"
    assert not (stand_in / "config" / "dnll_b.yaml").exists()


def test_configs_of_an_older_plugin_are_brought_up_to_date(stand_in):
    before = files(stand_in)
    register(stand_in, {**CONFIGS, "dnll_gone.yaml": b"old: 1\n"})
    newer = {**CONFIGS, "dnll_a.yaml": b"algorithm: dnll_meanteacher\n"}
    register(stand_in, newer)
    assert (stand_in / "config" / "dnll_a.yaml").read_bytes() == newer["dnll_a.yaml"]
    assert not (stand_in / "config" / "dnll_gone.yaml").exists()
    remove(stand_in, newer)
    assert files(stand_in) == before


@pytest.mark.parametrize("action", [register, remove])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_interrupted_it_is_as_before(stand_in, monkeypatch, action, error, at):
    if action is remove:
        register(stand_in)
    before = files(stand_in)
    calls = iter(range(100))

    def interrupt(original: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: object, **options: object) -> None:
            if next(calls) == at:
                raise error
            original(*arguments, **options)

        return call

    monkeypatch.setattr(os, "replace", interrupt(os.replace))
    monkeypatch.setattr(Path, "unlink", interrupt(Path.unlink))
    with pytest.raises(error):
        action(stand_in)
    assert files(stand_in) == before


@pytest.fixture
def _sigint_raises():
    """A shell's background job, as CI may be, ignores SIGINT; a person's terminal does not."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_sigint_raises")
def test_a_signal_waits(stand_in, monkeypatch):
    write, came = checkout.write, []

    def write_and_signal(path: Path, content: bytes | None) -> None:
        signal.raise_signal(signal.SIGINT)
        came.append(path)
        write(path, content)

    monkeypatch.setattr(checkout, "write", write_and_signal)
    with pytest.raises(KeyboardInterrupt):
        register(stand_in)
    assert len(came) == 3
    assert checkout.plan_registering(stand_in, CONFIGS) == checkout.Plan()


def test_what_a_killed_call_left_behind_is_removed(stand_in):
    before = files(stand_in)
    (stand_in / "config" / "dnll_a.yaml").write_bytes(CONFIGS["dnll_a.yaml"])
    checkout.temporary(stand_in / "config" / "dnll_b.yaml").write_bytes(b"see")
    checkout.temporary(stand_in / block.FILE).write_bytes(b"")
    remove(stand_in)
    assert files(stand_in) == before


def test_read_only(stand_in, monkeypatch):
    # Permissions do not hold for root, who runs tests in containers.
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "__init__.py")
    before = files(stand_in)
    with pytest.raises(InputError, match=r"__init__\.py: is read-only"):
        register(stand_in)
    assert files(stand_in) == before


@pytest.mark.parametrize("missing", ["train.py", "semilearn/__init__.py"])
def test_not_a_checkout(stand_in, missing):
    (stand_in / missing).unlink()
    with pytest.raises(InputError, match=f"it has no {missing}"):
        checkout.find_checkout(stand_in)


def test_a_changed_file_is_left_untouched(stand_in):
    (stand_in / block.FILE).write_text("import semilearn.core\n")
    before = files(stand_in)
    with pytest.raises(InputError, match="restore"):
        register(stand_in)
    assert files(stand_in) == before


def test_registering_is_no_change_of_the_toolbox(tmp_path):
    folder = Path(shutil.copytree(find_toolbox(), tmp_path / "semilearn"))
    (tmp_path / "config").mkdir()
    register(tmp_path)
    assert not identify(folder).modified
