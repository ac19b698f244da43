"""Random damage to the files of a run: it goes on exactly, or says in one line why not."""

import random
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.runs.folder import BEST, LATEST, PREVIOUS

CASES = 500
COMMAND = ("train", "--c", str(Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"))
SHORT = (
    *("num_train_iter=4", "epoch=2", "num_eval_iter=2", "num_log_iter=1", "batch_size=10"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "use_tensorboard=false"),
)
KINDS = ("model", "ema_model")
CHECKPOINTS = (LATEST, PREVIOUS, BEST)


def resume(folder: Path) -> int:
    place = ("--save_dir", str(folder), "--save_name", "run")
    return main([*COMMAND, *place, "--resume", "--set", *SHORT])


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state = torch.load(folder / "run" / LATEST, weights_only=True)
    return {
        **state["model"],
        **{f"ema.{name}": value for name, value in state["ema_model"].items()},
    }


@pytest.fixture(scope="module")
def half(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that was stopped at its half, beside that of the whole one."""
    folder = tmp_path_factory.mktemp("damaged")
    assert resume(folder / "whole") == 0
    shutil.copytree(folder / "whole", folder / "half")
    run = folder / "half" / "run"
    (run / "result.json").unlink()
    shutil.copy(run / PREVIOUS, run / LATEST)
    return folder / "half"


def damage(run: Path, chance: random.Random) -> str:
    """Damages a file of a run folder; says which, and how."""
    files = sorted(file for file in run.rglob("*") if file.is_file() and file.name != ".lock")
    file = chance.choice(files)
    content = file.read_bytes()
    kind = chance.choice(["bytes", "noise", "cut", "flip", "swap", "gone", "twice", "folder"])
    at = chance.randrange(len(content) + 1)
    if kind == "bytes":
        file.write_bytes(chance.randbytes(chance.randrange(2000)))
    elif kind == "noise":
        file.write_bytes(content[:at] + chance.randbytes(20) + content[at:])
    elif kind == "cut":
        file.write_bytes(content[:at])
    elif kind == "flip" and content:
        file.write_bytes(content[: at - 1] + bytes([content[at - 1] ^ 64]) + content[at:])
    elif kind == "swap":
        other = chance.choice(files)
        other_content = other.read_bytes()
        other.write_bytes(content)
        file.write_bytes(other_content)
        return f"{file.name} swapped with {other.name}"
    elif kind == "gone":
        file.unlink()
    elif kind == "twice":
        file.write_bytes(content * 2)
    elif kind == "folder":
        file.unlink()
        file.mkdir()
    return f"{file.name} {kind}"


def contents(run: Path) -> Iterator[tuple[str, bytes]]:
    for name in CHECKPOINTS:
        if (run / name).is_file():
            yield name, (run / name).read_bytes()


@pytest.mark.slow
def test_a_damaged_run_goes_on_exactly_or_is_refused(
    half: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    expected = weights(half.parent / "whole")
    chance, codes = random.Random(0), Counter[str]()
    for case in range(CASES):
        folder = tmp_path / str(case)
        shutil.copytree(half, folder)
        run = folder / "run"
        what = damage(run, chance)
        before = dict(contents(run))
        capsys.readouterr()
        code = resume(folder)
        error = capsys.readouterr().err
        assert code in (0, 1, 2), (what, error)
        errors = [line for line in error.splitlines() if line.startswith("dnll: error: ")]
        assert len(errors) == (code != 0), (what, error)
        assert "Traceback" not in error, (what, error)
        assert "Error: " not in "".join(errors), (what, error)
        if code == 0:
            found = weights(folder)
            assert all(torch.equal(found[name], value) for name, value in expected.items()), what
        else:
            assert dict(contents(run)) == before, what
        codes[f"{what.split()[-1]}, code {code}"] += 1
        shutil.rmtree(folder)
    with capsys.disabled():
        print()
        for name, number in sorted(codes.items()):
            print(f"{number:4d}  {name}")
