"""Reads what is installed here, for the rules that say what does not work together.

Versions are read from the packages' metadata. What only an import can tell is asked in child
processes, so that a package that raises, crashes or hangs is reported and takes nobody along.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from dnll_plugin.diagnosis.findings import Facts, TorchFacts
from dnll_plugin.diagnosis.packages import PACKAGES
from dnll_plugin.toolbox.checkout.version import find_toolbox, identify
from dnll_plugin.toolbox.patches.late import NEEDED_FOR

# The first import of torch from a cold disk can take a minute.
IMPORT_SECONDS = 180


def read_facts() -> Facts:
    """Reads what is installed here; imports torch, the toolbox and what images do not need, each in
    a process of its own.
    """
    toolbox = find_toolbox()
    versions = {package.name: _version(package.name) for package in PACKAGES}
    late = [name for name in NEEDED_FOR if versions[name] is not None]
    with ThreadPoolExecutor(_cores()) as pool:
        torch = pool.submit(ask, "torch")
        imported = pool.submit(ask, "toolbox") if toolbox else None
        late_errors = dict(zip(late, pool.map(lambda name: ask(name)[1], late), strict=True))
        about_torch, torch_error = torch.result()
        _, toolbox_error = imported.result() if imported else (None, None)
    return Facts(
        python=shortest(Path(sys.executable)),
        versions=versions,
        torchvision_needs=_torch_that_torchvision_needs(),
        torch=TorchFacts(**about_torch) if about_torch else None,
        torch_error=torch_error,
        toolbox=toolbox,
        toolbox_version=identify(toolbox) if toolbox else None,
        toolbox_error=toolbox_error,
        late_errors={name: error for name, error in late_errors.items() if error},
        cores=_cores(),
        has_pip=find_spec("pip") is not None,
    )


def ask(question: str, seconds: float = IMPORT_SECONDS) -> tuple[dict[str, Any] | None, str | None]:
    """Has a child process answer one of `ANSWERS`, with the modules that this process would find.

    Args:
        question: a key of `ANSWERS`.
        seconds: how long to wait.

    Returns:
        The answer and None, or None and the cause of the failure in one line.
    """
    code = f"from dnll_plugin.diagnosis import facts; facts.answer({question!r})"
    path = os.pathsep.join(entry or os.getcwd() for entry in sys.path)
    try:
        done = subprocess.run(
            [sys.executable, "-P", "-c", code],  # -P: the working directory is no place for modules
            env=os.environ | {"PYTHONPATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None, f"no answer within {seconds:g} seconds"
    try:
        reply = json.loads(done.stdout.splitlines()[-1])  # an import may print lines of its own
        return reply["answer"], reply["error"]
    except (IndexError, ValueError, KeyError, TypeError):
        if done.returncode < 0:
            return None, f"the process was killed by {signal.Signals(-done.returncode).name}"
        return None, f"the process ended without an answer (exit code {done.returncode})"


def answer(question: str) -> None:
    """Runs in the child process: prints one line of JSON, the answer or why there is none."""
    reply: dict[str, Any] = {"answer": None, "error": None}
    try:
        reply["answer"] = ANSWERS[question]()
    except BaseException as error:  # a package may even raise SystemExit while it is imported
        reply["error"] = " ".join(f"{type(error).__name__}: {error}".split())
    print("\n" + json.dumps(reply), flush=True)


def _about_torch() -> dict[str, Any]:
    import torch

    devices = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
    return {
        "cuda": torch.version.cuda,
        "gpus": [(device.name, device.total_memory) for device in devices],
        "mps": torch.backends.mps.is_available(),
    }


def _import_toolbox() -> dict[str, Any]:
    """As every command of the plugin does: with what it mends, since `answer` imported it."""
    import_module("semilearn")
    return {}


def _import_alone(name: str) -> Callable[[], dict[str, Any]]:
    def import_it() -> dict[str, Any]:
        import_module(name)
        return {}

    return import_it


ANSWERS: dict[str, Callable[[], dict[str, Any]]] = {
    "torch": _about_torch,
    "toolbox": _import_toolbox,
    **{name: _import_alone(name) for name in NEEDED_FOR},
}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _torch_that_torchvision_needs() -> str:
    """``==2.11.0``, from torchvision's metadata; empty when it says nothing."""
    try:
        declared = metadata.requires("torchvision") or []
    except metadata.PackageNotFoundError:
        return ""
    found = (re.match(r"torch\s*\(?([=<>~!]+[^\s;),]+)", line) for line in declared)
    return next((match[1] for match in found if match), "")


def _cores() -> int:
    """macOS cannot bind a process to some cores, so there it is all of them."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def shortest(path: Path) -> str:
    """A path as one would type it here: relative to the working directory when it is below it."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
