"""``dnll predict``: labels for images, or the classes ruled out, from a trained run."""

import argparse
import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dnll_plugin.commands.options import add_model_options, add_plugin_option
from dnll_plugin.commands.output import output
from dnll_plugin.errors import InputError
from dnll_plugin.files import is_pipe_or_device
from dnll_plugin.prediction.run import TrainedRun, read_run
from dnll_plugin.prediction.selection import check_plugin, check_share, choose_submodel
from dnll_plugin.prediction.sources import find_images
from dnll_plugin.prediction.writers import FORMATS, SEPARATOR, choose_format
from dnll_plugin.toolbox.plugins import import_plugins

if TYPE_CHECKING:  # the options are checked before torch is imported
    from torch.nn import Module


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
    add_unknown_options(parser)
    add_model_options(parser)
    parser.add_argument(
        "--montage",
        metavar="FILE",
        help="picture of the most and the least confident images, of some of each class, and of "
        "unknown ones",
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


def add_unknown_options(parser: argparse.ArgumentParser) -> None:
    """Declares from what score on an image is of none of the classes; one of the two ways."""
    either = parser.add_mutually_exclusive_group()
    either.add_argument(
        "--unknown_above",
        type=float,
        metavar="T",
        help="images whose unknown_score is above T, from 0 to 1, are of none of the classes: "
        "writes the columns known and unknown_score",
    )
    either.add_argument(
        "--unknown_share",
        type=float,
        metavar="S",
        help="the same with the T above which this share of the run's own test images of its "
        "classes is, 0.05 say",
    )


def run(options: argparse.Namespace) -> int:
    """Predicts, and returns the exit code.

    Raises:
        InputError: If an option, the run folder or the images are wrong.
    """
    logging.captureWarnings(True)
    check_numbers(options)
    out, form, montage = choose_files(options)
    trained = read_chosen_run(options)
    if form == "csv":
        check_names(out, trained.classes)
    submodel = choose_submodel(options.submodel, trained)
    sources = find_images(options.images)

    from dnll_plugin.prediction.montage import draw
    from dnll_plugin.prediction.net import load_net
    from dnll_plugin.prediction.work import Request, predict, print_summary
    from dnll_plugin.training import device as devices

    console = Console(stderr=is_pipe_or_device(out))  # which may be this stdout
    say = partial(console.print, markup=False, highlight=False, soft_wrap=True)
    device = devices.select_device(options.device)
    tells_unknown = {options.unknown_above, options.unknown_share} != {None}
    net = load_net(trained, submodel, device, with_heads=tells_unknown)
    images = sources.count()
    model = f"{submodel} of {options.run} with its {options.weights} weights"
    say(f"{model} on {device}: {images:,} images")
    request = Request(
        sources,
        images,
        out,
        form,
        options.threshold,
        options.probabilities,
        options.batch_size,
        choose_unknown_above(options, net, trained, say),
    )
    summary = predict(net, trained, request, console)
    if montage is not None:
        draw(summary.examples, sources.root, montage, trained.ranges)
    print_summary(summary, request, console)
    return 0


def choose_files(options: argparse.Namespace) -> tuple[Path, str, Path | None]:
    """The file to write, its format, and that of the picture if there is to be one.

    Raises:
        InputError: If one of them cannot be written.
    """
    out = output("--out", options.out, (), options.overwrite)
    form = choose_format(options.format, out)
    if options.montage is None:
        return out, form, None
    montage = output("--montage", options.montage, (".png",), options.overwrite)
    check_different(out, montage)
    return out, form, montage


def read_chosen_run(options: argparse.Namespace) -> TrainedRun:
    """The run, with the code and the workers that the user names.

    Raises:
        InputError: If it is none, or its code is not named.
    """
    if options.plugin is not None:
        import_plugins(options.plugin)
    trained = read_run(Path(options.run), options.weights)
    check_plugin(options.plugin, trained)
    workers = trained.num_workers if options.workers is None else options.workers
    return replace(trained, num_workers=workers, plugin=options.plugin)


def choose_unknown_above(
    options: argparse.Namespace, net: "Module", trained: TrainedRun, say: Callable[[str], None]
) -> float | None:
    """The score above which images are unknown, None where that is not asked.

    Says how many of the run's test images are above: where they decide the threshold, and where
    some are of no class.

    Raises:
        InputError: If the test images are to decide it and cannot.
    """
    above, share = options.unknown_above, options.unknown_share
    if above is None and share is None:
        return None

    from dnll_plugin.prediction.open_set import find_threshold, score_test_images
    from dnll_plugin.prediction.tested_images import has_unknown

    if share is not None:
        above, scores = find_threshold(net, trained, share, options.batch_size)
    elif has_unknown(trained):
        try:
            scores = score_test_images(net, trained, options.batch_size)
        except InputError as error:
            say(f"the run's test images do not tell how many are found: {error}")
            return above
    else:
        return above
    say(f"unknown: a score above {above}, which {scores.describe(above)}")
    return above


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
    if options.unknown_above is not None and not 0 <= options.unknown_above <= 1:
        raise InputError(f"--unknown_above: must be from 0 to 1, got {options.unknown_above}")
    if options.unknown_share is not None:
        check_share(options.unknown_share)


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
