"""The image files below a folder: which, in what order, and how many names are held."""

import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnll_plugin.datasets import listing
from dnll_plugin.datasets.listing import image_suffixes, iterate_images
from dnll_plugin.errors import InputError


def make(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_hidden_files_and_other_suffixes_are_passed_over(tmp_path: Path) -> None:
    make(tmp_path, ".hidden.png", ".cache/a.png", "notes.txt", "a.PNG", "b.tiff", "c.webp")
    assert list(iterate_images(tmp_path)) == ["a.PNG", "b.tiff", "c.webp"]
    assert {".jpg", ".gif", ".ppm"} <= image_suffixes()


part = st.sampled_from(["a", "a-", "a.", "a0", "b", "é"])
paths = st.lists(st.lists(part, min_size=1, max_size=3), min_size=1, max_size=12)


@given(paths=paths, block=st.integers(1, 5))
def test_paths_are_sorted_whatever_is_held(
    paths: list[list[str]], block: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("tree")
    make(root, *(f"{'/'.join(path)}.png" for path in paths))
    expected = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(listing, "BLOCK", block)
        assert list(iterate_images(root)) == expected


def test_links_are_followed_but_not_in_circles(tmp_path: Path) -> None:
    make(tmp_path, "all/a.png", "other/b.png")
    (tmp_path / "all" / "back").symlink_to(tmp_path / "all")
    (tmp_path / "all" / "there").symlink_to(tmp_path / "other")
    (tmp_path / "all" / "nowhere.png").symlink_to(tmp_path / "nothing")
    assert list(iterate_images(tmp_path / "all")) == ["a.png", "nowhere.png", "there/b.png"]


def test_a_folder_that_is_not_there_has_no_images(tmp_path: Path) -> None:
    assert list(iterate_images(tmp_path / "nowhere")) == []


def test_a_folder_that_cannot_be_read_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(tmp_path, "secret/a.png")
    whole = os.scandir

    def scandir(folder: Path) -> object:
        if folder.name == "secret":  # as root, which tests may run as, reads any
            raise PermissionError(13, "Permission denied")
        return whole(folder)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(InputError, match=r"secret: cannot be read \(Permission denied\)"):
        list(iterate_images(tmp_path))


@pytest.mark.parametrize("images", [4_000, pytest.param(20_000, marks=pytest.mark.slow)])
def test_no_more_than_a_block_of_names_is_held(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, images: int
) -> None:
    for number in range(images):
        (tmp_path / f"{number:08}.png").touch()
    monkeypatch.setattr(listing, "BLOCK", 500)
    tracemalloc.start()
    try:
        assert sum(1 for _ in iterate_images(tmp_path)) == images
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 500 * 300  # bytes: a name, its place in the heap and its key
