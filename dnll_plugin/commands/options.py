"""Options that several commands have."""

import argparse


def add_set_option(
    parser: argparse.ArgumentParser, help: str = "settings that beat the file's; may be repeated"
) -> None:
    """Declares ``--set key=value …``, which may be given more than once."""
    parser.add_argument(
        "--set", nargs="+", action="extend", default=[], metavar="key=value", help=help
    )
