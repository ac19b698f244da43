"""The images that a run cut off for test or validation, and so never trained on."""

import json

from dnll_plugin.errors import InputError
from dnll_plugin.prediction.run import TrainedRun
from dnll_plugin.runs.folder import RunFolder

PARTS = ("test", "val")


def read_part(run: TrainedRun, part: str) -> frozenset[str]:
    """The images of a part, relative to the folder of the classes that the run was trained on.

    Args:
        run: the run.
        part: one of `PARTS`.

    Raises:
        InputError: The run cut off none for it, or its list cannot be read.
    """
    file = RunFolder(run.config_file.parent).parts
    if not file.exists():
        raise InputError(
            f"--part {part}: the run cut off no images, so there is no {file}: leave --part out "
            "and give the folder of the images"
        )
    try:
        parts = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: is no JSON; take the file that the run wrote") from error
    names = parts.get(part, []) if isinstance(parts, dict) else None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise InputError(f"{file}: is no list of images; take the file that the run wrote")
    if not names:
        raise InputError(f"--part {part}: the run cut off no images for it; see {file}")
    return frozenset(names)
