"""``dnll evaluate``: how good a trained net is on images whose class is known."""

import argparse
import json
import logging
import math
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from dnll_plugin.commands.options import add_model_options, add_plugin_option
from dnll_plugin.commands.output import make_output_folder
from dnll_plugin.errors import InputError
from dnll_plugin.escaping import for_terminal
from dnll_plugin.files import write_text
from dnll_plugin.prediction.parts import PARTS, read_part
from dnll_plugin.prediction.run import read_run
from dnll_plugin.prediction.selection import check_plugin, choose_submodel
from dnll_plugin.toolbox.plugins import import_plugins

if TYPE_CHECKING:  # the options are checked before torch is imported
    from dnll_plugin.prediction.evaluation import Evaluation

JSON = "evaluation.json"
PICTURES = ("confusion_matrix.png", "accuracy_by_class.png", "calibration.png")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll evaluate``."""
    parser.add_argument("--run", required=True, metavar="DIR", help="run folder of dnll train")
    parser.add_argument(
        "--images", required=True, metavar="DIR", help="folder with a folder of images a class"
    )
    parser.add_argument(
        "--part",
        choices=PARTS,
        help="only the images that the run cut off its training folder for test or validation",
    )
    parser.add_argument(
        "--out", required=True, metavar="DIR", help=f"folder for {JSON} and the pictures"
    )
    add_model_options(parser)
    parser.add_argument("--batch_size", type=int, default=256, metavar="N", help="images a batch")
    parser.add_argument("--overwrite", action="store_true", help="replace what is in --out")
    add_plugin_option(parser)


def run(options: argparse.Namespace) -> int:
    """Evaluates, writes the files and prints the rates.

    Raises:
        InputError: If an option, the run folder or the images are wrong.
    """
    logging.captureWarnings(True)
    if options.batch_size < 1:
        raise InputError(f"--batch_size: must be at least 1, got {options.batch_size}")
    out = Path(options.out)
    held = [name for name in (JSON, *PICTURES) if (out / name).exists()]
    if held and not options.overwrite:
        raise InputError(
            f"--out {out}: holds {held[0]} already; give --overwrite or another folder"
        )
    if options.plugin is not None:
        import_plugins(options.plugin)
    trained = read_run(Path(options.run), options.weights)
    check_plugin(options.plugin, trained)
    submodel = choose_submodel(options.submodel, trained)
    part = None if options.part is None else read_part(trained, options.part)

    from dnll_plugin.prediction import evaluation, evaluation_pictures
    from dnll_plugin.prediction.net import load_net
    from dnll_plugin.training.device import select_device

    images = evaluation.find_labeled(Path(options.images), trained.classes)
    if part is not None:
        images = evaluation.take_part(images, part)
    make_output_folder("--out", out)
    net = load_net(trained, submodel, select_device(options.device))
    result = evaluation.evaluate(net, trained, images, options.batch_size)
    about = {"run": str(options.run), "submodel": submodel, "weights": options.weights}
    if options.part is not None:
        about["part"] = options.part
    text = json.dumps({**about, **result.summary()}, indent=2, ensure_ascii=False)
    write_text(out / JSON, f"{text}\n")
    evaluation_pictures.draw(result, out)
    print_rates(result, out, Console())
    return 0


def print_rates(result: "Evaluation", out: Path, console: Console) -> None:
    """Prints the rates: of all images, and of the classes, the worst first."""

    def say(text: str) -> None:
        console.print(for_terminal(text), markup=False, highlight=False, soft_wrap=True)

    error, calibration = result.error_rate, 100 * result.calibration_error
    say(f"{result.images:,} images, error {error:.2f}%, calibration error {calibration:.2f}%")
    rates = list(zip(result.recall.tolist(), result.classes, strict=True))
    worst = sorted((rate, name) for rate, name in rates if not math.isnan(rate))[:10]
    say("accuracy: " + ", ".join(f"{name} {100 * rate:.1f}%" for rate, name in worst))
    empty = [name for rate, name in rates if math.isnan(rate)]
    if empty:
        say(f"no images of {', '.join(empty)}")
    if result.broken:
        file, reason = result.broken[0]
        say(f"left out {len(result.broken):,} that cannot be read, as {file} ({reason})")
    say(f"see {out}")
