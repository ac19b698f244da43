"""``dnll predict``: labels for images, or the classes ruled out, from a trained run."""

import argparse
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from dnll_plugin.commands.options import add_model_options, add_plugin_option
from dnll_plugin.commands.output import output
from dnll_plugin.errors import InputError
from dnll_plugin.prediction.run import read_run
from dnll_plugin.prediction.selection import check_plugin, choose_submodel
from dnll_plugin.prediction.sources import find_images
from dnll_plugin.prediction.writers import FORMATS, SEPARATOR, choose_format
from dnll_plugin.toolbox.plugins import import_plugins


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll predict``."""
    parser.add_argument("--run", required=True, metavar="DIR", help="run folder of dnll train")
    parser.add_argument(
        "--images",
        required=True,
        nargs="+",
        action="extend",
        metavar="PATH",
        help="folders of images, or files",
    )
    parser.add_argument("--out", required=True, metavar="FILE", help="what to write")
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="of --out; by default its ending says it"
    )
    parser.add_argument(
        "--probabilities", action="store_true", help="write the probability of every class too"
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
        "--montage",
        metavar="FILE",
        help="picture of the most and the least confident images, and of some of each class",
    )
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="images a batch")
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read images (the run's num_workers); 0: none but this one",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace existing output")
    add_plugin_option(parser)


def run(options: argparse.Namespace) -> int:
    """Predicts, and returns the exit code.

    Raises:
        InputError: If an option, the run folder or the images are wrong.
    """
    logging.captureWarnings(True)
    check_numbers(options)
    out = output("--out", options.out, (), options.overwrite)
    form = choose_format(options.format, out)
    montage = None
    if options.montage is not None:
        montage = output("--montage", options.montage, (".png",), options.overwrite)
        check_different(out, montage)
    if options.plugin is not None:
        import_plugins(options.plugin)
    trained = read_run(Path(options.run), options.weights)
    if options.workers is not None:
        trained = replace(trained, num_workers=options.workers)
    check_plugin(options.plugin, trained)
    if form == "csv":
        check_names(out, trained.classes)
    submodel = choose_submodel(options.submodel, trained)
    sources = find_images(options.images)

    from dnll_plugin.prediction.montage import draw
    from dnll_plugin.prediction.net import load_net
    from dnll_plugin.prediction.work import Request, predict, print_summary
    from dnll_plugin.training import device as devices

    console = Console()
    device = devices.select_device(options.device)
    net = load_net(trained, submodel, device)
    images = sources.count()
    model = f"{submodel} of {options.run} with its {options.weights} weights"
    console.print(
        f"{model} on {device}: {images:,} images", markup=False, highlight=False, soft_wrap=True
    )
    request = Request(
        sources, images, out, form, options.threshold, options.probabilities, options.batch_size
    )
    summary = predict(net, trained, request, console)
    if montage is not None:
        draw(summary.examples, sources.root, montage, trained.ranges)
    print_summary(summary, request, console)
    return 0


def check_numbers(options: argparse.Namespace) -> None:
    """Checks what the parser cannot.

    Raises:
        InputError: If one of them is out of its range.
    """
    if not 0 < options.threshold <= 1:
        raise InputError(f"--threshold: must be above 0 and at most 1, got {options.threshold}")
    if options.batch_size < 1:
        raise InputError(f"--batch_size: must be at least 1, got {options.batch_size}")
    if options.workers is not None and options.workers < 0:
        raise InputError(f"--workers: must be at least 0, got {options.workers}")


def check_different(out: Path, montage: Path) -> None:
    """Checks that the picture does not replace the rows.

    Raises:
        InputError: If both are one file.
    """
    if out.resolve() == montage.resolve():
        raise InputError(f"--montage {montage}: is --out already; give another name")


def check_names(out: Path, classes: Sequence[str]) -> None:
    """Checks that the names of the classes can be told apart in CSV.

    Raises:
        InputError: If a name holds what separates names there.
    """
    if any(SEPARATOR in name for name in classes):
        raise InputError(
            f"--out {out}: the name of a class holds {SEPARATOR!r}, which separates names in CSV; "
            "write a .jsonl file"
        )
