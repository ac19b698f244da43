"""``dnll predict`` that says which images are of no class, as a user types it."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from dnll_plugin.commands.main import main
from dnll_plugin.datasets import sample_images

SHORT = [
    *("net=cnn3_one_head", "img_size=8", "batch_size=8", "uratio=1", "eval_batch_size=64"),
    *("num_train_iter=6", "epoch=3", "num_eval_iter=6", "num_log_iter=6", "lr=0.1", "ema_m=0.5"),
]
STRANGE = ("seven", "eight", "nine")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folders of docs/own-images.md: seven digits are classes, three are not."""
    root = tmp_path_factory.mktemp("data") / "pictures"
    sample_images.write(root)
    (root / "test/_unknown").mkdir()
    for name in STRANGE:
        (root / "test" / name).rename(root / "test/_unknown" / name)
        for file in (root / "labeled" / name).iterdir():
            file.unlink()
        (root / "labeled" / name).rmdir()
    return root


def train(pictures: Path, folder: Path, algorithm: str) -> Path:
    words = ["--data_dir", str(pictures), "--save_dir", str(folder), "--save_name", "run"]
    settings = [*SHORT, f"algorithm={algorithm}"]
    assert main(["train", "--c", "images_cpu", *words, "--set", *settings]) == 0
    return folder / "run"


