"""``dnll predict`` on run folders with untrained nets, the errors, and the files it writes."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dnll_plugin.commands.main import main
from dnll_plugin.nets.lookup import find_builder
from dnll_plugin.prediction.net import build_net, load_net, select_weights
from dnll_plugin.prediction.run import read_run
from dnll_plugin.runs.folder import BEST, LATEST
from dnll_plugin.training import checkpoint

CLASSES = {"ant", "bee", "cat"}


@pytest.fixture
def images(tmp_path):
    """Five images in two folders, of several sizes and modes, and one that is none."""
    root = tmp_path / "images"
    (root / "more").mkdir(parents=True)
    noise = np.random.RandomState(0).randint(0, 256, (6, 20, 30, 3), dtype=np.uint8)
    for index, name in enumerate(["a.png", "b.jpg", "more/c.png", "more/d.bmp"]):
        Image.fromarray(noise[index]).save(root / name)
    Image.fromarray(noise[4, :9, :7, 0]).save(root / "gray.png")
    (root / "bad.png").write_bytes(b"no image")
    return root


def predict(run, images, out, *options):
    return main(
        ["predict", "--run", str(run), "--images", str(images), "--out", str(out), *options]
    )


def describe_rows(out):
    with out.open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_every_image_gets_a_label_and_broken_ones_are_named(make_run, images, tmp_path, capsys):
    out, montage = tmp_path / "o.csv", tmp_path / "m.png"
    options = ("--batch_size", "2", "--montage", str(montage), "--threshold", "0.99999")
    assert predict(make_run(), images, out, *options) == 0
    rows = describe_rows(out)
    assert [row["file"] for row in rows] == [
        "a.png",
        "b.jpg",
        "gray.png",
        "more/c.png",
        "more/d.bmp",
    ]
    assert {row["label"] for row in rows} <= CLASSES
    told = capsys.readouterr().out
    assert "5 labels in" in told
    assert "left out 1 that cannot be read:" in told
    assert "bad.png (cannot identify" in told
    with Image.open(montage) as picture:
        assert picture.format == "PNG"


def test_strict_images_refuse_a_broken_one(make_run, images, tmp_path, capsys):
    assert predict(make_run(strict_images=True), images, tmp_path / "o.csv") == 2
    assert "bad.png" in capsys.readouterr().err
    assert not (tmp_path / "o.csv").exists()


def test_batches_do_not_matter_and_json_lines_hold_the_same(make_run, images, tmp_path):
    run = make_run()
    for name, size in (("one.csv", "1"), ("all.csv", "9"), ("all.jsonl", "9")):
        assert predict(run, images, tmp_path / name, "--batch_size", size) == 0
    assert describe_rows(tmp_path / "one.csv") == describe_rows(tmp_path / "all.csv")
    lines = (tmp_path / "all.jsonl").read_text().splitlines()
    assert [json.loads(line)["label"] for line in lines] == [
        row["label"] for row in describe_rows(tmp_path / "all.csv")
    ]


def test_files_and_folders_are_named_as_they_are_given(make_run, images, tmp_path, monkeypatch):
    run, out = make_run(), tmp_path / "o.csv"
    (images / "no_suffix").write_bytes((images / "a.png").read_bytes())
    assert predict(run, images / "b.jpg", out) == 0
    assert [row["file"] for row in describe_rows(out)] == [str(images / "b.jpg")]
    monkeypatch.chdir(tmp_path)
    given = ("images/no_suffix", "images/more", "--images", str(images / "b.jpg"), "--overwrite")
    assert predict(run, "images/a.png", out, "--images", *given) == 0
    named = [row["file"] for row in describe_rows(out)]
    of_folder = ["images/more/c.png", "images/more/d.bmp"]
    assert named == ["images/a.png", "images/no_suffix", *of_folder, str(images / "b.jpg")]


@pytest.mark.parametrize("workers", ["0", "2"])
def test_workers_change_neither_rows_nor_their_order(make_run, images, tmp_path, workers):
    run, out = make_run(), tmp_path / f"{workers}.csv"
    assert predict(run, images, out, "--workers", workers, "--batch_size", "2") == 0
    expected = ["a.png", "b.jpg", "gray.png", "more/c.png", "more/d.bmp"]
    assert [row["file"] for row in describe_rows(out)] == expected


def test_probabilities_of_every_class(make_run, images, tmp_path):
    run, out = make_run(), tmp_path / "rows"
    assert predict(run, images, out, "--format", "jsonl", "--probabilities") == 0
    for line in out.read_text().splitlines():
        row = json.loads(line)
        every = {name: row[f"p_{name}"] for name in sorted(CLASSES)}
        assert sum(every.values()) == pytest.approx(1, abs=2e-6)
        assert max(every, key=every.get) == row["label"]
        assert max(every.values()) == pytest.approx(row["confidence"], abs=6e-5)


def test_images_of_extreme_shape_and_names_that_are_no_text(make_run, tmp_path, capsys):
    root, picture, out = tmp_path / "images", tmp_path / "m.png", tmp_path / "o.jsonl"
    root.mkdir()
    names = ["=1+1.png", "a\nb.png", b"\xff.png".decode(errors="surrogateescape"), "$x_{.png"]
    sizes = [(1, 6000), (6000, 1), (1, 1), (100_000, 2)]
    for name, size in zip(names, sizes, strict=True):
        Image.new("RGB", size, "red").save(root / name)
    (root / "bad\r.png").touch()
    assert predict(make_run(), root, out, "--montage", str(picture)) == 0
    assert {json.loads(line)["file"] for line in out.read_text().splitlines()} == set(names)
    assert "    bad\\r.png (cannot identify" in capsys.readouterr().out
    assert picture.exists()


def test_submodels_of_a_pair(make_run):
    run = read_run(make_run())
    x, cpu = torch.randn(2, 3, 8, 8), torch.device("cpu")
    logits = {name: load_net(run, name, cpu)(x)["logits"] for name in run.submodels}
    assert list(logits) == ["ensemble", "left", "right"]
    torch.testing.assert_close(logits["ensemble"], (logits["left"] + logits["right"]) / 2)


def test_the_teacher_has_the_averaged_weights_and_the_student_its_own(make_run):
    run = read_run(make_run(algorithm="dnll_meanteacher"))
    state = checkpoint.read(run.checkpoint)
    for name, key in (("teacher", "ema_model"), ("student", "model")):
        weights = load_net(run, name, torch.device("cpu")).state_dict()
        assert all(torch.equal(weights[part], state[key][part]) for part in weights)


def test_what_an_algorithm_put_around_the_net_is_left_out():
    weights = {"backbone.fc.weight": torch.ones(1), "head.weight": torch.zeros(1)}
    assert select_weights(weights) == {"fc.weight": torch.ones(1)}
    assert select_weights({"fc.weight": torch.ones(1)}) == {"fc.weight": torch.ones(1)}


def test_a_run_of_shrinkmatch_predicts_without_its_auxiliary_head(make_run):
    folder = make_run(algorithm="shrinkmatch", net="cnn3")
    trained = find_builder("auxiliary_cnn3")(num_classes=3)
    weights = dict.fromkeys(("model", "ema_model"), trained.state_dict())
    checkpoint.write(weights, folder / LATEST)
    images = torch.randn(2, 3, 8, 8)
    predicted = load_net(read_run(folder), "model", torch.device("cpu"))(images)
    torch.testing.assert_close(predicted["logits"], trained.eval()(images)["logits"])


@pytest.mark.parametrize(
    ("dataset", "classes", "named"),
    [
        ("digits", None, "9"),
        ("cifar10", None, "truck"),
        ("imagefolder", [f"class {k}" for k in range(10)], "class 9"),
    ],
)
def test_classes_have_the_names_of_the_run_or_the_data_set(make_run, dataset, classes, named):
    run = read_run(make_run(classes, dataset=dataset, num_classes=10))
    assert run.classes[9] == named


def test_the_names_of_the_toolboxs_sets_are_as_many_as_their_classes():
    from dnll_plugin.datasets import DATASETS

    counts = {name: len(set(row.classes)) for name, row in DATASETS.items() if row.classes}
    assert all(len(DATASETS[name].classes) == count for name, count in counts.items())
    assert counts.pop("cifar100") == 100
    assert set(counts.values()) == {10}
    assert list(DATASETS["cifar100"].classes) == sorted(DATASETS["cifar100"].classes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--threshold", "0"], "--threshold: must be above 0"),
        (["--threshold", "nan"], "--threshold: must be above 0"),
        (["--batch_size", "0"], "--batch_size: must be at least 1"),
        (["--workers", "-1"], "--workers: must be at least 0"),
        (["--workers", "two"], "argument --workers: invalid int value: 'two'"),
        (["--format", "xlsx"], "argument --format: invalid choice: 'xlsx'"),
        (["--device", "tpu"], "device: tpu is not available on this machine"),
        (["--out", "o.txt"], "--out o.txt: must end in .csv, .jsonl or .parquet; or give"),
        (["--out", "/nowhere/o.csv"], "--out /nowhere/o.csv: the folder /nowhere does not exist"),
        (["--montage", "m.jpg"], "--montage m.jpg: must end in .png"),
        (
            ["--format", "csv", "--out", "o.png", "--montage", "./o.png"],
            "--montage o.png: is --out already",
        ),
        (["--submodel", "middle"], "--submodel: a run of dnll_dual has ensemble, left or right"),
        (["--images", "/nowhere"], "--images /nowhere: there is no such file or folder"),
        (["--run", "/nowhere"], "--run /nowhere: not a run folder"),
    ],
)
def test_wrong_options_are_one_line(make_run, images, tmp_path, capsys, options, message):
    assert predict(make_run(), images, tmp_path / "o.csv", *options) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"dnll: error: {message}")


def test_code_that_a_run_names_is_imported_only_when_the_user_names_it(
    make_run, images, tmp_path, capsys, monkeypatch
):
    (tmp_path / "stranger.py").write_text("open('imported', 'w').close()")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *sys.path])
    run = make_run(plugin="stranger")
    line = error_of(capsys, predict(run, images, tmp_path / "o.csv"))
    assert line.endswith("only imported when you say so: give --plugin stranger")
    assert not (tmp_path / "imported").exists()
    line = error_of(capsys, predict(run, images, tmp_path / "o.csv", "--plugin", "nowhere_at_all"))
    assert line.startswith("dnll: error: plugin: cannot import nowhere_at_all: there is no such")
    assert predict(run, images, tmp_path / "o.csv", "--plugin", "stranger") == 0
    assert (tmp_path / "imported").exists()


def error_of(capsys, code):
    assert code == 2
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_an_existing_file_is_not_replaced_unless_asked_for(make_run, images, tmp_path, capsys):
    run, out = make_run(), tmp_path / "o.csv"
    out.write_text("mine")
    assert "exists already; give --overwrite" in error_of(capsys, predict(run, images, out))
    assert out.read_text() == "mine"
    assert predict(run, images, out, "--overwrite") == 0
    assert len(describe_rows(out)) == 5


def test_a_device_stays_and_what_a_link_leads_to_is_written(make_run, images, tmp_path):
    run, null = make_run(), Path(os.devnull)
    assert predict(run, images, null, "--format", "csv") == 0
    assert null.is_char_device()
    link, target = tmp_path / "link.csv", tmp_path / "target.csv"
    target.write_text("old")
    link.symlink_to(target)
    assert predict(run, images, link) == 2
    assert predict(run, images, link, "--overwrite") == 0
    assert link.is_symlink()
    assert len(describe_rows(target)) == 5


def test_a_pipe_holds_the_rows_alone(make_run, images, tmp_path):
    command = [sys.executable, "-m", "dnll_plugin", "predict", "--run", str(make_run())]
    command += ["--images", str(images), "--out", "/dev/stdout", "--format", "jsonl"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert len([json.loads(line) for line in done.stdout.splitlines()]) == 5
    assert "images" in done.stderr


def test_the_last_weights_are_the_default_and_the_best_a_choice(make_run, images, tmp_path, capsys):
    run, out = make_run(), tmp_path / "o.csv"
    assert predict(run, images, out) == 0
    assert "with its last weights" in capsys.readouterr().out
    last = describe_rows(out)
    other = build_net(read_run(run)).state_dict()
    checkpoint.write({"model": other, "ema_model": other}, run / BEST)
    assert predict(run, images, out, "--overwrite") == 0
    assert describe_rows(out) == last
    assert predict(run, images, out, "--overwrite", "--weights", "best") == 0
    assert describe_rows(out) != last


def test_a_run_without_a_checkpoint(make_run, images, tmp_path, capsys):
    run = make_run()
    (run / LATEST).unlink()
    assert "has no checkpoint latest_model.pth: give --weights best, or go on" in error_of(
        capsys, predict(run, images, tmp_path / "o.csv")
    )
    (run / BEST).unlink()
    assert "has no checkpoint latest_model.pth: go on with the run by dnll train --resume" in (
        error_of(capsys, predict(run, images, tmp_path / "o.csv"))
    )


@pytest.mark.parametrize("change", ["net: cnn13", "num_classes: 4", "algorithm: fixmatch"])
def test_a_checkpoint_of_another_net(make_run, images, tmp_path, capsys, change):
    run = make_run(classes=None)
    key = change.partition(":")[0]
    lines = (run / "config.yaml").read_text().splitlines()
    kept = [change if line.startswith(f"{key}:") else line for line in lines]
    (run / "config.yaml").write_text("\n".join(kept))
    line = error_of(capsys, predict(run, images, tmp_path / "o.csv"))
    assert "the checkpoint is of another net than the" in line


def test_a_damaged_checkpoint(make_run, images, tmp_path, capsys):
    run = make_run()
    (run / LATEST).write_bytes(b"damaged")
    line = error_of(capsys, predict(run, images, tmp_path / "o.csv"))
    assert "is damaged; take --weights best" in line


def test_no_images_and_none_that_can_be_read(make_run, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    run, out = make_run(), tmp_path / "o.csv"
    assert "holds no images" in error_of(capsys, predict(run, tmp_path / "empty", out))
    (tmp_path / "empty" / "bad.png").touch()
    line = error_of(capsys, predict(run, tmp_path / "empty", out))
    assert "none of the 1 images can be read, as bad.png (" in line
    assert not out.exists()


def test_a_class_whose_name_cannot_stand_in_csv(make_run, images, tmp_path, capsys):
    run = make_run(["ant", "bee;wasp", "cat"])
    assert "write a .jsonl file" in error_of(capsys, predict(run, images, tmp_path / "o.csv"))
    assert predict(run, images, tmp_path / "o.jsonl") == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("num_workers", value) for value in ("x", -1, "[1]")),
        *(("crop_ratio", value) for value in (0, "wide", 2)),
        *(("img_size", value) for value in (0, "8.5", "null")),
        *(("num_classes", value) for value in (1, "three")),
        *(("algorithm", "[a]"), ("dataset", "[a, b]"), ("net", 3), ("net_right", "[x]")),
        *(("strict_images", "perhaps"), ("plugin", "[x]")),
    ],
)
def test_an_edited_config_is_checked_as_a_users_is(make_run, images, tmp_path, capsys, key, value):
    run = make_run()
    lines = (run / "config.yaml").read_text().splitlines()
    kept = [line for line in lines if not line.startswith(f"{key}:")]
    (run / "config.yaml").write_text("\n".join([*kept, f"{key}: {value}", ""]))
    assert predict(run, images, tmp_path / "out.csv") == 2
    error = capsys.readouterr().err
    assert error.startswith(f"dnll: error: {key}: ")
    assert "config.yaml line" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("content", ["", "{", "3", "[1, 2, 3]", '{"a": 1}', "[" * 10**5])
def test_names_that_are_none_are_refused(make_run, images, tmp_path, capsys, content):
    run = make_run()
    (run / "classes.json").write_text(content)
    assert predict(run, images, tmp_path / "out.csv") == 2
    error = capsys.readouterr().err
    assert "classes.json: is no" in error
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state.pop("ema_model"),
        lambda state: state.update(ema_model=3),
        lambda state: state.update(ema_model={}),
        lambda state: state.update(ema_model={1: next(iter(state["ema_model"].values()))}),
        lambda state: state["ema_model"].update(extra=3),
    ],
)
def test_a_checkpoint_without_weights_is_refused(make_run, images, tmp_path, capsys, change):
    run = make_run()
    state = checkpoint.read(run / LATEST)
    change(state)
    checkpoint.write(state, run / LATEST)
    assert predict(run, images, tmp_path / "out.csv") == 2
    error = capsys.readouterr().err
    assert f"{LATEST}: ema_model: " in error
    assert error.count("\n") == 1
