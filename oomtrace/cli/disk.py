"""Captures reach the disk soon: after an OOM a machine may crash, and the kernel writes files when it likes to."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from queue import SimpleQueue
from typing import Optional


class Disk:
    """Beside the trace, which must not wait for a disk that is slow while memory is short."""

    def __init__(self) -> None:
        self._due: SimpleQueue[Path] = SimpleQueue()
        self._thread: Optional[threading.Thread] = None

    def soon(self, path: Path) -> None:
        """Have a new file there, and its name in its folder."""
        self._due.put(path)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, daemon=True)
            self._thread.start()

    def now(self, path: Path) -> None:
        """The same, and wait for it."""
        for each in (path, path.parent):
            with suppress(OSError):  # it may be gone, or of a kind that cannot be synced
                _sync(each)

    def _work(self) -> None:
        while True:
            self.now(self._due.get())


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
