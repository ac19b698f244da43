"""The ``dnll`` command: finds the subcommand, runs it, turns what goes wrong into one line.

A subcommand is a row of `COMMANDS` and a module with two functions,
``add_arguments(parser: argparse.ArgumentParser) -> None`` and
``run(options: argparse.Namespace) -> int`` (the exit code). The module is imported only when its
subcommand is chosen, so that ``dnll --help`` answers at once and ``dnll doctor`` runs where torch
or the toolbox is missing.
"""

import argparse
import importlib
import os
import select
import sys
import traceback
from collections.abc import Container, Sequence
from typing import Any, NamedTuple

from dnll_plugin import __version__
from dnll_plugin.errors import InputError, RunError
from dnll_plugin.escaping import for_terminal


class Command(NamedTuple):
    """One subcommand: what the user types, what ``--help`` says of it, the module that does it."""

    name: str
    help: str
    module: str


COMMANDS = (
    Command(
        "train", "train one algorithm on one data set, from a config", "dnll_plugin.commands.train"
    ),
    Command(
        "compare",
        "train several algorithms with several seeds and report how they compare",
        "dnll_plugin.commands.compare",
    ),
    Command(
        "predict",
        "label images with a trained net, or list the classes that are ruled out",
        "dnll_plugin.commands.predict",
    ),
    Command(
        "evaluate",
        "measure a trained net on images whose class is known",
        "dnll_plugin.commands.evaluate",
    ),
    Command(
        "export",
        "write a trained net into a file that runs without this package",
        "dnll_plugin.commands.export",
    ),
    Command("list", "list the names that a config may hold", "dnll_plugin.commands.list"),
    Command(
        "bench",
        "time a training step against the bare forward and backward passes of its nets",
        "dnll_plugin.commands.bench",
    ),
    Command(
        "completion",
        "print a script that lets a shell complete commands and options",
        "dnll_plugin.commands.completion",
    ),
    Command(
        "doctor",
        "say what is installed, what does not work together and how to mend it",
        "dnll_plugin.commands.doctor",
    ),
)

STDOUT = 1
TRACEBACK_VARIABLE = "DNLL_TRACEBACK"
EPILOG = (
    "Exit codes: 0 done, 2 the input is wrong, 1 anything else failed, 130, 143, 138 or 129 "
    "stopped by SIGINT, SIGTERM, SIGUSR1 or SIGHUP. A failure is one line; the environment "
    f"variable {TRACEBACK_VARIABLE}=1 adds the traceback."
)


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are `InputError`, so that one place prints them all.

    Abbreviated options are off: a script with ``--res`` would break once a second option begins
    with these letters.
    """

    def __init__(self, **settings: Any) -> None:
        super().__init__(**{"allow_abbrev": False, "epilog": EPILOG, **settings})

    def error(self, message: str) -> Any:
        raise InputError(f"{message}; see {self.prog} --help")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs ``dnll`` with the given arguments.

    Args:
        arguments: what follows ``dnll`` on the command line; None: ``sys.argv[1:]``.

    Returns:
        The exit code: the subcommand's own; 2 for wrong input and 1 for any other failure, each
        with one line on stderr; 130 after Ctrl-C outside a run; 141 when the reader of stdout left.
    """
    try:
        code = _run_chosen(sys.argv[1:] if arguments is None else arguments)
    except InputError as error:
        code = _report(error, str(error), 2)
    except RunError as error:
        code = _report(error, str(error), 1)
    except KeyboardInterrupt as error:
        code = _report(error, "interrupted", 130)
    except BrokenPipeError as error:
        code = 141 if _reader_has_left() else _report(error, _describe(error), 1)
    except Exception as error:
        code = _report(error, _describe(error), 1)
    return _flush_stdout() or code


def make_parser(
    chosen: Container[str],
) -> tuple[argparse.ArgumentParser, dict[str, argparse.ArgumentParser]]:
    """Makes the parser of ``dnll``.

    Args:
        chosen: names of the commands whose options it knows; their modules are imported.

    Returns:
        The parser, and by their names those of the commands.
    """
    parser = _Parser(
        prog="dnll", description="Learning from pseudo-negative labels, for the toolbox USB."
    )
    parser.add_argument("--version", action="version", version=f"dnll {__version__}")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    for command in COMMANDS:
        subparser = subparsers.add_parser(
            command.name,
            help=command.help,
            description=f"{command.help[0].upper()}{command.help[1:]}.",
        )
        if command.name in chosen:
            importlib.import_module(command.module).add_arguments(subparser)
    return parser, dict(subparsers.choices)


def _run_chosen(arguments: Sequence[str]) -> int:
    """Parses the arguments and runs the subcommand that they name."""
    name = next((word for word in arguments if not word.startswith("-")), None)
    modules = {command.name: command.module for command in COMMANDS}
    parser, _ = make_parser({name} if name else ())
    options, unknown = parser.parse_known_args(arguments)
    if name not in modules or unknown:
        raise InputError(f"unrecognized option {' '.join(unknown)}; see dnll {name} --help")
    return int(importlib.import_module(modules[name]).run(options))


def _report(error: BaseException, message: str, code: int) -> int:
    """Prints the one line (and, if asked for, the traceback before it); returns the exit code."""
    if os.environ.get(TRACEBACK_VARIABLE) == "1":
        traceback.print_exception(error)
    one_line = " ".join(part.strip() for part in message.splitlines() if part.strip())
    print(f"dnll: error: {for_terminal(one_line)}", file=sys.stderr)
    return code


def _describe(error: Exception) -> str:
    """What to say of an error nobody foresaw: its type, its message and where to go from here."""
    message = f"{type(error).__name__}: {error}" if str(error).strip() else type(error).__name__
    if isinstance(error, ImportError):
        return f"{message}; run dnll doctor to see how to mend the installation"
    return f"{message}; {TRACEBACK_VARIABLE}=1 shows the traceback"


def _reader_has_left() -> bool:
    """Whether stdout is a pipe that nobody reads any more, as in ``dnll … | head -1``.

    Asked for because a `BrokenPipeError` may come from another pipe, and that is a failure.
    """
    watch = select.poll()
    watch.register(STDOUT, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in watch.poll(0))


def _flush_stdout() -> int:
    """Flushes here what would otherwise fail, with a traceback, while Python shuts down.

    Returns:
        1 where stdout could not take it all, a full disk say; else 0, also when nobody reads it.
    """
    if sys.stdout is None:  # started with stdout closed (``>&-``)
        return 0
    try:
        sys.stdout.flush()
    except OSError as error:
        os.dup2(os.open(os.devnull, os.O_WRONLY), STDOUT)
        if not isinstance(error, BrokenPipeError):
            return _report(error, f"stdout: could not be written ({error.strerror})", 1)
    return 0
