"""``dnll train --resume``: what goes on exactly, what is refused, and what a longer run does."""

import json
from pathlib import Path

import pytest
import torch

from dnll_plugin.commands.main import main

from .test_train import DIGITS, OPEN_SET, SHORT, records, result, train, weights


def go_back(folder: Path) -> None:
    """Makes a finished run one that was killed after the checkpoint before the last."""
    run = folder / "run"
    (run / "previous_model.pth").replace(run / "latest_model.pth")
    (run / "result.json").unlink()


@pytest.mark.parametrize(
    ("algorithm", "changes"),
    [
        ("dnll_dual", ["roles=alternate", "lb_views=2", "negative_sampling=without_replacement"]),
        ("dnll_dual", ["net_right=timm_test_resnet@8", "ulb_views=weak_strong", "num_workers=1"]),
        ("dnll_meanteacher", ["negative_source=teacher", "use_cat=false"]),
        ("fixmatch", []),
        ("flexmatch", []),
        ("dnll_dual", ["channels_last=true"]),
        ("dnll_fixmatch", ["p_cutoff=0.2", "negative_late_epoch=null"]),
        ("dnll_flexmatch", []),
        ("dnll_fixmatch", ["negative_sampling=least_likely", "negative_loss=each"]),
        ("dnll_fixmatch", ["negative_source=peer", "negative_late_epoch=null"]),
        ("dnll_dual", ["negative_sampling=beyond_top_k"]),
        ("lc_meanteacher", ["lb_views=2", "clustering_start=1", "lr_schedule=linear_to_zero"]),
        ("shrinkmatch", ["p_cutoff=0.2", "ema_p=0.5"]),
        ("shrinkmatch", ["p_cutoff=0.2", "alignment=average", "restart_share=false"]),
        ("iomatch", ["p_cutoff=0.2", "q_cutoff=0.1", "alignment_steps=4", *OPEN_SET]),
        ("openmatch", ["start_fix=1", *OPEN_SET]),
        ("openmatch", ["start_fix=0", "data_on=device", "num_eval_iter=1", *OPEN_SET]),
        ("openmatch", ["start_fix=1", "use_cat=false", "num_workers=1", *OPEN_SET]),
        ("fullmatch", ["p_cutoff=0.4"]),
        ("fullflex", ["p_cutoff=0.4"]),
        ("freematch", []),
        ("softmatch", []),
        ("meanteacher", []),
    ],
)
def test_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, algorithm: str, changes: list[str]
) -> None:
    changes = [f"algorithm={algorithm}", *changes]
    assert train(tmp_path, *changes) == 0
    whole, metrics = weights(tmp_path), (tmp_path / "run/metrics.jsonl").read_text()
    expected = result(tmp_path)
    go_back(tmp_path)
    assert train(tmp_path, *changes, resume=True) == 0
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(tmp_path).items())
    assert (tmp_path / "run/metrics.jsonl").read_text() == metrics
    timings = {"seconds", "peak_memory_mb"}
    found = result(tmp_path)
    assert {k: v for k, v in found.items() if k not in timings} == {
        k: v for k, v in expected.items() if k not in timings
    }


def test_resume_without_a_checkpoint_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path, resume=True) == 0
    assert "no checkpoint yet" in capsys.readouterr().out


def test_damaged_checkpoint_is_passed_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path) == 0
    whole = weights(tmp_path)
    (tmp_path / "run/result.json").unlink()
    latest = tmp_path / "run/latest_model.pth"
    content = bytearray(latest.read_bytes())
    content[len(content) // 2] ^= 0xFF
    latest.write_bytes(content)
    assert train(tmp_path, resume=True) == 0
    assert "latest_model.pth is damaged" in " ".join(capsys.readouterr().out.split())
    assert all(torch.equal(tensor, whole[name]) for name, tensor in weights(tmp_path).items())


@pytest.mark.parametrize(
    ("change", "named"),
    [("lr=0.5", "lr"), ("algorithm=fixmatch", "algorithm"), ("seed=3", "seed")],
)
def test_resume_with_other_settings_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str, named: str
) -> None:
    assert train(tmp_path) == 0
    go_back(tmp_path)
    before = (tmp_path / "run/latest_model.pth").read_bytes()
    assert train(tmp_path, change, resume=True) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"dnll: error: {named}")
    assert (tmp_path / "run/latest_model.pth").read_bytes() == before


def test_a_run_folder_may_be_renamed(tmp_path: Path) -> None:
    assert train(tmp_path) == 0
    go_back(tmp_path)
    (tmp_path / "run").rename(tmp_path / "other")
    command = ["train", "--c", str(DIGITS), "--save_dir", str(tmp_path), "--save_name", "other"]
    assert main([*command, "--resume", "--set", *SHORT]) == 0
    assert (tmp_path / "other" / "result.json").exists()


def test_a_finished_run_says_that_its_settings_differ(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path) == 0
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    for change in ("lr=0.5", "num_train_iter=3", "epoch=6"):
        assert train(tmp_path, change, resume=True) == 2
        assert capsys.readouterr().err.startswith(f"dnll: error: {change.partition('=')[0]}: ")
    assert train(tmp_path, "num_workers=1", "device=cpu", resume=True) == 0
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == before


@pytest.mark.parametrize("schedule", ["toolbox", "cosine_to_zero"])
def test_a_finished_run_goes_on_beyond_its_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], schedule: str
) -> None:
    assert train(tmp_path, f"lr_schedule={schedule}") == 0
    first = result(tmp_path)
    longer = [f"lr_schedule={schedule}", "num_train_iter=12", "epoch=6"]
    assert train(tmp_path, *longer, resume=True) == 0
    said = capsys.readouterr().out
    assert "going on from step 6" in said
    assert "num_train_iter was 6: the learning rate goes on as if it had been 12" in said
    assert "an epoch" not in said
    assert json.loads((tmp_path / "run/result_at_6.json").read_text()) == first
    assert (first["iterations"], result(tmp_path)["iterations"]) == (6, 12)
    assert [record["step"] for record in records(tmp_path)] == [2, 3, 4, 6, 8, 9, 10, 12]
    assert train(tmp_path / "whole", *longer) == 0
    rates = [{r["step"]: r["lr"] for r in records(tmp_path / part)} for part in ("", "whole")]
    assert all(rates[0][step] == pytest.approx(rates[1][step]) for step in (8, 9, 10, 12))
    assert train(tmp_path, f"lr_schedule={schedule}", resume=True) == 2


def test_a_longer_run_that_ended_before_a_checkpoint_follows_its_own_schedule(
    tmp_path: Path,
) -> None:
    longer = ("lr_schedule=cosine_to_zero", "num_train_iter=12", "epoch=6")
    for folder in ("at once", "in two"):
        assert train(tmp_path / folder, "lr_schedule=cosine_to_zero") == 0
    run = tmp_path / "in two/run"
    (run / "result.json").rename(run / "result_at_6.json")
    config = run / "config.yaml"
    text = config.read_text().replace("num_train_iter: 6", "num_train_iter: 12")
    config.write_text(text.replace("epoch: 3", "epoch: 6"))  # as the first step of it leaves it
    weights = []
    for folder in ("at once", "in two"):
        assert train(tmp_path / folder, *longer, resume=True) == 0
        weights.append(torch.load(tmp_path / folder / "run/latest_model.pth")["model"])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def test_a_longer_run_says_what_becomes_of_its_epochs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert train(tmp_path) == 0
    assert train(tmp_path, "num_train_iter=12", resume=True) == 0
    assert "was 2 steps and is 4; epoch=6 keeps its length" in capsys.readouterr().out
