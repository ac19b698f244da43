"""What to say where the toolbox cannot read one of its data sets: which files are missing."""

from pathlib import Path

from dnll_plugin.datasets.table import DATASETS, DataSet
from dnll_plugin.errors import InputError


def find_missing_files(dataset: str, data_dir: str) -> tuple[Path, list[str]]:
    """The folder of a data set, and the names of the files that are not there.

    Args:
        dataset: Its name.
        data_dir: The folder of all data sets.
    """
    row = DATASETS.get(dataset, DataSet())
    folder = Path(data_dir) / (row.folder or dataset)
    return folder, [name for name in row.files if not (folder / name).exists()]


def explain_loading_error(dataset: str, data_dir: str, error: Exception) -> InputError:
    """What to raise when the toolbox could not load a data set.

    Args:
        dataset: Its name.
        data_dir: The folder of all data sets.
        error: What happened: a missing file, or a download that failed.

    Returns:
        An error that names the folder and the files that are missing there.
    """
    folder, missing = find_missing_files(dataset, data_dir)
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
