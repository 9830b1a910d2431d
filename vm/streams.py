"""The host's ends of a guest's ports: byte streams whose end is marked, since a port has no end of file."""

from __future__ import annotations

from typing import Callable, Optional

Sink = Callable[[bytes], None]
"""Takes bytes as they come."""


class MarkedStream:
    """Cuts off the end mark of a stream that arrives in pieces, and passes on all before it.

    Bytes that may be the beginning of the mark are held back until more comes.
    """

    def __init__(self, mark: bytes, sink: Sink) -> None:
        self._mark = mark
        self._sink = sink
        self._held = b""
        self.ended = False

    def feed(self, data: bytes) -> None:
        """Take the next bytes; what follows the mark is dropped."""
        if self.ended:
            return
        data = self._held + data
        position = data.find(self._mark)
        if position >= 0:
            self.ended = True
            self._held = b""
            self._pass(data[:position])
            return
        keep = held_length(data, self._mark)
        self._held = data[len(data) - keep:]
        self._pass(data[:len(data) - keep])

    def flush(self) -> None:
        """The stream broke off: what was held back was no mark."""
        held, self._held = self._held, b""
        self._pass(held)

    def _pass(self, data: bytes) -> None:
        if data:
            self._sink(data)


def held_length(data: bytes, mark: bytes) -> int:
    """Length of the longest end of `data` that begins `mark` without being all of it."""
    for length in range(min(len(data), len(mark) - 1), 0, -1):
        if data.endswith(mark[:length]):
            return length
    return 0


class Control:
    """What the harness in the guest said: lines ``ready``, ``missing PATH``, ``exit STATUS``."""

    def __init__(self) -> None:
        self.ready = False
        self.status: Optional[int] = None
        self.missing: list[str] = []
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Take the next bytes."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            word, _, rest = line.decode(errors="replace").partition(" ")
            if word == "ready":
                self.ready = True
            elif word == "missing":
                self.missing.append(rest)
            elif word == "exit":
                self.status = int(rest)
