"""Which images to predict: files and folders, listed anew whenever they are asked for.

Apart from what reads them, so that wrong names are told before torch is imported.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from dnll_plugin.datasets.listing import iterate_images
from dnll_plugin.errors import InputError


@dataclass(frozen=True)
class ImageSources:
    """Files and folders that somebody gave; iterating yields the names of their images.

    Nothing is kept, so that a million images take no more memory than ten.

    Attributes:
        given: at least one.
    """

    given: tuple[Path, ...]

    @property
    def root(self) -> Path:
        """What the names are relative to: the folder if there is one alone, else where we are."""
        return self.given[0] if len(self.given) == 1 and self.given[0].is_dir() else Path()

    def __iter__(self) -> Iterator[str]:
        for path in self.given:
            if path == self.root:
                yield from iterate_images(path)
            elif path.is_dir():
                yield from (f"{path.as_posix()}/{name}" for name in iterate_images(path))
            else:
                yield path.as_posix()

    def count(self) -> int:
        """The number of images."""
        return sum(1 for _ in self)


def find_images(given: Sequence[str]) -> ImageSources:
    """The images in some files and folders; a file counts whatever its suffix.

    Raises:
        InputError: If one of them is not there, or a folder holds no images.
    """
    for name in given:
        path = Path(name)
        if not path.exists():
            raise InputError(f"--images {path}: there is no such file or folder")
        if path.is_dir() and next(iterate_images(path), None) is None:
            raise InputError(f"--images {path}: holds no images")
    return ImageSources(tuple(map(Path, given)))
