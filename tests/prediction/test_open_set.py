"""Images of no class: the score of a run's algorithm is the one that its evaluation measures."""

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

import dnll_plugin
from dnll_plugin.commands.main import main
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.net import load_net
from dnll_plugin.prediction.open_set import find_threshold, score_test_images
from dnll_plugin.prediction.run import TrainedRun, read_run
from dnll_plugin.prediction.tested_images import has_unknown, load_test_images

SHORT = [
    *("num_train_iter=8", "epoch=2", "num_eval_iter=8", "num_log_iter=8", "batch_size=12"),
    *("uratio=1", "img_size=8", "eval_batch_size=64", "net=cnn3", "lr=0.1", "ema_m=0.5"),
]
OPEN_SET = ["num_classes=6", "num_labels=12", "ood_classes=4", "ulb_ood=0.3"]
Train = Callable[..., Path]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory) -> Train:
    """Trains on digits, once for each list of settings."""
    runs: dict[tuple[str, ...], Path] = {}

    def run(*changes: str) -> Path:
        if changes not in runs:
            folder = tmp_path_factory.mktemp("runs")
            words = ["--save_dir", str(folder), "--save_name", "run", "--set", *SHORT, *changes]
            assert main(["train", "--c", "dnll_digits_20", *words]) == 0
            runs[changes] = folder / "run"
        return runs[changes]

    return run


def load_with_heads(folder: Path) -> tuple[torch.nn.Module, TrainedRun]:
    run = read_run(folder)
    return load_net(run, run.submodels[0], torch.device("cpu"), with_heads=True), run


STRONG = ("ulb_views=weak_strong", "negative_sampling=null")


@pytest.mark.parametrize(
    ("changes", "measured"),
    [
        (("algorithm=fixmatch",), "confidence_auroc"),
        (("algorithm=iomatch",), "own_auroc"),
        (("algorithm=openmatch",), "own_auroc"),
        (("algorithm=dnll_fixmatch",), "own_auroc"),
        (("algorithm=dnll_meanteacher", *STRONG), "own_auroc"),
        (("algorithm=dnll_dual", *STRONG), "ensemble_own_auroc"),
        (("algorithm=dnll_dual",), "ensemble_confidence_auroc"),
    ],
)
def test_the_score_is_the_one_that_the_runs_evaluation_measured(train, changes, measured) -> None:
    folder = train(*changes, *OPEN_SET)
    scores = score_test_images(*load_with_heads(folder), 64)
    assert (len(scores.known), len(scores.unknown)) == (300, 200)
    both = torch.cat([scores.known, scores.unknown])
    area = roc_auc_score(np.repeat([0, 1], [300, 200]), both)
    result = json.loads((folder / "result.json").read_text())
    assert area == pytest.approx(result[measured] / 100, abs=2e-4)


@pytest.mark.parametrize("share", [0.0034, 0.05, 0.5, 0.999])
def test_at_most_the_share_of_the_runs_images_is_above(train, share: float) -> None:
    threshold, scores = find_threshold(
        *load_with_heads(train("algorithm=fixmatch", *OPEN_SET)), share, 64
    )
    number = int((scores.known > threshold).sum())
    assert share * 300 - 1 < number <= share * 300  # no two of these scores are equal
    told = scores.describe(threshold)
    assert told.startswith(f"{number} of 300 ({number / 300:.1%}) test images of the classes have")
    assert told.endswith("%) of no class")


@pytest.mark.parametrize(
    ("share", "message"),
    [
        (0, "--unknown_share: must be above 0 and below 1, got 0"),
        (1, "--unknown_share: must be above 0 and below 1, got 1"),
        (float("nan"), "--unknown_share: must be above 0 and below 1, got nan"),
        (
            0.003,
            "--unknown_share 0.003: is less than one of the run's 300 test images of its classes; "
            "give at least 0.003334, or --unknown_above",
        ),
    ],
)
def test_a_share_that_cannot_be(train, share: float, message: str) -> None:
    trained = dnll_plugin.load(train("algorithm=fixmatch", *OPEN_SET), device="cpu")
    with pytest.raises(InputError) as caught:
        trained.find_threshold(share)
    assert str(caught.value) == message


