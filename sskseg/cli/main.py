"""Parse the command line, and run a command."""

from __future__ import annotations

import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module

from .options import make_parser

FAILED, BAD_INPUT, INTERRUPTED, CLOSED = 1, 2, 130, 141


class CommandFailed(Exception):
    """What failed for another reason than bad input, with a message for users."""


_REPORTED = (OSError, ValueError, ImportError, CommandFailed)  # with a message, not a traceback


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    arguments : sequence of str, default=None
        None is ``sys.argv[1:]``.

    Returns
    -------
    int
        Exit code: 0 done; 1 failed, 2 bad input, both with a message on the standard error output;
        130 interrupted by Ctrl-C before there was a result; 141 if the program that reads the
        output has ended, such as ``head``.

    Raises
    ------
    SystemExit
        With 2 for a bad command line, and with 0 after ``--help`` and ``--version``.
    """
    try:
        try:
            return _run(list(sys.argv[1:] if arguments is None else arguments))
        finally:
            # Here, and not when Python ends, which shows a traceback.
            print(end="", flush=True)  # noqa: T201
    except BrokenPipeError:  # of the output: that of a network is bad input
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return CLOSED


def _run(arguments):
    """Run the command line, and return its exit code."""
    if arguments[:1] == ["demo"]:
        return _run_demo(arguments[1:])
    options = make_parser().parse_args(arguments)
    options.arguments, options.is_closed = arguments, False
    from .logs import held_logs  # --help does not wait for it

    try:
        command = import_module(f"sskseg.cli.commands.{options.command}")
        with short_warnings(options), held_logs(_REPORTED):
            result = command.run(options)
    except KeyboardInterrupt as error:  # with a message where there are results
        print(f"sskseg: interrupted. {error}".rstrip(". "), file=sys.stderr)  # noqa: T201
        return INTERRUPTED
    except _REPORTED as error:
        print(f"sskseg {options.command}: {_plain(error, options)}", file=sys.stderr)  # noqa: T201
        return FAILED if isinstance(error, CommandFailed) else BAD_INPUT
    except (MemoryError, RuntimeError) as error:
        return _without_memory(error, options.command)
    if options.json:
        print(json.dumps(result, indent=1))  # noqa: T201
    return CLOSED if options.is_closed else 0


def _run_demo(arguments):
    """Run the demo, which has a parser of its own and reports its errors."""
    from .logs import held_logs

    try:
        with held_logs(_REPORTED) as lines:
            code = import_module("sskseg.demo").main(arguments)
            if code:
                lines.clear()
        return code
    except (MemoryError, RuntimeError) as error:
        return _without_memory(error, "demo")


def _without_memory(error, command):
    """Say what there is too little memory for; raise another error, a fault of the program."""
    from .memory import memory_text

    text = memory_text(error, command)
    if text is None:
        raise error
    print(f"sskseg {command}: {text}", file=sys.stderr)  # noqa: T201
    return FAILED


def _plain(message: object, options: Namespace) -> str:
    """A message in the words of the command line; imported where there is one."""
    from .messages import translate

    return translate(str(message), options)


@contextmanager
def short_warnings(options: Namespace) -> Iterator[None]:
    """Show warnings as a line of text, without the code that they come from."""
    former = warnings.formatwarning

    def format_line(message, *_, **__):
        return f"sskseg: warning: {_plain(message, options)}\n"

    warnings.formatwarning = format_line
    try:
        yield
    finally:
        warnings.formatwarning = former
