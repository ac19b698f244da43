"""Checkpoints that survive what happens to them: written whole, checked when read, exact.

The format is the toolbox's, with the plugin's part under one more key, ``dnll``.
"""

import os
import random
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dnll_plugin.errors import InputError
from dnll_plugin.files import replace_whole
from dnll_plugin.runs.folder import LATEST, PREVIOUS


def write(state: Mapping[str, Any], path: Path) -> None:
    """Writes a checkpoint so that at any moment ``path`` is the old one or the new one, whole.

    Raises:
        FileNotWrittenError: On a full disk, say; the old one is then untouched.
    """
    with replace_whole(path) as temporary, open(temporary, "wb") as file:
        try:
            torch.save(plain(state), file)
        except RuntimeError as error:  # what torch makes of a full disk
            raise OSError("it was cut off") from error
        file.flush()
        os.fsync(file.fileno())
    _sync_folder(path.parent)


def write_latest(state: Mapping[str, Any], folder: Path) -> None:
    """Writes the latest checkpoint of a run and keeps the one before it, if that is undamaged."""
    latest, previous = folder / LATEST, folder / PREVIOUS
    if is_intact(latest):
        with replace_whole(previous) as copy:
            copy.unlink(missing_ok=True)
            try:
                os.link(latest, copy)
            except OSError:  # a file system without hard links: exFAT, many network shares
                shutil.copyfile(latest, copy)
    write(state, latest)


def read(path: Path) -> dict[str, Any]:
    """Reads a checkpoint onto the CPU; nothing in it is executed.

    Raises:
        InputError: If it is missing, damaged or holds more than numbers.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such checkpoint")
    if not is_intact(path):
        raise InputError(
            f"{path}: the checkpoint is damaged; take --weights best, or let dnll train --resume "
            f"go on from {PREVIOUS}"
        )
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise InputError(f"{path}: not a checkpoint that can be read safely") from error
    if not isinstance(state, dict) or "model" not in state:
        raise InputError(f"{path}: not a checkpoint of the toolbox: it holds no 'model'")
    return state


def get_weights(state: Mapping[str, Any], kind: str, path: Path) -> dict[str, Tensor]:
    """The weights of a net in a checkpoint.

    Args:
        state: What the checkpoint holds.
        kind: ``model``, or ``ema_model`` for the averages.
        path: The checkpoint, for messages.

    Raises:
        InputError: If there are none, or what is there are no weights.
    """
    weights = state.get(kind)
    if not isinstance(weights, dict) or not weights:
        raise InputError(f"{path}: {kind}: holds no weights; take a checkpoint of dnll train")
    for name, weight in weights.items():
        if not isinstance(name, str) or not isinstance(weight, Tensor):
            raise InputError(
                f"{path}: {kind}: {name!r} is no weight of a net; take a checkpoint of dnll train"
            )
    return weights


def is_intact(path: Path) -> bool:
    """Whether a checkpoint file is undamaged, by the checksums of the archive that it is.

    Raises:
        InputError: If it may not be read, which says nothing about what it holds.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except PermissionError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); change its mode") from error
    except (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, ValueError, RuntimeError):
        return False


def find_latest_intact(folder: Path) -> Path | None:
    """The newest undamaged checkpoint to resume from, or None if the run has none.

    Raises:
        InputError: If there are checkpoints and all are damaged.
    """
    there = [folder / name for name in (LATEST, PREVIOUS) if (folder / name).is_file()]
    for path in there:
        if is_intact(path):
            return path
    if there:
        raise InputError(f"{there[0]}: damaged, and so is the one before; give another --save_name")
    return None


def get_random_state() -> dict[str, Any]:
    """The state of every random generator of this process, as tensors and plain numbers."""
    numpy_state: Any = np.random.get_state()
    _, keys, position, has_gauss, cached = numpy_state
    version, internal, gauss = random.getstate()
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "mps": torch.mps.get_rng_state() if torch.backends.mps.is_available() else None,
        "numpy": (torch.from_numpy(keys.astype(np.int64)), position, has_gauss, cached),
        "python": (version, torch.tensor(internal), gauss),
    }


def set_random_state(state: Mapping[str, Any]) -> None:
    """Puts the random generators of all devices that are here back to :func:`get_random_state`."""
    torch.set_rng_state(state["torch"])
    for gpu, generator in enumerate(state["cuda"][: torch.cuda.device_count()]):
        torch.cuda.set_rng_state(generator, gpu)
    if state["mps"] is not None and torch.backends.mps.is_available():
        torch.mps.set_rng_state(state["mps"])
    keys, position, has_gauss, cached = state["numpy"]
    np.random.set_state(("MT19937", keys.numpy().astype(np.uint32), position, has_gauss, cached))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal.tolist()), gauss))


def plain(value: Any) -> Any:
    """Replaces numpy's arrays and numbers, which a safe load refuses, by torch's and Python's."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(plain(item) for item in value)
    if isinstance(value, np.ndarray):
        return torch.from_numpy(value)
    if isinstance(value, np.generic):
        return value.item()
    return value


def _sync_folder(folder: Path) -> None:
    """Makes a rename durable; some file systems cannot, and lose no more than the rename."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    except OSError:
        pass
    finally:
        os.close(descriptor)
