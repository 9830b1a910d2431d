"""Standard output, written by a thread of its own: a reader that is stuck must not keep records from being read."""

from __future__ import annotations

import io
import os
import select
import signal
import threading
import time
from collections import deque
from contextlib import suppress
from typing import Any, Callable

# What waits for a reader at most; a report of 5,000 tasks has 0.5 MiB.
MOST_BYTES = 16 << 20
# How long a report is waited for, so that what is said of it on standard error comes after it.
PATIENCE_S = 0.2
CLOSING_S = 2.0


class Relay:
    """A binary stream that never blocks: what is written between two ``flush`` is a piece, passed on whole.

    Pieces that find ``MOST_BYTES`` waiting are dropped, and so are those that the other end does not take (a full
    disk); ``warn`` hears of the first of each spell. BrokenPipeError is raised by the ``flush`` after it was met.
    """

    mode = "wb"

    def __init__(self, fd: int, terminal: bool, warn: Callable[[str], None]) -> None:
        self._fd, self._terminal, self._warn = fd, terminal, warn
        self._piece = bytearray()
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._changed = threading.Condition()
        self._started = self._broken = self._failing = self._dropping = False
        self.dropped = 0

    def isatty(self) -> bool:
        """Whether the other end is a terminal."""
        return self._terminal

    def write(self, data: bytes) -> int:
        """Add to the piece in hand."""
        self._piece += data
        return len(data)

    def flush(self) -> None:
        """Pass the piece on."""
        piece, self._piece = bytes(self._piece), bytearray()
        if self._broken:
            raise BrokenPipeError
        if not piece:
            return
        with self._changed:
            behind = bool(self._waiting)
            full = behind and self._waiting_bytes + len(piece) > MOST_BYTES
            if not full:
                self._waiting.append(piece)
                self._waiting_bytes += len(piece)
                self._changed.notify_all()
        if full:  # said outside: whoever does not read standard output may not read standard error either
            self._drop()
            return
        self._dropping = False
        if not self._started:
            self._started = True
            self._start()
        if not behind:
            self._drained(PATIENCE_S)

    def _start(self) -> None:
        # The thread inherits the mask: a signal that it took would not be in a signalfd that the others wait for.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            threading.Thread(target=self._pass_on, daemon=True).start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)

    def _drop(self) -> None:
        self.dropped += 1
        if not self._dropping:
            self._warn("oomtrace: standard output is not read: reports are dropped until it is")
        self._dropping = True

    def _drained(self, seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, max(0.0, deadline - time.monotonic()))

    def _pass_on(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: bool(self._waiting))
                piece = self._waiting[0]
            self._out(piece)
            with self._changed:
                self._waiting.popleft()
                self._waiting_bytes -= len(piece)
                self._changed.notify_all()

    def _out(self, piece: bytes) -> None:
        view = memoryview(piece)
        try:
            while view:
                try:
                    view = view[os.write(self._fd, view):]
                except BlockingIOError:  # somebody else made the other end so (O_NONBLOCK is of the open file)
                    select.select([], [self._fd], [])
            self._failing = False
        except BrokenPipeError:
            self._broken = True
        except OSError as error:
            self.dropped += 1
            if not self._failing:
                self._warn(f"oomtrace: cannot write to standard output: {error.strerror}")
            self._failing = True

    def close(self) -> None:
        """Wait a little for the other end, and say what it has not got."""
        if not self._drained(CLOSING_S):
            self.dropped += len(self._waiting)
        if self.dropped:
            self._warn(f"oomtrace: {self.dropped} report{'' if self.dropped == 1 else 's'} not written")


def relayed(stream: Any, warn: Callable[[str], None]) -> Any:
    """The stream by way of a thread; itself if it is none of the system's (in tests)."""
    with suppress(OSError, ValueError, AttributeError, io.UnsupportedOperation):
        fd = stream.fileno()
        stream.flush()
        return Relay(fd, bool(stream.isatty()), warn)
    return stream
