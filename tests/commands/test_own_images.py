"""The way of docs/own-images.md with real photos and every kind of file: train, then predict."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_images

from dnll_plugin.commands.main import main
from dnll_plugin.datasets.image_files import read_image
from dnll_plugin.datasets.value_ranges import parse_ranges

CONFIG = Path(__file__).parents[2] / "config" / "images_cpu.yaml"
SHORT = [
    *("net=cnn3_one_head", "img_size=16", "batch_size=4", "uratio=2", "eval_batch_size=64"),
    *("num_train_iter=6", "epoch=3", "num_eval_iter=2", "num_log_iter=2"),
]


@pytest.fixture(scope="module")
def photos() -> dict[str, list[Image.Image]]:
    """Pieces of 64 pixels of scikit-learn's two photos, a temple and a flower, as two classes."""
    return {
        name: [
            Image.fromarray(np.ascontiguousarray(photo[top : top + 64, left : left + 64]))
            for top in range(0, 320, 64)
            for left in range(0, 512, 64)
        ]
        for name, photo in zip(("temple", "flower"), load_sample_images().images, strict=True)
    }


def write_tree(root: Path, photos: dict[str, list[Image.Image]], number: int = 20) -> None:
    """A plain tree of class folders."""
    for name, pieces in photos.items():
        for index, piece in enumerate(pieces[:number]):
            file = root / name / f"{index:02d}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            piece.save(file, quality=95)


