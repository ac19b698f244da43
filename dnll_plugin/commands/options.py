"""Options that several commands have."""

import argparse

from dnll_plugin.prediction.run import WEIGHTS


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Declares ``--plugin my_module``, code of the user's own that is imported first."""
    parser.add_argument(
        "--plugin",
        metavar="MODULE",
        help="module with algorithms, nets, data sets or samplers of your own, imported first; "
        "several are separated by commas",
    )


def add_model_options(parser: argparse.ArgumentParser, device: bool = True) -> None:
    """Declares which model of a run is taken, and where it works if that is a choice."""
    parser.add_argument(
        "--submodel",
        metavar="NAME",
        help="ensemble (default), left or right of a pair; teacher (default) or student",
    )
    parser.add_argument(
        "--weights",
        choices=tuple(WEIGHTS),
        default="last",
        help="last (default): those whose error the run reports; best: of its best evaluation, "
        "which was chosen on its validation images or, without any, on its test images",
    )
    if device:
        parser.add_argument(
            "--device", default="auto", metavar="D", help="auto (default), cpu, cuda or mps"
        )


def add_set_option(
    parser: argparse.ArgumentParser, help: str = "settings that beat the file's; may be repeated"
) -> None:
    """Declares ``--set key=value …``, which may be given more than once."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help=help
    )
