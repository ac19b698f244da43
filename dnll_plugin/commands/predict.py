"""``dnll predict``: labels for images, or the classes ruled out, from a trained run."""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from dnll_plugin.commands.options import add_model_options, add_plugin_option
from dnll_plugin.commands.output import find_images, output
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.rows import FORMATS, SEPARATOR
from dnll_plugin.prediction.run import read_run
from dnll_plugin.prediction.selection import check_plugin, choose_submodel
from dnll_plugin.toolbox.plugins import import_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll predict``."""
    parser.add_argument("--run", required=True, metavar="DIR", help="run folder of dnll train")
    parser.add_argument("--images", required=True, metavar="DIR", help="folder of images")
    parser.add_argument(
        "--out", required=True, metavar="FILE", help="what to write, .csv or .jsonl by its ending"
    )
    parser.add_argument(
        "--threshold",
        type=float,
        default=0.9,
        metavar="P",
        help="confidence below which the classes that are ruled out are listed (0.9)",
    )
    add_model_options(parser)
    parser.add_argument(
        "--montage", metavar="FILE", help="picture of the most and the least confident images"
    )
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="images a batch")
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_plugin_option(parser)


def run(options: argparse.Namespace) -> int:
    """Predicts, and returns the exit code.

    Raises:
        InputError: If an option, the run folder or the images are wrong.
    """
    logging.captureWarnings(True)
    check_numbers(options.threshold, options.batch_size)
    out = output("--out", options.out, tuple(FORMATS), options.overwrite)
    montage = None
    if options.montage is not None:
        montage = output("--montage", options.montage, (".png",), options.overwrite)
    if options.plugin is not None:
        import_plugins(options.plugin)
    trained = read_run(Path(options.run), options.weights)
    check_plugin(options.plugin, trained)
    check_names(out, trained.classes)
    submodel = choose_submodel(options.submodel, trained)
    root = Path(options.images)
    files = find_images(root)

    from dnll_plugin.prediction.montage import draw
    from dnll_plugin.prediction.net import load_net
    from dnll_plugin.prediction.work import Request, predict, print_summary
    from dnll_plugin.training import device as devices

    console = Console()
    device = devices.select_device(options.device)
    net = load_net(trained, submodel, device)
    model = f"{submodel} of {options.run} with its {options.weights} weights"
    console.print(f"{model} on {device}: {len(files):,} images")
    request = Request(root, out, options.threshold, options.batch_size)
    summary = predict(net, trained, files, request, console)
    if montage is not None:
        draw(summary.extremes, root, montage, trained.ranges)
    print_summary(summary, request, console)
    return 0


def check_numbers(threshold: float, batch_size: int) -> None:
    """Checks what the parser cannot.

    Raises:
        InputError: If one of them is out of its range.
    """
    if not 0 < threshold <= 1:
        raise InputError(f"--threshold: must be above 0 and at most 1, got {threshold}")
    if batch_size < 1:
        raise InputError(f"--batch_size: must be at least 1, got {batch_size}")


def check_names(out: Path, classes: Sequence[str]) -> None:
    """Checks that the names of the classes can be told apart in the output.

    Raises:
        InputError: If a name holds what separates names in CSV.
    """
    if out.suffix == ".csv" and any(SEPARATOR in name for name in classes):
        raise InputError(
            f"--out {out}: the name of a class holds {SEPARATOR!r}, which separates names in CSV; "
            "write a .jsonl file"
        )
