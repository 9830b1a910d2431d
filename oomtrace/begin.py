"""The command ``oomtrace``, from its first line: what need not wait until the command line is loaded."""

from __future__ import annotations

import sys

_TRACE = "trace"
_NOT_SHIPPED = {"--compile", "--help", "-h", "--version"}


def main() -> None:
    """The console command."""
    if _traces(sys.argv[1:]):
        from oomtrace.programs import keep

        keep.ahead()
        from oomtrace.session import early  # late: what takes longest has begun

        early.begin()
    from oomtrace.cli import main as command_line

    command_line()


def _traces(arguments: list[str]) -> bool:
    """Whether it is ``oomtrace trace``, with the programs that are shipped, as far as can be told so early. If this is
    wrong, something is made in vain, or later. (Other commands that trace do so in a process that they fork.)"""
    first = next((word for word in arguments if word != "--debug"), _TRACE)
    return (first == _TRACE or first.startswith("-")) and not _NOT_SHIPPED.intersection(arguments)
