"""Images in batches: only as many are asked for, and only so much is held, as is needed."""

import itertools
import os
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image
from rich.console import Console

from dnll_plugin.datasets import listing
from dnll_plugin.prediction.images import batches
from dnll_plugin.prediction.net import load_net
from dnll_plugin.prediction.run import read_run
from dnll_plugin.prediction.sources import find_images
from dnll_plugin.prediction.work import Request, predict

MakeRun = Callable[..., Path]


@pytest.mark.parametrize("workers", [0, 2])
def test_names_are_asked_for_as_they_are_needed(
    make_run: MakeRun, tmp_path: Path, workers: int
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    asked = 0

    def names() -> Iterator[str]:
        nonlocal asked
        for _ in itertools.count():
            asked += 1
            yield "a.png"

    run = replace(read_run(make_run()), num_workers=workers)
    read = batches(tmp_path, names(), run, batch_size=3)
    taken = list(itertools.islice(read, 4))
    assert [batch.files for batch in taken] == [["a.png"] * 3] * 4
    assert asked <= 3 * (4 + 2 * workers)


@pytest.mark.slow
def test_more_images_take_no_more_memory(make_run: MakeRun, tmp_path: Path) -> None:
    run = read_run(make_run(algorithm="dnll_fixmatch"))
    net = load_net(run, "model", torch.device("cpu"))
    image = tmp_path / "image.png"
    Image.new("RGB", (8, 8)).save(image)

    def peak(images: int) -> int:
        folder = tmp_path / f"{images}"
        for number in range(images):
            part = folder / f"{number // 5_000}"
            part.mkdir(parents=True, exist_ok=True)
            os.link(image, part / f"{number:06}.png")
        sources, out = find_images([str(folder)]), tmp_path / f"{images}.csv"
        request = Request(sources, images, out, "csv", 0.9, True, 64)
        console = Console(quiet=True)
        console.print("so that what rich imports late does not count")
        tracemalloc.start()
        try:
            summary = predict(net, run, request, console)
            assert summary.labels.total() == images
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "BLOCK", 200)
        peak(100)  # what is made once, in caches say, does not count
        # less than a name takes; Python keeps some thousand freed tuples and numbers for later
        assert peak(20_000) < peak(1_000) + 20 * 19_000
