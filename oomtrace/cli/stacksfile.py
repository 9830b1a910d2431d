"""``-o FILE.folded`` and ``-o FILE.pb.gz``: by which code memory was charged before all OOMs, written at the end."""

from __future__ import annotations

import io
from pathlib import Path

from oomtrace import output
from oomtrace.model import OomEvent
from oomtrace.wire import capture


class StacksFile:
    """The file at ``path``, in the format ``form``: folded or pprof."""

    def __init__(self, path: Path, form: str) -> None:
        self._path = path
        self._stream = io.BytesIO()
        self._writer = output.writer(form, self._stream)

    def take(self, event: OomEvent) -> None:
        """One more."""
        self._writer.event(event)

    def write(self) -> None:
        """All of them, readable by the owner alone. Raises OSError; OomtraceError where there are no stacks."""
        if not self._writer.count:
            return
        self._writer.finish()
        capture.save(self._path, self._stream.getvalue())
