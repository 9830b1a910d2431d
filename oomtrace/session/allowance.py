"""How much of the time may go into something, while records come that must be read."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

WINDOW_S = 10.0


class Allowance:
    """So much time within ``WINDOW_S``, and no more; on a slower machine more, up to half of it."""

    def __init__(self, most_s: float, slower: float) -> None:
        self._most_s = min(most_s * slower, WINDOW_S / 2)
        self._spent: deque[tuple[float, float]] = deque()  # when, and how long it took

    @property
    def used_up(self) -> bool:
        """Whether it has taken too much of the time of late."""
        while self._spent and self._spent[0][0] < time.monotonic() - WINDOW_S:
            self._spent.popleft()
        return sum(took for _, took in self._spent) > self._most_s

    @contextmanager
    def spending(self) -> Iterator[None]:
        """Count what is done within."""
        began = time.monotonic()
        yield
        self._spent.append((began, time.monotonic() - began))