def predict(run: Path, images: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    words = ["--run", str(run), "--images", str(images), "--out", str(out), *options]
    return subprocess.run(
        [sys.executable, "-m", "dnll_plugin", "predict", *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=out.parent,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["fixmatch", "iomatch", "dnll_fixmatch"])
def test_unknown_images_are_marked_and_keep_their_class(tmp_path, pictures, algorithm) -> None:
    run = train(pictures, tmp_path, algorithm)
    out, montage = tmp_path / "o.csv", tmp_path / "m.png"
    done = predict(run, pictures / "test", out, "--unknown_share", "0.2", "--montage", str(montage))
    assert (done.returncode, done.stderr) == (0, "")
    _, measured, _, told, _ = done.stdout.splitlines()
    threshold = float(measured.removeprefix("unknown: a score above ").split(",")[0])
    rows = list(csv.DictReader(out.open()))
    assert list(rows[0]) == ["file", "label", "confidence", "not", "known", "unknown_score"]
    assert not {row["label"] for row in rows} & set(STRANGE)

    def are_known(found: list[dict[str, str]]) -> list[bool]:
        return [row["known"] == "true" for row in found]

    assert {row["known"] for row in rows} <= {"true", "false"}
    strangers = [row for row in rows if row["file"].startswith("_unknown/")]
    classes = [row for row in rows if row not in strangers]
    above, found = are_known(classes).count(False), are_known(strangers).count(False)
    assert above <= 0.2 * len(classes) == 70
    of_classes = f"{above} of 350 ({above / 350:.1%}) test images of the classes have"
    assert f"{of_classes}, and {found} of 150 ({found / 150:.1%}) of no class" in measured
    assert told == f"{above + found} of them unknown, {500 - above - found} known"
    with Image.open(montage) as picture:
        assert picture.format == "PNG"

    again = tmp_path / "again.csv"
    options = ("--unknown_above", str(threshold), "--batch_size", "256")
    done = predict(run, pictures / "test", again, *options)
    assert done.returncode == 0
    assert measured in done.stdout.splitlines()
    assert list(csv.DictReader(again.open())) == rows


def test_without_either_option_nothing_is_new(make_run, pictures, tmp_path, capsys) -> None:
    words = ["--run", str(make_run()), "--images", str(pictures / "test/two")]
    assert main(["predict", *words, "--out", str(tmp_path / "o.csv")]) == 0
    assert (tmp_path / "o.csv").read_text().splitlines()[0] == "file,label,confidence,not"
    assert "unknown" not in capsys.readouterr().out


def test_a_threshold_of_ones_own_needs_no_test_images(make_run, pictures, tmp_path, capsys) -> None:
    run = make_run(algorithm="fixmatch", data_dir=tmp_path / "gone")
    words = ["--run", str(run), "--images", str(pictures / "test/two"), "--format", "jsonl"]
    assert main(["predict", *words, "--out", str(tmp_path / "o"), "--unknown_above", "1"]) == 0
    assert "0 of them unknown, 50 known" in capsys.readouterr().out
    assert '"known": true' in (tmp_path / "o").read_text()


def test_test_images_that_cannot_be_had_are_a_line_beside_a_threshold_of_ones_own(
    make_run, pictures, tmp_path, capsys
) -> None:
    gone = tmp_path / "gone"
    run = make_run(
        ["ant", "bee"],
        **{"algorithm": "fixmatch", "dataset": "mnist", "data_dir": gone, "num_classes": 2},
        **{"ood_classes": 8, "ulb_ood": 0.2, "num_labels": 4},
    )
    words = ["--run", str(run), "--images", str(pictures / "test/two"), "--unknown_above", "0.25"]
    assert main(["predict", *words, "--out", str(tmp_path / "o.csv")]) == 0
    told = capsys.readouterr().out
    assert f"the run's test images do not tell how many are found: data_dir: {gone}" in told
    assert "of them unknown, " in told
    assert not gone.exists()


def test_for_the_test_images_no_code_is_imported_but_what_the_user_names(
    make_run, pictures, tmp_path, monkeypatch
) -> None:
    (tmp_path / "mine.py").touch()
    (tmp_path / "stranger.py").write_text("open('imported', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    data = {"dataset": "digits", "num_classes": 10, "num_labels": 20}
    run = make_run(None, algorithm="fixmatch", plugin="stranger", **data)
    words = ["--run", str(run), "--images", str(pictures / "test/two"), "--out", "o.csv"]
    assert main(["predict", *words, "--plugin", "mine", "--unknown_share", "0.5"]) == 0
    assert not (tmp_path / "imported").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--unknown_share", "0"], "--unknown_share: must be above 0 and below 1, got 0.0"),
        (["--unknown_share", "1"], "--unknown_share: must be above 0 and below 1, got 1.0"),
        (["--unknown_share", "nan"], "--unknown_share: must be above 0 and below 1, got nan"),
        (["--unknown_share", "few"], "argument --unknown_share: invalid float value: 'few'"),
        (["--unknown_above", "50"], "--unknown_above: must be from 0 to 1, got 50.0"),
        (["--unknown_above", "-0.1"], "--unknown_above: must be from 0 to 1, got -0.1"),
        (["--unknown_above", "nan"], "--unknown_above: must be from 0 to 1, got nan"),
        (
            ["--unknown_above", "0.5", "--unknown_share", "0.1"],
            "argument --unknown_share: not allowed with argument --unknown_above",
        ),
        (
            ["--unknown_share", "0.1"],
            "--unknown_share: needs the run's test images, which cannot be had (data_dir: no such "
            "folder: gone",
        ),
    ],
)
def test_bad_input_is_one_line(make_run, pictures, tmp_path, capsys, options, message) -> None:
    run = make_run(algorithm="fixmatch", data_dir="gone", num_labels=6)
    words = [
        "--run",
        str(run),
        "--images",
        str(pictures / "test"),
        "--out",
        str(tmp_path / "o.csv"),
    ]
    assert main(["predict", *words, *options]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dnll: error: {message}")
    assert not (tmp_path / "o.csv").exists()


def test_a_share_smaller_than_one_test_image_is_one_line(pictures, tmp_path, capsys) -> None:
    run = train(pictures, tmp_path, "fixmatch")
    words = [
        "--run",
        str(run),
        "--images",
        str(pictures / "test"),
        "--out",
        str(tmp_path / "o.csv"),
    ]
    assert main(["predict", *words, "--unknown_share", "0.001"]) == 2
    assert capsys.readouterr().err == (
        "dnll: error: --unknown_share 0.001: is less than one of the run's 350 test images of its "
        "classes; give at least 0.002858, or --unknown_above\n"
    )
