"""Mends that let the toolbox start with today's timm, ruamel.yaml and torch."""

import sys
from argparse import Namespace
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dnll_plugin.toolbox.checkout.version import find_toolbox
from dnll_plugin.toolbox.patches.change import replace

TIMM_HELPERS = "timm.models.layers.helpers"


def lacks_timm_helpers() -> bool:
    """Whether the toolbox imports the module of timm's helpers that timm 0.9 moved."""
    toolbox = find_toolbox()
    vit = toolbox / "nets" / "vit" / "vit.py" if toolbox else Path()
    if not vit.is_file() or TIMM_HELPERS.encode() not in vit.read_bytes():
        return False
    try:
        return find_spec(TIMM_HELPERS) is None
    except ModuleNotFoundError:  # its parent is missing
        return True


def provide_timm_helpers() -> None:
    """Gives timm's helpers their old name back."""
    sys.modules[TIMM_HELPERS] = import_module("timm.layers.helpers")


def lacks_yaml_load() -> bool:
    """Whether ruamel.yaml is 0.18 or newer, whose ``load()`` only raises."""
    return import_module("ruamel.yaml").version_info >= (0, 18)


def read_configs_safely() -> None:
    """Makes the toolbox read config files with a loader that calls nothing.

    Of the 1,103 configs of the toolbox it reads the same values as the old ``load()``.
    """
    from ruamel.yaml import YAML

    def wrap(original: Callable[..., Any]) -> Any:
        def over_write_args_from_file(args: Namespace, yml: str) -> None:
            if yml == "":
                return
            with open(yml, encoding="utf-8") as file:
                settings = YAML(typ="safe", pure=True).load(file)
            for name, value in settings.items():
                setattr(args, name, value)

        return over_write_args_from_file

    replace("over_write_args_from_file", "semilearn.core.utils.misc", wrap)


def refuses_numpy_numbers() -> bool:
    """Whether ``torch.load`` takes nothing but tensors and plain values unless told otherwise."""
    import torch

    version = tuple(int(part) for part in torch.__version__.split(".")[:2])
    return version >= (2, 6)


def allow_numpy_numbers() -> None:
    """Lets ``torch.load`` read single numpy numbers, as numpy 1 and numpy 2 write them.

    The loader stays the restricted one: a number can do no harm.
    """
    import numpy as np
    import torch

    scalar: Any = np.float64(0).__reduce__()[
        0
    ]  # its module has another name in numpy 1 and numpy 2
    kinds = (np.float64, np.float32, np.int64)
    torch.serialization.add_safe_globals(
        [
            (scalar, "numpy._core.multiarray.scalar"),
            (scalar, "numpy.core.multiarray.scalar"),
            np.dtype,
            *(type(np.dtype(kind)) for kind in kinds),
        ]
    )
