"""The wheel in fresh environments, without the clone: install, check, train, predict, export.

Each prints a row of figures for the table in docs/installation.md; one environment alone:

    python -m pytest -m slow tests/install -k 3.12-newest -s

Packages come from the index that pip and uv are set up with, some 3 GB for an environment, which
takes 2 to 6 GB on the disk until the test ends.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PYTHONS = ("3.11", "3.12", "3.13")
SETS = ("pinned", "oldest", "newest")
TITLE = "| Python | packages | torch | numpy | installed | size | doctor | trained | error |"
WRITE_IMAGES = """
from pathlib import Path
from PIL import Image
from sklearn.datasets import load_digits

Path("images").mkdir()
for number, pixels in enumerate(load_digits().images[:20]):
    Image.fromarray((pixels * 15).astype("uint8")).save(f"images/{number}.png")
"""

pytestmark = pytest.mark.slow


def find_python(version: str) -> str:
    """An interpreter of this version that can make environments; skips the test without one."""
    python = shutil.which(f"python{version}")
    if (
        python is None
        or subprocess.call([python, "-c", "import ensurepip"], stderr=subprocess.DEVNULL) != 0
    ):
        pytest.skip(f"there is no python{version} with venv; put one on PATH")
    return python


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy: the clone may hold files of older builds."""
    source = tmp_path_factory.mktemp("source")
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    for name in ("dnll_plugin", "config"):
        shutil.copytree(ROOT / name, source / name)
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", out, source]
    subprocess.run(command, check=True)
    return next(out.glob("*.whl"))


class Environment:
    """A fresh virtual environment, and a folder beside it where commands run.

    Attributes:
        folder: of the environment.
        work: where commands run: neither the clone nor its settings are seen from there.
    """

    def __init__(self, python: str, root: Path) -> None:
        self.folder, self.work = root / "venv", root / "work"
        self.work.mkdir()
        subprocess.run([python, "-m", "venv", self.folder], check=True)

    def run(self, program: str, *arguments: str) -> str:
        """What a program of the environment prints; the test fails where the program does."""
        clean = {key: text for key, text in os.environ.items() if not key.startswith("PYTHON")}
        done = subprocess.run(
            [self.folder / "bin" / program, *arguments],
            cwd=self.work,
            env=clean,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert done.returncode == 0, f"{program} {' '.join(arguments)}:\n{done.stdout[-4000:]}"
        return done.stdout

    def install(self, wheel: Path, packages: str) -> None:
        """Installs the wheel, and what ``dnll export`` needs, with a set of packages."""
        wanted = f"{wheel}[export]"
        if packages == "pinned":
            self.run("pip", "install", "-r", str(ROOT / "requirements.txt"), wanted)
        elif packages == "newest":
            # where its newest release does not build, the newest that needs no compiler is taken
            self.run("pip", "install", "--only-binary", "aim,aimrocks", wanted)
        else:
            # of what has no wheel for this Python, the oldest that has one
            oldest = ["--resolution", "lowest-direct", "--only-binary", ":all:"]
            uv = shutil.which("uv") or pytest.skip("uv, which finds the oldest, is not installed")
            python = str(self.folder / "bin" / "python")
            command = [uv, "pip", "install", "--python", python]
            # the wheel's dependencies are direct ones only where they are given themselves
            of_project = ["-r", str(ROOT / "pyproject.toml"), "--extra", "export"]
            for what in ([*oldest, *of_project], ["--no-deps", str(wheel)]):
                done = subprocess.run([*command, *what], capture_output=True, text=True)
                assert done.returncode == 0, done.stderr[-4000:]
            bound = re.search(r'"torch>=([\d.]+)"', (ROOT / "pyproject.toml").read_text())
            assert bound is not None
            assert self.version("torch").startswith(bound[1])

    def version(self, package: str) -> str:
        code = f"import importlib.metadata as m; print(m.version({package!r}))"
        return self.run("python", "-c", code).strip()

    def size(self) -> str:
        files = (path.lstat() for path in self.folder.rglob("*"))
        return f"{sum(file.st_blocks * 512 for file in files) / 1e9:.1f} GB"


class Clock:
    """How long steps took, for the table."""

    def __init__(self) -> None:
        self.started_at = time.monotonic()

    def lap(self) -> str:
        now = time.monotonic()
        seconds, self.started_at = now - self.started_at, now
        return f"{seconds:.0f} s"


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    yield Environment(find_python(request.param), tmp_path)
    shutil.rmtree(tmp_path)


@pytest.mark.parametrize("packages", SETS)
@pytest.mark.parametrize("environment", PYTHONS, indirect=True)
def test_a_newcomer_gets_to_the_end(
    environment: Environment, packages: str, wheel: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = Clock()
    environment.install(wheel, packages)
    installed, size = clock.lap(), environment.size()

    clock.lap()
    environment.run("dnll", "doctor")
    checked = clock.lap()
    place = ("--save_dir", "runs", "--save_name", "first")
    environment.run("dnll", "train", "--c", "dnll_digits_20", *place)
    trained = clock.lap()
    result = json.loads((environment.work / "runs/first/result.json").read_text())
    assert result["error_rate"] < 50  # ten classes

    environment.run("python", "-c", WRITE_IMAGES)
    of_run = ("--run", "runs/first", "--images", "images")
    environment.run("dnll", "predict", *of_run, "--out", "labels.csv")
    lines = (environment.work / "labels.csv").read_text().splitlines()
    assert len(lines) == 21
    environment.run("dnll", "export", *of_run, "--format", "onnx", "--out", "net.onnx")
    assert (environment.work / "net.onnx").stat().st_size > 0

    python = re.search(r"[\d.]+", environment.run("python", "--version"))
    assert python is not None
    row = [python[0], packages, environment.version("torch"), environment.version("numpy")]
    row += [installed, size, checked, trained, f"{result['error_rate']:.2f}%"]
    with capsys.disabled():
        print(f"\n{TITLE}\n| {' | '.join(row)} |")
