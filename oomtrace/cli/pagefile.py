"""``-o FILE.html``: a page of all OOMs, written anew as they come: a trace that ends badly leaves one behind."""

from __future__ import annotations

import io
from pathlib import Path

from oomtrace import output
from oomtrace.model import OomEvent
from oomtrace.wire import capture


class PageFile:
    """The page at ``path``. Each writing makes all of it, so that it is done for every tenth more of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._stream = io.BytesIO()
        self._writer = output.writer("html", self._stream)
        self._written = 0

    def take(self, event: OomEvent) -> None:
        """One more. Raises OSError."""
        self._writer.event(event)
        if self._writer.count * 10 >= self._written * 11:
            self.write()

    def write(self) -> None:
        """All that there is so far, readable by the owner alone, if it is not there already. Raises OSError."""
        if self._written and self._written == self._writer.count:
            return
        self._stream.seek(0)
        self._stream.truncate()
        self._writer.finish()
        capture.save(self._path, self._stream.getvalue())
        self._written = self._writer.count
