"""``dnll completion``: the script by which a shell completes commands, options and files."""

import argparse

from dnll_plugin.errors import InputError

SHELLS = ("bash", "zsh")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options of ``dnll completion``."""
    parser.add_argument("shell", choices=SHELLS, help="shell that the script is for")


def run(options: argparse.Namespace) -> int:
    """Prints the script.

    Raises:
        InputError: The package that writes it is not installed.
    """
    try:
        import shtab
    except ImportError as error:
        raise InputError(
            "completion: needs shtab: pip install 'dnll-plugin[completion]'"
        ) from error

    from dnll_plugin.commands.main import COMMANDS, make_parser

    parser, commands = make_parser({command.name for command in COMMANDS})
    files = {"DIR": shtab.DIRECTORY, "FILE": shtab.FILE, "PATH": shtab.FILE}
    for command in commands.values():
        for action in command._actions:  # argparse has no other way to ask
            if action.metavar in files:
                action.complete = files[action.metavar]  # type: ignore[attr-defined]
    print(shtab.complete(parser, options.shell))
    return 0
