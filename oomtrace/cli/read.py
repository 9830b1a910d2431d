"""``oomtrace read``: saved logs and captures in, reports and explanations out."""

from __future__ import annotations

import io
import sys
from itertools import chain
from typing import BinaryIO, Iterator, List, Optional, Tuple

import click

from oomtrace import output, text
from oomtrace.cli.options import format_option
from oomtrace.errors import EXIT_NO_REPORT, EXIT_UNREADABLE, OomtraceError
from oomtrace.formats import DIALECTS, Dialect
from oomtrace.model import OomEvent
from oomtrace.output.progress import watched
from oomtrace.output.terminal import escaped
from oomtrace.text.source import chunks
from oomtrace.text.survey import survey as tallies
from oomtrace.text.survey import table
from oomtrace.why import outline, pattern
from oomtrace.wire import capture


@click.command("read")
@click.argument("files", nargs=-1, metavar="[FILE…|-]")
@format_option()
@click.option("--dialect", metavar="NAME", help="Print reports as that kernel would have.")
@click.option("--list-dialects", is_flag=True, help="Name the dialects.")
@click.option("--survey", is_flag=True, help="Only count: each file's lines, and how many of them rows read.")
@click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colour the output.")
def command(
    files: Tuple[str, ...], form: str, dialect: Optional[str], list_dialects: bool, survey: bool, color: str
) -> int:
    """Find every OOM report in logs (dmesg, journalctl, syslog, … also compressed) and in captures; explain each.

    Exit status: 0 if there was a report, 3 if there was none.
    """
    if list_dialects:
        for name in DIALECTS:
            click.echo(name)
        return 0
    if survey:
        for line in table(tallies(files or ("/dev/stdin",))):
            click.echo(line)
        return 0
    chosen = _dialect(dialect)
    colour = {"auto": None, "always": True, "never": False}[color]
    writer = output.writer(form, sys.stdout, colour, chosen)
    seen: List[OomEvent] = []
    for event in _events(files or ("-",)):
        writer.event(event)
        seen.append(outline(event))
    writer.finish(pattern(seen) if len(seen) > 1 else None)
    if not seen:
        click.echo("oomtrace: no OOM report found", err=True)
        return EXIT_NO_REPORT
    return 0


def _dialect(name: Optional[str]) -> Optional[Dialect]:
    if name is None:
        return None
    if name not in DIALECTS:
        raise OomtraceError(f"there is no dialect {name}", "oomtrace read --list-dialects names them", 2)
    return DIALECTS[name]


def _events(files: Tuple[str, ...]) -> Iterator[OomEvent]:
    for name in files:
        with _opened(name) as stream:
            pieces = chunks(watched(name, stream, sys.stderr))
            head = _head(pieces)
            if capture.is_capture(head):
                yield from _captured(name, io.BytesIO(b"".join(chain([head], pieces))))
            else:
                yield from text.read(chain([head], pieces))


def _opened(name: str) -> BinaryIO:
    if name != "-":
        return text.opened(name)
    try:
        return open(0, "rb", buffering=0, closefd=False)
    except OSError as error:
        raise OomtraceError(f"cannot read standard input: {error.strerror}", None, EXIT_UNREADABLE) from error


def _head(pieces: Iterator[bytes]) -> bytes:
    """Enough to tell a capture; a pipe cannot be read twice, and may give less than that at first."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= len(capture.MAGIC) or not capture.MAGIC.startswith(head):
            break
    return head


def _captured(name: str, stream: BinaryIO) -> Iterator[OomEvent]:
    found = capture.load(stream)
    for problem in found.problems:
        click.echo(f"oomtrace: {escaped(name)}: {escaped(problem)}", err=True)
    yield from capture.events(found)
