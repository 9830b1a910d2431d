"""What all writers have in common: a stream that they are given, an event at a time, an end."""

from __future__ import annotations

from collections import deque
from typing import IO, Any, Optional, Union

from oomtrace.formats import Dialect
from oomtrace.model import OomEvent
from oomtrace.text import Record, dialect_of, replay, write
from oomtrace.text.foreign import named
from oomtrace.why import Explanation, Pattern, explain, outline

from . import terminal

_REMEMBERED = 16  # events: the kernel prints 10 reports in 5 s

Stream = Union[IO[str], IO[bytes]]


class Writer:
    """Writes events to a stream. ``colour`` None: as the stream and the environment say; ``dialect``: which kernel's
    words the report is printed in, None for its own."""

    waits = False  # may an event wait for the next one? Who allows it calls settle() when the input is silent

    def __init__(self, stream: Stream, colour: Optional[bool] = None, dialect: Optional[Dialect] = None) -> None:
        self.dialect = dialect
        self._stream: Any = stream
        self.terminal = terminal.is_terminal(stream)
        self.style = terminal.Style(terminal.colours(stream) if colour is None else colour, terminal.draws(stream))
        self.width = terminal.width(stream)
        self.count = 0
        self._before: deque[OomEvent] = deque(maxlen=_REMEMBERED)

    def explained(self, event: OomEvent) -> Explanation:
        """The explanation of an event, in the light of those before it."""
        found = explain(with_names(event), self.before)
        self.remember(event)
        return found

    @property
    def before(self) -> tuple[OomEvent, ...]:
        """The last events before this one, in outline."""
        return tuple(self._before)

    def remember(self, event: OomEvent) -> None:
        """Keeps what later events may need of this one."""
        self._before.append(outline(event))

    def begin(self, event: OomEvent) -> None:
        """Writes what there is of an event that comes once more, whole. Most formats have nothing to say until then."""

    def event(self, event: OomEvent) -> None:
        """Writes one event, all of it: what comes after a crash of ours does not take it along."""
        self.write_event(event)
        self.count += 1
        self._stream.flush()

    def write_event(self, event: OomEvent) -> None:
        raise NotImplementedError

    def finish(self, pattern: Optional[Pattern] = None) -> None:
        """Writes what comes after the last event."""
        self.write_end(pattern)
        self._stream.flush()

    def settle(self) -> None:
        """Writes what has waited for the next event, if anything does."""

    def write_end(self, pattern: Optional[Pattern]) -> None:
        """Nothing, for most."""

    def records(self, event: OomEvent) -> list[Record]:
        """The report's records, in the kernel's words or in the dialect's."""
        return write(event, self.dialect) if self.dialect else replay(event)

    def put(self, text: str) -> None:
        """Text to the stream. Bytes that were no UTF-8 leave as they came (surrogateescape)."""
        raw = getattr(self._stream, "buffer", None)
        if raw is not None:
            self._stream.flush()
            raw.write(text.encode("utf-8", "surrogateescape"))
            raw.flush()
        elif "b" in getattr(self._stream, "mode", "") or not hasattr(self._stream, "encoding"):
            self._stream.write(text.encode("utf-8", "surrogateescape"))
        else:
            self._stream.write(text)

    def put_bytes(self, data: bytes) -> None:
        """Bytes to the stream, as they are."""
        raw = getattr(self._stream, "buffer", None)
        (self._stream if raw is None else raw).write(data)


def with_names(event: OomEvent) -> OomEvent:
    """With the gfp flags' names, which a live event and the kernels up to 4.5 have not."""
    return named(event, dialect_of(event))
