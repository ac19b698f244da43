"""Going on from a checkpoint: exactly, or saying why not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from dnll_plugin.commands.main import main
from dnll_plugin.errors import InputError
from dnll_plugin.runs.folder import BEST
from dnll_plugin.training import checkpoint, saving
from dnll_plugin.training.ranks import ALONE, Ranks

DIGITS = Path(__file__).parents[2] / "config" / "dnll_digits_20.yaml"
SHORT = [
    *("num_train_iter=8", "epoch=2", "num_eval_iter=4", "num_log_iter=4", "batch_size=4"),
    *("uratio=1", "img_size=8", "eval_batch_size=500", "net=cnn3", "use_tensorboard=false"),
]
STATE_ON_CUDA = torch.zeros(16, dtype=torch.uint8)
"""Of the size of the state of a generator on CUDA."""


def train(folder: Path, *changes: str, resume: bool = False) -> None:
    command = ["train", "--c", str(DIGITS), "--save_dir", str(folder), "--save_name", "run"]
    command += ["--resume"] if resume else []
    assert main([*command, "--set", *SHORT, *changes]) == 0


def half_done(run: Path) -> Any:
    """Makes a finished run one that has done half of its steps; its checkpoint."""
    (run / "result.json").unlink()
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    return checkpoint.read(run / "latest_model.pth")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("saving")
    train(folder)
    return folder


def copied(finished: Path, folder: Path) -> Path:
    run = folder / "run"
    run.mkdir()
    for file in (finished / "run").iterdir():
        if file.is_file():
            (run / file.name).write_bytes(file.read_bytes())
    return run


def test_on_the_same_device_a_run_goes_on_exactly(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(finished, tmp_path)
    expected = checkpoint.read(run / "latest_model.pth")["model"]
    half_done(run)
    train(tmp_path, resume=True)
    found = checkpoint.read(run / "latest_model.pth")["model"]
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    assert "not exactly" not in capsys.readouterr().out


def test_a_run_from_a_gpu_goes_on_without_one_and_says_so(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(finished, tmp_path)
    state = half_done(run)
    state["dnll"]["device"] = "cuda"
    state["dnll"]["random"]["cuda"] = [STATE_ON_CUDA]
    state["negatives"]["generator"] = STATE_ON_CUDA
    checkpoint.write(state, run / "latest_model.pth")
    train(tmp_path, resume=True)
    assert "not exactly, because it was written on cuda" in capsys.readouterr().out


def test_a_checkpoint_of_before_goes_on(finished: Path, tmp_path: Path) -> None:
    run = copied(finished, tmp_path)
    state = half_done(run)
    del state["dnll"]["device"]
    checkpoint.write(state, run / "latest_model.pth")
    train(tmp_path, resume=True)


def algorithm_on(device: str) -> Any:
    parameters = [SimpleNamespace(device=torch.device(device))]
    return SimpleNamespace(model=SimpleNamespace(parameters=lambda: iter(parameters)))


@pytest.mark.parametrize(
    ("written_on", "gpus", "here", "says"),
    [
        ("cpu", 0, "cpu", None),
        (None, 0, "cpu", None),
        ("cuda", 2, "cuda", None),
        ("cuda", 1, "cuda", "where 1 GPUs were visible, and 2 are here"),
        ("cpu", 1, "cpu", None),  # a GPU was there, and not used
        ("cpu", 2, "cuda", "written on cpu"),
        ("mps", 0, "cpu", "written on mps"),
    ],
)
def test_why_not_exactly(
    monkeypatch: pytest.MonkeyPatch, written_on: str | None, gpus: int, here: str, says: str | None
) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    random_state = {"cuda": [STATE_ON_CUDA] * gpus}
    reasons = saving.find_inexact(written_on, random_state, algorithm_on(here))
    assert len(reasons) == (says is not None)
    assert says is None or says in reasons[0]


@pytest.mark.parametrize("visible", [0, 1, 3])
def test_generators_of_the_gpus_that_are_here_go_on(
    monkeypatch: pytest.MonkeyPatch, visible: int
) -> None:
    set_on = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: visible)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, gpu: set_on.append(gpu))
    state = checkpoint.get_random_state()
    checkpoint.set_random_state({**state, "cuda": [STATE_ON_CUDA] * 2})
    assert set_on == list(range(min(visible, 2)))


def test_a_scale_that_is_missing_starts_anew(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = copied(finished, tmp_path) / "latest_model.pth"
    state = checkpoint.read(path)
    monkeypatch.setattr(saving, "check_weights", lambda *args: None)
    algorithm = SimpleNamespace(
        **vars(algorithm_on("cpu")),
        args=SimpleNamespace(**state["dnll"]["identity"]),
        loss_scaler=torch.amp.GradScaler("cpu", enabled=True),
        load_model=lambda path: None,
        it=state["it"],
        num_iter_per_epoch=4,
    )
    hook = saving.SavingHook(tmp_path, lambda: None)
    assert saving.load_checkpoint(path, algorithm, hook) == [
        "it holds no scale of the loss: the scaler starts anew"
    ]
    assert hook.seconds_before == state["dnll"]["seconds"]


def test_another_algorithm_and_number_of_processes_are_refused(tmp_path: Path) -> None:
    written = {"algorithm": "fixmatch", "net": "cnn3", "net_right": None, "num_classes": 10}
    args = SimpleNamespace(**{**written, "num_classes": 9})
    with pytest.raises(InputError, match="its num_classes is 10, that of the run is 9"):
        saving.check_identity(written, args, tmp_path)
    with pytest.raises(InputError, match="start it with torchrun --nproc_per_node=2"):
        saving.check_world_size(2, ALONE, tmp_path)
    with pytest.raises(InputError, match="start it with dnll train"):
        saving.check_world_size(1, Ranks(0, 2, 0), tmp_path)


def test_a_signal_saves_and_then_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithm = SimpleNamespace(
        **vars(algorithm_on("cpu")),
        log_dict={},
        it=3,
        epoch=0,
        best_it=0,
        num_train_iter=9,
        args=SimpleNamespace(algorithm="fixmatch", net="cnn3", num_classes=10),
        get_save_dict=lambda: {"model": {}, "it": 4},
        call_hook=lambda *names: None,
    )
    came: list[int] = []
    hook = saving.SavingHook(tmp_path, lambda: came[0] if came else None)
    hook.before_run(algorithm)
    hook.after_train_step(algorithm)
    assert hook.last_checkpoint() == "no checkpoint was written before"
    came.append(15)
    with pytest.raises(saving.Interrupted, match="SIGTERM") as caught:
        hook.after_train_step(algorithm)
    assert caught.value.exit_code == 143
    assert hook.last_checkpoint().endswith("latest_model.pth, of step 4")


def test_the_best_checkpoint_is_there_before_the_latest_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(state: object, folder: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "write_latest", fail)
    hook = saving.SavingHook(tmp_path, lambda: None)
    with pytest.raises(OSError, match="No space left"):
        hook.write({"model": {"weight": torch.zeros(1)}}, is_best=True)
    assert (tmp_path / BEST).exists()


def test_peak_memory_is_that_of_one_run() -> None:
    from dnll_plugin.runs.result import peak_memory_mb, reset_peak_memory

    cpu = torch.device("cpu")
    held = torch.ones(2**26)  # 256 MB
    high = peak_memory_mb(cpu)
    del held
    reset_peak_memory(cpu)
    if Path("/proc/self/clear_refs").exists():
        assert peak_memory_mb(cpu) < high - 200