@pytest.mark.parametrize("algorithm", ["fixmatch", "iomatch"])
def test_the_net_in_python_says_what_the_command_writes(train, tmp_path, algorithm: str) -> None:
    folder, images, out = train(f"algorithm={algorithm}", *OPEN_SET), tmp_path / "i", tmp_path / "o"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (20, 8, 8), dtype=np.uint8)
    for number, pixels in enumerate(noise):
        Image.fromarray(pixels).save(images / f"{number:02}.png")
    words = ["--run", str(folder), "--images", str(images), "--out", str(out), "--format", "csv"]
    assert main(["predict", *words, "--unknown_share", "0.5"]) == 0
    rows = list(csv.DictReader(out.open()))
    trained = dnll_plugin.load(folder, device="cpu")
    threshold = trained.find_threshold(0.5)
    found = trained.predict_open_set(sorted(images.iterdir()), threshold, batch_size=7)
    assert found.labels == [row["label"] for row in rows]
    assert [str(known).lower() for known in found.known.tolist()] == [row["known"] for row in rows]
    told = [float(row["unknown_score"]) for row in rows]
    np.testing.assert_allclose(found.unknown_scores, told, rtol=1e-4)
    torch.testing.assert_close(trained.predict(sorted(images.iterdir()))[1], found.probabilities)
    nothing = trained.predict_open_set([], threshold)
    assert nothing.labels == []
    assert nothing.known.shape == nothing.unknown_scores.shape == (0,)


def test_a_run_without_unknown_test_images_has_known_ones(train) -> None:
    net, run = load_with_heads(train("algorithm=fixmatch", "num_labels=20"))
    assert not has_unknown(run)
    scores = score_test_images(net, run, 64)
    assert (len(scores.known), len(scores.unknown)) == (500, 0)
    assert scores.describe(1.0) == "0 of 500 (0.0%) test images of the classes have"


# ---- own images ----


def write_classes(root: Path, number: int) -> None:
    for name in ("ant", "bee"):
        (root / name).mkdir(parents=True, exist_ok=True)
        for index in range(number):
            noise = np.random.RandomState(index).randint(0, 256, (8, 8, 3), dtype=np.uint8)
            Image.fromarray(noise).save(root / name / f"{index:02}.png")


def write_run(make_run: Callable[..., Path], data: Path, **changes: Any) -> TrainedRun:
    settings = {"algorithm": "fixmatch", "num_classes": 2, "num_labels": 4, "data_dir": data}
    return read_run(make_run(None, **{**settings, **changes}))


def test_test_images_are_those_of_test_and_the_unknown_ones_beside(make_run, tmp_path) -> None:
    for part, number in (("labeled", 3), ("unlabeled", 4), ("test", 5)):
        write_classes(tmp_path / part, number)
    write_classes(tmp_path / "test" / "_unknown", 6)
    run = write_run(make_run, tmp_path)
    assert has_unknown(run)
    known, unknown = load_test_images(run)
    assert (len(known), len(unknown)) == (10, 12)
    assert known[0]["x_lb"].shape == (3, 8, 8)


def test_images_that_came_later_would_be_cut_off_and_are_refused(make_run, tmp_path) -> None:
    data = tmp_path / "data"
    write_classes(data, 20)
    run = write_run(make_run, data, test_share=0.3)
    cut = [f"{name}/{k:02}.png" for name in ("ant", "bee") for k in range(6)]
    (run.config_file.parent / "parts.json").write_text(json.dumps({"test": cut}))
    with pytest.raises(InputError, match="have changed since the run"):
        load_test_images(run)
    made = [path.removeprefix(f"{data}/") for path in find_cut(run)]
    (run.config_file.parent / "parts.json").write_text(json.dumps({"test": made}))
    known, unknown = load_test_images(run)
    assert len(known) == 12
    assert unknown is None


def find_cut(run: TrainedRun) -> list[str]:
    """The files that the settings of a run cut off for the test."""
    from dnll_plugin.datasets.imagefolder import build
    from dnll_plugin.settings.resolve import resolve

    settings = resolve(run.config_file)
    *_, test = build(settings.namespace(), "fixmatch", "imagefolder", 4, 2, settings.data_dir)
    return list(test.data)


@pytest.mark.parametrize(("dataset", "classes"), [("imagefolder", 2), ("mnist", 10)])
def test_data_that_is_gone_is_named_and_not_downloaded(
    make_run, tmp_path, dataset: str, classes: int
) -> None:
    gone = tmp_path / "gone"
    run = write_run(make_run, gone, dataset=dataset, num_classes=classes, num_labels=10)
    net = load_net(run, "model", torch.device("cpu"))
    with pytest.raises(InputError) as caught:
        find_threshold(net, run, 0.05, 64)
    message = str(caught.value)
    assert message.startswith("--unknown_share: needs the run's test images, which cannot be had (")
    assert str(gone) in message
    assert message.endswith("; give --unknown_above, a threshold of your own, instead")
    assert not gone.exists()
