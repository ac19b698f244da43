"""Compiles the counterfeit CUDA runtime, which stands in front of the real libraries of torch."""

import re
import shutil
import subprocess
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

HERE = Path(__file__).parent
SITE = Path(sysconfig.get_paths()["purelib"])
HEADERS = (SITE / "nvidia" / "cu13" / "include", SITE / "nvidia" / "cudnn" / "include")
TORCH = SITE / "torch" / "lib" / "libtorch_cuda.so"

COUNTED = re.compile(
    r"cublas(Lt)?([A-Z]gemm|[A-Z]gemv|GemmEx|GemmStrided|[A-Z]dot|DotEx|Matmul$)"
    r"|cudnn(Convolution(Forward|Backward(Data|Filter)|BiasActivationForward)$"
    r"|BatchNormalization(Forward|Backward)|PoolingForward|BackendExecute)"
)
"""Functions that compute."""

REAL = re.compile(
    r"cudnn(GetVersion|GetCudartVersion|Get\w*ErrorString)|cublasLtGetVersion|\w*Size"
)
"""Functions that are left to the real libraries."""

MAKES_HANDLE = re.compile(r"cublasCreate|cublasLt\w+Create$|cudnnCreate")


def why_not() -> str | None:
    """Why the runtime cannot be compiled here, None where it can."""
    if sys.platform != "linux":
        return "the counterfeit CUDA runtime is preloaded as Linux does it"
    for tool in ("gcc", "nm"):
        if shutil.which(tool) is None:
            return f"the counterfeit CUDA runtime is compiled with {tool}, which is not there"
    try:
        torch = version("torch")
    except PackageNotFoundError:
        return "torch is not installed"
    if not TORCH.exists() or not all(folder.is_dir() for folder in HEADERS):
        return f"torch {torch} is not the wheel for CUDA 13, whose code the tests run"
    return None


def compile_runtime(folder: Path) -> Path:
    """Compiles the runtime into a folder; takes some seconds.

    Its name inside is that of the driver, so that torch, which opens the driver, finds it there.
    """
    others = folder / "others.c"
    others.write_text(write_others(list_functions(TORCH)))
    sources = [HERE / name for name in ("runtime.c", "driver.c", "libraries.c", "nccl.c")]
    library = folder / "libcounterfeit.so"
    includes = [f"-I{path}" for path in (HERE, HERE / "include", *HEADERS)]
    command = ["gcc", "-O1", "-fPIC", "-shared", "-w", "-std=gnu11", *includes]
    command += ["-Wl,-soname,libcuda.so.1", "-o", str(library)]
    subprocess.run([*command, *sources, others, "-lpthread"], check=True)
    return library


def list_functions(library: Path) -> list[str]:
    """The functions of CUDA's libraries that a library calls."""
    command = ["nm", "-D", "--undefined-only", str(library)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    names = {line.split()[-1].partition("@")[0] for line in lines}
    return sorted(name for name in names if re.match(r"(__)?cuda|cublas|cudnn|nccl", name))


def write_others(names: list[str]) -> str:
    """C of functions that succeed and do nothing, for those that no source of ours defines."""
    lines = ["#include <stdlib.h>", '#include "counts.h"']
    for name in names:
        if REAL.fullmatch(name):
            continue
        body = "return 0;"
        if MAKES_HANDLE.match(name):
            lines.append(
                f"__attribute__((weak)) int {name}(void **p) {{ *p = calloc(1, 256); return 0; }}"
            )
            continue
        if COUNTED.match(name):
            body = "fake_count(LIBRARY); " + body
        lines.append(f"__attribute__((weak)) int {name}() {{ {body} }}")
    return "\n".join(lines) + "\n"
