"""The command line: joins the rooms, holds no logic. One module a command, imported when it is called.

``oomtrace`` without a command is ``oomtrace trace``.
"""

from __future__ import annotations

import errno
import importlib
import importlib.util
import io
import itertools
import os
import sys
from typing import Any, Optional

import click

from oomtrace import __version__
from oomtrace.cli.voice import say
from oomtrace.errors import EXIT_FAILURE, EXIT_GONE, OomtraceError

# Name of each command's module and function, in the order of --help.
COMMANDS = ("trace", "read", "run", "repro", "check", "schema", "install-service")
DEFAULT = "trace"
_NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class _Commands(click.Group):
    """Imports a command's module when it is needed: starting to trace must not wait for the log reader."""

    def list_commands(self, _context: click.Context) -> list[str]:
        return [name for name in COMMANDS if importlib.util.find_spec(_module(name))]

    def get_command(self, _context: click.Context, name: str) -> Optional[click.Command]:
        if name not in COMMANDS or not importlib.util.find_spec(_module(name)):
            return None
        command: click.Command = importlib.import_module(_module(name)).command
        return command

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        first = next((arg for arg in args if arg != "--debug"), None)
        if first is None and context.resilient_parsing:
            return super().parse_args(context, args)  # a shell asks what could come next: commands, too
        if first is None or (first.startswith("-") and first not in ("--help", "-h", "--version")):
            at = args.index(first) if first else len(args)
            args = [*args[:at], DEFAULT, *args[at:]]
        return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        """The command, and all of its output: what cannot be written is found here, and not by Python as it ends."""
        try:
            status = super().invoke(context)
            if sys.stdout is not None:
                sys.stdout.flush()
        except BrokenPipeError as error:  # of click's own making would be an exit status of 1
            raise _Gone from error
        return status


def _module(name: str) -> str:
    return f"oomtrace.cli.{name.replace('-', '_')}"


class _Gone(Exception):
    """Whoever read our output has gone."""


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--debug", is_flag=True, help="Show the traceback of an error. Give it before the command.")
@click.version_option(__version__, message="oomtrace %(version)s")
def group(debug: bool) -> None:
    """Trace the Linux OOM killer: print the kernel's report, byte for byte, and explain why it happened.

    Without a command, oomtrace traces until Ctrl-C, with the options of `oomtrace trace`.
    """


def main(args: Optional[list[str]] = None) -> None:
    """The console command. Errors are one sentence and a hint on stderr; tracebacks only with --debug."""
    arguments = sys.argv[1:] if args is None else args
    debug = "--debug" in itertools.takewhile(lambda word: word == "--debug", arguments)
    if sys.stdout is None:  # closed: the next file that is opened must not take its place
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    try:
        status: Any = group.main(arguments, prog_name="oomtrace", standalone_mode=False)
    except OomtraceError as error:
        if debug:
            raise
        _complain(error.message, error.hint)
        status = error.status
    except click.exceptions.Abort:
        status = 130
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue().rstrip("\n"))
        status = error.exit_code
    except _Gone:
        sys.stdout = None  # nothing left to say, and nothing to flush at exit either
        status = EXIT_GONE
    except Exception as error:
        if debug:
            raise
        if isinstance(error, OSError) and error.errno in _NO_ROOM and error.filename is None:
            sys.stdout = None
            _complain(f"cannot write: {error.strerror}", None)
            sys.exit(EXIT_FAILURE)
        hint = "please report this, with the output of: oomtrace --debug …, and of: oomtrace check"
        _complain(f"unexpected {type(error).__name__}: {error}", hint)
        status = EXIT_FAILURE
    sys.exit(status if isinstance(status, int) else 0)


def _complain(message: str, hint: Optional[str]) -> None:
    say(f"oomtrace: {message}" + (f"\n  hint: {hint}" if hint else ""))
