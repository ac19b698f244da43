"""``dnll export``: a trained net as a file that runs without this package."""

import argparse
import logging
from itertools import islice
from pathlib import Path

from rich.console import Console

from dnll_plugin.commands.options import add_model_options, add_plugin_option
from dnll_plugin.commands.output import output
from dnll_plugin.errors import InputError
from dnll_plugin.files import is_pipe_or_device
from dnll_plugin.prediction.run import read_run
from dnll_plugin.prediction.selection import check_plugin, choose_submodel
from dnll_plugin.prediction.sources import find_images
from dnll_plugin.toolbox.plugins import import_plugins

NAMES = ("onnx", "pt2", "safetensors")
CHECKED = 16
"""Images that the file is compared with the net on."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll export``."""
    parser.add_argument("--run", required=True, metavar="DIR", help="run folder of dnll train")
    parser.add_argument("--format", required=True, choices=NAMES, help="what to write")
    parser.add_argument("--out", required=True, metavar="FILE", help="the file")
    parser.add_argument(
        "--images",
        metavar="DIR",
        help="folder of images on which the file is compared with the net; without, on noise",
    )
    add_model_options(parser, device=False)
    parser.add_argument("--overwrite", action="store_true", help="replace an existing file")
    add_plugin_option(parser)


def run(options: argparse.Namespace) -> int:
    """Writes the file, compares it with the net, and returns the exit code.

    Raises:
        InputError: If an option, the run folder or the images are wrong.
    """
    logging.captureWarnings(True)
    out = output("--out", options.out, (f".{options.format}",), options.overwrite)
    if is_pipe_or_device(out):
        raise InputError(f"--out {out}: is no file; it is read again to compare it with the net")
    if options.plugin is not None:
        import_plugins(options.plugin)
    trained = read_run(Path(options.run), options.weights)
    check_plugin(options.plugin, trained)
    submodel = choose_submodel(options.submodel, trained)
    sources = None if options.images is None else find_images([options.images])

    import torch

    from dnll_plugin.export.classifier import describe, make_classifier
    from dnll_plugin.export.formats import export
    from dnll_plugin.prediction.images import read_batch
    from dnll_plugin.prediction.net import load_net

    net = load_net(trained, submodel, torch.device("cpu"))
    classifier = make_classifier(net, trained)
    if sources is None:
        pixels = torch.rand(CHECKED, 3, trained.img_size, trained.img_size)
    else:
        images = read_batch(sources.root, list(islice(sources, CHECKED)), trained)
        pixels = images * classifier.std + classifier.mean
    description = describe(classifier, trained, submodel, options.weights)
    difference = export(classifier, pixels, description, options.format, out)
    sort = "images" if sources else "images of noise"
    console = Console()
    console.print(
        f"{out}: {submodel} of {options.run} with its {options.weights} weights; on {len(pixels)} "
        f"{sort} no probability differs from the net's by more than {difference:.1g}",
        highlight=False,
        markup=False,
        soft_wrap=True,
    )
    return 0
