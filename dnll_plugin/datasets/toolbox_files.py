"""Where the toolbox's own data sets look for their files, for an error that says so."""

from pathlib import Path

from dnll_plugin.errors import InputError

FILES: dict[str, tuple[str, tuple[str, ...]]] = {
    "cifar10": (
        "cifar10/cifar-10-batches-py",
        (*(f"data_batch_{batch}" for batch in range(1, 6)), "test_batch", "batches.meta"),
    ),
    "cifar100": ("cifar100/cifar-100-python", ("train", "test", "meta")),
    "svhn": ("svhn", ("train_32x32.mat", "extra_32x32.mat", "test_32x32.mat")),
    "stl10": ("stl10/stl10_binary", ("train_X.bin", "unlabeled_X.bin", "test_X.bin")),
    "eurosat": ("eurosat", ("eurosat_rgb",)),
    "tissuemnist": ("medmnist/tissuemnist", ("tissuemnist.npz",)),
    "semi_aves": ("semi_fgvc", ("semi_aves",)),
    "semi_aves_out": ("semi_fgvc", ("semi_aves",)),
    "semi_inat": ("semi_fgvc", ("semi_inat",)),
    "food101": ("food101", ("food-101",)),
    "imagenet": ("imagenet", ("train", "val")),
    "imagenet127": ("imagenet127", ("train", "val")),
}
"""Folder under ``data_dir`` and what has to be in it, by data set."""


def explain_loading_error(dataset: str, data_dir: str, error: Exception) -> InputError:
    """What to raise when the toolbox could not load a data set.

    Args:
        dataset: Its name.
        data_dir: The folder of all data sets.
        error: What happened: a missing file, or a download that failed.

    Returns:
        An error that names the folder and the files that are missing there.
    """
    folder_name, names = FILES.get(dataset, (dataset, ()))
    folder = Path(data_dir) / folder_name
    missing = [name for name in names if not (folder / name).exists()]
    reason = " ".join(str(error).split())
    if missing:
        return InputError(
            f"dataset {dataset}: {folder} has no {', '.join(missing)} and the download failed "
            f"({reason}): put them there or write the right data_dir"
        )
    return InputError(
        f"dataset {dataset}: the files in {folder} cannot be used ({reason}): put the original "
        "ones there or write the right data_dir"
    )