def write_every_kind(folder: Path, photo: Image.Image) -> dict[str, tuple[int, int]]:
    """One photo as every kind of file; returns the size that each is read with."""
    folder.mkdir(parents=True, exist_ok=True)
    gray = np.asarray(photo.convert("L"))
    Image.fromarray(gray.astype(np.uint16) * 16).save(folder / "12-in-16-bits.png")
    Image.fromarray(gray.astype(np.uint16) * 16).save(folder / "12-in-16-bits.tiff")
    Image.fromarray(gray.astype(np.int32) * 16).save(folder / "32-bits.tiff")
    Image.fromarray(gray.astype(np.float32) / 255).save(folder / "floats.tiff")
    photo.convert("CMYK").save(folder / "cmyk.jpg")
    photo.convert("LAB").save(folder / "lab.tiff")
    photo.convert("P").save(folder / "palette.gif")
    photo.convert("1").save(folder / "two colours.png")
    photo.convert("RGBA").save(folder / "transparent.webp")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter
    photo.resize((60, 40)).save(folder / "turned.jpg", exif=exif)
    frames = [photo.convert("L").point(lambda v, k=k: v // k) for k in (1, 2, 4)]
    frames[0].save(folder / "animated.gif", save_all=True, append_images=frames[1:])
    photo.save(folder / "animated.png", save_all=True, append_images=[photo.rotate(90)])
    photo.resize((1, 1)).save(folder / "one pixel.png")
    photo.resize((6000, 4000)).save(folder / "6000 pixels.jpg")
    photo.resize((6000, 1)).save(folder / "a line.png")
    sizes = {file.name: photo.size for file in folder.iterdir()}
    sizes |= {"turned.jpg": (40, 60), "one pixel.png": (1, 1)}
    return sizes | {"6000 pixels.jpg": (96, 64), "a line.png": (32, 1)}


def run(data: Path, out: Path, *changes: str) -> int:
    places = ["--data_dir", str(data), "--save_dir", str(out), "--save_name", "run"]
    return main(["train", "--c", str(CONFIG), *places, "--set", *SHORT, *changes])


def test_every_kind_of_file_is_trained_on_and_predicted(tmp_path, photos, capsys) -> None:
    data = tmp_path / "data"
    for part, pieces in (("labeled", slice(0, 8)), ("test", slice(8, 12))):
        write_tree(data / part, {name: found[pieces] for name, found in photos.items()})
    sizes = write_every_kind(data / "unlabeled", photos["temple"][20])
    assert run(data, tmp_path, "strict_images=true") == 0
    said = " ".join(capsys.readouterr().out.split())
    counts = f"2 classes, 16 labeled, {len(sizes)} unlabeled, 8 test images"
    assert f"{counts}; 1x1 to 6000x4000 pixels" in said
    assert said.count("0 to 4095 become black to white") == 1
    assert said.count("0 to 1 become black to white") == 1
    ranges = parse_ranges(tmp_path / "run/value_ranges.json")
    assert ranges == {"integers": (0, 4095), "floats": (0, 1)}
    for name, size in sizes.items():
        image = read_image(data / "unlabeled" / name, 64, ranges)
        assert (image.mode, image.size) == ("RGB", size), name

    table, picture = tmp_path / "labels.csv", tmp_path / "montage.png"
    images = ["--images", str(data / "unlabeled"), "--out", str(table), "--montage", str(picture)]
    assert main(["predict", "--run", str(tmp_path / "run"), *images]) == 0
    rows = {row["file"]: row for row in csv.DictReader(table.open())}
    assert rows.keys() == sizes.keys()
    alike = [rows[name] for name in rows if "bits" in name or name == "floats.tiff"]
    assert {row["label"] for row in alike} == {alike[0]["label"]}
    confidences = [float(row["confidence"]) for row in alike]
    assert max(confidences) - min(confidences) < 0.01
    assert picture.stat().st_size > 0


def test_the_same_values_are_read_alike_whatever_their_depth(tmp_path, photos) -> None:
    photo = photos["flower"][3]
    write_every_kind(tmp_path, photo)
    wanted = np.asarray(photo.convert("L"), dtype=int)
    ranges = {"integers": (0, 4095), "floats": (0, 1)}
    for name in ("12-in-16-bits.png", "12-in-16-bits.tiff", "32-bits.tiff", "floats.tiff"):
        found = np.asarray(read_image(tmp_path / name, ranges=ranges), dtype=int)
        assert np.abs(found - wanted[..., None]).max() <= 1, name
    assert np.asarray(read_image(tmp_path / "floats.tiff")).max() <= 1  # black without the range
    assert np.abs(np.asarray(read_image(tmp_path / "cmyk.jpg"), int) - photo).mean() < 12


def test_a_plain_tree_with_validation_ends_early_by_it(tmp_path, photos, capsys) -> None:
    write_tree(tmp_path / "data", photos)
    cut = ["num_labels=8", "val_share=0.2", "test_share=0.3", "early_stopping=1"]
    # nothing is learned, so that no evaluation is better than the first
    still = ["lr=1e-30", "num_train_iter=60", "ema_m=0"]
    assert run(tmp_path / "data", tmp_path, *cut, *still) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "8 labeled, 12 unlabeled, 8 validation, 12 test images" in said
    assert "the validation error was lowest at step 2; ended at step 4" in said
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["iterations"] == 4
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    assert result["error_rate"] == pytest.approx(100 * (1 - records[-1]["eval/top-1-acc"]))
    assert result["val_error_rate"] == pytest.approx(100 * (1 - records[-1]["val/top-1-acc"]))
    assert "ece" in result
    parts = json.loads((tmp_path / "run/parts.json").read_text())
    assert {part: len(files) for part, files in parts.items()} == {"test": 12, "val": 8}


def test_the_best_checkpoint_is_chosen_by_validation_and_not_by_the_test(tmp_path, photos) -> None:
    import torch

    data = tmp_path / "data"
    write_tree(data / "train", photos)
    write_tree(data / "val", {name: found[20:30] for name, found in photos.items()})
    # the classes are the wrong way round: what is best for validation is worst for the test
    swapped = dict(zip(photos, reversed(photos.values()), strict=True))
    write_tree(data / "test", {name: found[20:30] for name, found in swapped.items()})
    longer = ["num_labels=20", "num_train_iter=24", "lr=0.1", "ema_m=0"]
    assert run(data, tmp_path, *longer) == 0
    records = [json.loads(line) for line in (tmp_path / "run/metrics.jsonl").open()]
    best = max(records, key=lambda record: record["val/top-1-acc"])
    assert best["eval/top-1-acc"] == min(record["eval/top-1-acc"] for record in records)
    assert len({record["val/top-1-acc"] for record in records}) > 1
    saved = torch.load(tmp_path / "run/model_best.pth", weights_only=True)
    assert saved["it"] == best["step"]
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["best_error_rate"] == pytest.approx(100 * (1 - best["eval/top-1-acc"]))
    assert result["best_val_error_rate"] == pytest.approx(100 * (1 - best["val/top-1-acc"]))


def test_a_run_that_ended_early_does_not_go_on(tmp_path, photos) -> None:
    write_tree(tmp_path / "data", photos)
    changes = ["num_labels=8", "val_share=0.2", "early_stopping=1", "lr=1e-30", "ema_m=0"]
    assert run(tmp_path / "data", tmp_path, *changes, "num_train_iter=60") == 0
    finished = (tmp_path / "run/result.json").read_text()
    (tmp_path / "run/result.json").unlink()  # as if it was killed before
    places = ["--save_dir", str(tmp_path), "--save_name", "run", "--data_dir"]
    again = ["train", "--c", str(CONFIG), *places, str(tmp_path / "data"), "--resume", "--set"]
    assert main([*again, *SHORT, *changes, "num_train_iter=60"]) == 0
    same = ("iterations", "error_rate", "best_error_rate", "val_error_rate")
    found = json.loads((tmp_path / "run/result.json").read_text())
    assert {key: found[key] for key in same} == {key: json.loads(finished)[key] for key in same}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["num_labels=8", "early_stopping=2"], "early_stopping: needs validation images"),
        (["num_labels=200"], "num_labels: asks for 100 images of {data}/flower, which has 16"),
        (
            ["num_labels=8", "test_share=0.99"],
            "test_share: 20 of the images in {data}/flower would go to test/, and 19",
        ),
        (["num_labels=8", "test_share=1"], "test_share: must be a number above 0 and below 1"),
        (["dataset=digits", "num_classes=10", "val_share=0.1"], "val_share: is for own images"),
        (
            ["dataset=digits", "num_classes=10", "early_stopping=1"],
            "early_stopping: digits has no validation images",
        ),
    ],
)
def test_wrong_settings_are_one_line_that_names_the_folder(
    tmp_path, photos, capsys, changes, message
) -> None:
    write_tree(tmp_path / "data", photos)
    assert run(tmp_path / "data", tmp_path, *changes) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message.format(data=tmp_path / "data") in line


