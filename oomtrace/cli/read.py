"""``oomtrace read``: saved logs and captures in, reports and explanations out."""

from __future__ import annotations

import gc
import importlib
import io
import os
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from itertools import chain
from typing import BinaryIO, Callable, Optional, TextIO

import click

from oomtrace import output, text
from oomtrace.cli.options import color_option, format_option
from oomtrace.cli.voice import say
from oomtrace.errors import EXIT_NO_REPORT, EXIT_UNREADABLE, EXIT_USAGE, OomtraceError
from oomtrace.formats import DIALECTS, Dialect
from oomtrace.model import OomEvent
from oomtrace.output import read_json
from oomtrace.output.base import Writer
from oomtrace.output.progress import watched
from oomtrace.output.terminal import escaped
from oomtrace.text.archive import members
from oomtrace.text.copies import Events
from oomtrace.text.source import chunks, opened
from oomtrace.text.survey import Tally, table, tally
from oomtrace.why import outline, pattern
from oomtrace.wire import capture

# Objects between two searches for cycles, which reports have none of. Python's 700 are made for each 50 tasks, and the
# searches took an eighth of the time.
_COLLECT_AFTER = 50_000


@click.command("read", short_help="Find every OOM report in logs, and explain it.")
@click.argument("files", nargs=-1, metavar="[FILE…|-]")
@format_option()
@click.option("--dialect", metavar="NAME", help="Print each report in the words of another kernel, such as 6.12.")
@click.option("--list-dialects", is_flag=True, help="Print the names for --dialect.")
@click.option("--survey", is_flag=True,
              help="For each log, count report lines and how many were understood. Print no reports.")
@click.option("-o", "--output", "target", metavar="FILE", help="Write to FILE; one that ends with .html is a page.")
@color_option()
def command(
    files: tuple[str, ...], form: str, dialect: Optional[str], list_dialects: bool, survey: bool,
    target: Optional[str], colour: Optional[bool],
) -> int:
    """Find every OOM report in logs and captures, and explain it.

    Logs may come from dmesg, journalctl, syslog and others, and may be compressed or in archives. Captures are the
    files that the option -o of other commands writes. What --format json or jsonl has written can be read, too. - is
    standard input, and the default.

    Exit status: 0 if there was a report, and with --survey also if there was none; 3 if there was none; 4 if an input,
    or a part of it, could not be read.
    """
    if list_dialects:
        for name in DIALECTS:
            click.echo(name)
        return 0
    gc.set_threshold(_COLLECT_AFTER)
    inputs = _Inputs(files or ("-",))
    if survey:
        for line in table(inputs.tallies()):
            click.echo(escaped(line))
        return EXIT_UNREADABLE if inputs.failed else 0
    if target is not None and target.endswith(".html") and form == "text":
        form = "html"
    if form == "html":
        importlib.import_module("oomtrace.page")  # what is missing for it is said before a file is touched
    wanted = _dialect(dialect)
    seen: list[OomEvent] = []
    with _writable(target) as stream:
        writer = output.writer(form, stream, colour, wanted)
        writer.waits, inputs.silent = True, writer.settle
        with _settled(writer):
            for event in inputs.events():
                writer.event(event)
                seen.append(outline(event))
        writer.finish(pattern(seen) if len(seen) > 1 else None)
    if inputs.failed:
        return EXIT_UNREADABLE
    if not seen:
        say("oomtrace: no OOM report found")
        return EXIT_NO_REPORT
    return 0


def _with_code(found: capture.Capture) -> capture.Capture:
    """With the names of functions that can be found here, if it holds copies of stacks."""
    if found.raw is None:
        return found
    from oomtrace.session import later  # late: hardly any capture does

    return replace(found, code=later.resolved(found))


@contextmanager
def _settled(writer: Writer) -> Iterator[None]:
    """What waits is written even if somebody interrupts."""
    try:
        yield
    except BaseException:
        writer.settle()
        raise


def _writable(target: Optional[str]) -> AbstractContextManager[TextIO]:
    """Standard output, or the file. Raises OomtraceError."""
    if target is None:
        return nullcontext(sys.stdout)
    try:
        return open(target, "w", encoding="utf-8")  # closed by whom it is given to
    except OSError as error:
        raise OomtraceError(f"cannot write to {target}: {error.strerror}") from error


def _dialect(name: Optional[str]) -> Optional[Dialect]:
    if name is None:
        return None
    if name not in DIALECTS:
        raise OomtraceError(f"there is no dialect {name}", "oomtrace read --list-dialects prints them", EXIT_USAGE)
    return DIALECTS[name]


