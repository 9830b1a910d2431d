"""How far a large file has been read, on a terminal's standard error."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Iterable, Iterator
from typing import BinaryIO, TextIO, Union

from oomtrace.text.source import pieces

from .terminal import is_terminal

LEAST_BYTES = 64 << 20  # smaller ones are read before a bar could be
_EVERY_S = 0.1
_WIDTH = 40


def watched(name: str, stream: BinaryIO, screen: TextIO) -> Union[BinaryIO, Iterable[bytes]]:
    """The stream; if it is a large file and ``screen`` a terminal, its pieces, with a bar while they are taken."""
    try:
        status = os.stat(name)
    except OSError:
        return stream
    if not is_terminal(screen) or not stat.S_ISREG(status.st_mode) or status.st_size < LEAST_BYTES:
        return stream
    return _pieces(name, stream, status.st_size, screen)


def _pieces(name: str, stream: BinaryIO, size: int, screen: TextIO) -> Iterator[bytes]:
    # Of a compressed file the position in the file itself counts, not that in what comes out of it.
    raw = getattr(stream, "fileobj", None) or getattr(stream, "_fp", None) or stream
    shown = 0.0
    try:
        for piece in pieces(stream):
            now = time.monotonic()
            if now - shown >= _EVERY_S:
                shown = now
                part = min(raw.tell() / size, 1.0) if hasattr(raw, "tell") else 0.0
                bar = "#" * int(part * _WIDTH)
                screen.write(f"\r[{bar:<{_WIDTH}}] {100 * part:3.0f} % of {os.path.basename(name)}")
                screen.flush()
            yield piece
    finally:
        screen.write("\r\x1b[K")
        screen.flush()