def test_files_that_cannot_be_read_are_named_in_the_log(tmp_path, photos, capsys) -> None:
    write_tree(tmp_path / "data", photos)
    broken = [tmp_path / "data/temple" / f"broken {number}.png" for number in range(25)]
    for file in broken:
        file.write_text("no image")
    assert run(tmp_path / "data", tmp_path, "num_labels=8", "num_train_iter=12") == 0
    log = (tmp_path / "run/log.txt").read_text()
    assert f"left out {log.count('broken ') + 5} image files" in log
    assert log.count("broken ") == 20
    assert "and 5 more" in log


def write_open_set(root: Path, photos: dict[str, list[Image.Image]]) -> None:
    """Folders of two classes with images of neither among the unlabeled and the test images."""
    for part, pieces in (("labeled", slice(0, 4)), ("test", slice(4, 8))):
        write_tree(root / part, {name: found[pieces] for name, found in photos.items()})
    write_tree(root / "unlabeled", {name: found[8:14] for name, found in photos.items()})
    noise = np.random.RandomState(0).randint(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    for part, pieces in (("unlabeled", noise[:2]), ("test/_unknown/deep", noise[2:])):
        write_tree(root / part, {"noise": [Image.fromarray(piece) for piece in pieces]})


def test_unknown_test_images_are_measured_and_no_class(tmp_path, photos, capsys) -> None:
    write_open_set(tmp_path / "data", photos)
    assert run(tmp_path / "data", tmp_path, "algorithm=iomatch") == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "2 classes, 8 labeled, 14 unlabeled, 8 test, 3 unknown test images" in said
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert {"confidence_auroc", "energy_fpr95", "own_balanced_accuracy"} <= result.keys()
    assert json.loads((tmp_path / "run/classes.json").read_text()) == ["flower", "temple"]


def test_wrong_folders_of_unknown_images_are_one_line(tmp_path, photos, capsys) -> None:
    def error(*changes: str) -> str:
        assert run(data, tmp_path, *changes) == 2
        (line,) = capsys.readouterr().err.splitlines()
        return line.removeprefix("dnll: error: ")

    data = tmp_path / "data"
    write_open_set(data, photos)
    (data / "labeled/_unknown").mkdir()
    assert error().startswith(f"data_dir: {data}/labeled/_unknown: images of no class belong into")
    (data / "labeled/_unknown").rmdir()
    for file in (data / "test/_unknown").rglob("*.jpg"):
        file.unlink()
    assert error().startswith(f"data_dir: {data}/test/_unknown holds no image: ")
    for name in ("flower", "temple"):
        (data / "test" / name).rename(data / name)
    assert error().startswith(f"data_dir: {data}/test has 0 class folders: ")


def test_images_that_all_have_a_class_are_not_for_an_open_set_algorithm(
    tmp_path, photos, capsys
) -> None:
    write_tree(tmp_path / "data", photos)
    assert run(tmp_path / "data", tmp_path, "algorithm=openmatch", "num_labels=8") == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "none; put unlabeled images into unlabeled/ beside labeled/, or take another" in line


def test_what_a_run_without_a_step_left_behind_is_not_of_the_next(
    tmp_path, photos, monkeypatch
) -> None:
    write_tree(tmp_path / "data", photos)
    left = tmp_path / "out" / "run"
    left.mkdir(parents=True)
    (left / "value_ranges.json").write_text('{"integers": [0, 4095]}')
    (left / "parts.json").write_text('{"test": ["temple/00.jpg"]}')
    assert run(tmp_path / "data", tmp_path / "out", "num_labels=8", "test_share=0.3") == 0
    assert not (left / "value_ranges.json").exists()
    assert len(json.loads((left / "parts.json").read_text())["test"]) == 12