class _Inputs:
    """Files that are read one after the other; what cannot be read of one is said, and the next one's turn comes.
    ``failed``: whether there was such."""

    def __init__(self, files: Sequence[str]) -> None:
        self.failed = False
        self.silent: Callable[[], None] = lambda: None  # is told of each moment in which an input says nothing
        self._files = files
        self._told = Events()  # the same OOM may stand in several logs
        self._said: set[str] = set()  # of one file: many captures may stand in it, with the same fault

    def events(self) -> Iterator[OomEvent]:
        """Those of all files."""
        for name, head, pieces in self._each():
            with self._failing():
                if capture.is_capture(head):
                    yield from self._captured(name, head, pieces)
                elif read_json.is_document(head):
                    yield from self._saved(name, head, pieces)
                else:
                    yield from text.read(chain([head], self._heard(pieces)), self._told)

    def _heard(self, pieces: Iterator[bytes]) -> Iterator[bytes]:
        """The pieces. An empty one says that a pipe is silent."""
        for piece in pieces:
            if not piece:
                self.silent()
            yield piece

    def tallies(self) -> Iterator[Tally]:
        """Those of all logs."""
        for name, head, pieces in self._each():
            if capture.is_capture(head) or read_json.is_document(head):
                what = "capture" if capture.is_capture(head) else "document"
                self._say(f"{name} is a {what}: --survey counts the lines of logs only")
                continue
            with self._failing():
                yield tally(name, chain([head], pieces))

    def _each(self) -> Iterator[tuple[str, bytes, Iterator[bytes]]]:
        """Each file that can be opened: what to call it, its first bytes, and the rest."""
        for name in self._files:
            self._said.clear()
            with self._failing(), _opened(name) as stream:
                label, path = ("standard input", None) if name == "-" else (name, name)
                for member in members(label, chunks(watched(name, stream, sys.stderr)), _plain_file(path)):
                    pieces = iter(member.pieces)
                    yield member.name, _head(pieces), pieces

    def _captured(self, name: str, head: bytes, pieces: Iterator[bytes]) -> Iterator[OomEvent]:
        data = bytearray(head)
        with self._failing():  # a damaged archive: what comes before the damage is decoded
            for piece in pieces:
                data += piece
        for part in capture.split(bytes(data)):
            with self._failing(f"{name}: "):
                found = capture.load(io.BytesIO(part))
                for problem in found.problems:
                    self._say(f"{name}: {problem}")
                yield from capture.events(_with_code(found))

    def _saved(self, name: str, head: bytes, pieces: Iterator[bytes]) -> Iterator[OomEvent]:
        """What ``--format json`` or ``jsonl`` has written."""
        for entry in read_json.entries(chain([head], pieces)):
            with self._failing(f"{name}: "):
                yield read_json.event(entry)

    @contextmanager
    def _failing(self, before: str = "") -> Iterator[None]:
        try:
            yield
        except OomtraceError as error:
            self._say(before + error.message, error.hint)
            if click.get_current_context().find_root().params.get("debug"):
                say(traceback.format_exc())

    def _say(self, message: str, hint: Optional[str] = None) -> None:
        self.failed = True
        if message not in self._said:
            self._said.add(message)
            # Escaped here already: a file name may have a line feed in it.
            say(f"oomtrace: {escaped(message)}" + (f"\n  hint: {escaped(hint)}" if hint else ""))


def _plain_file(path: Optional[str]) -> Optional[str]:
    """The path, if it can be read at any place."""
    return path if path is not None and os.path.isfile(path) else None


def _opened(name: str) -> BinaryIO:
    if name != "-":
        return opened(name)
    try:
        return open(0, "rb", buffering=0, closefd=False)
    except OSError as error:
        raise OomtraceError(f"cannot read standard input: {error.strerror}", None, EXIT_UNREADABLE) from error


def _head(pieces: Iterator[bytes]) -> bytes:
    """Enough to tell a capture or a document; a pipe cannot be read twice, and may give less than that at first."""
    head = b""
    for piece in pieces:
        head += piece
        if not _may_become(head, capture.MAGIC) and not (head[:1] == b"{" and len(head) < read_json.ENOUGH_BYTES):
            break
    return head


def _may_become(head: bytes, magic: bytes) -> bool:
    return len(head) < len(magic) and magic.startswith(head)
