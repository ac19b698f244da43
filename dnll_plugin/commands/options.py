"""Options that several commands have."""

import argparse


def add_plugin_option(parser: argparse.ArgumentParser) -> None:
    """Declares ``--plugin my_module``, code of the user's own that is imported first."""
    parser.add_argument(
        "--plugin",
        metavar="MODULE",
        help="module with algorithms, nets, data sets or samplers of your own, imported first; "
        "several are separated by commas",
    )


def add_set_option(
    parser: argparse.ArgumentParser, help: str = "settings that beat the file's; may be repeated"
) -> None:
    """Declares ``--set key=value …``, which may be given more than once."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help=help
    )
