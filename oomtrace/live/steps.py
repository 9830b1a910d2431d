"""Attaching, step by step, in threads of its own: the kernel takes its time for each, and other programs can be loaded
meanwhile."""

from __future__ import annotations

import threading
from queue import SimpleQueue
from typing import Callable, Optional

Step = Callable[[], Optional[str]]
"""Attaches one program; returns why it cannot be, or None."""


class Alongside:
    """A step that is taken at once, in a thread of its own."""

    def __init__(self, step: Step) -> None:
        self._step = step
        self._reason: list[Optional[str]] = []
        self._thread = threading.Thread(target=lambda: self._reason.append(self._step()))
        self._thread.start()

    def __call__(self) -> Optional[str]:
        self._thread.join()
        if not self._reason:
            raise RuntimeError("the thread that attaches ended early")
        return self._reason[0]


def take_all(steps: "SimpleQueue[Optional[Step]]", reasons: list[Optional[str]]) -> None:
    """Each in its turn, up to None. What they return goes to ``reasons``."""
    for step in iter(steps.get, None):
        reasons.append(step())
