"""What a look may cost, what it has cost, and what was left out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Callable, Optional

from oomtrace.model import Aspect, Cut, Missed


@dataclass(frozen=True)
class Budget:
    """What one look may use: CPU time of the thread that looks, and bytes read."""

    cpu_ns: int = 5_000_000
    bytes: int = 1 << 20


class Meter:
    """Counts what a look uses, and keeps what it left out. It stops nobody: readers ask, and end early.

    ``spare``: the machine is out of memory. The kernel takes a page for a command line while it holds on to the memory
    of that process (get_mm_cmdline, fs/proc/base.c). So the looking process would wait for the victim's memory, which
    it keeps from being freed itself, until the oom_reaper comes two seconds later.
    """

    def __init__(
        self, budget: Budget, clock: Callable[[], int] = time.thread_time_ns, spare: bool = False
    ) -> None:
        self.budget, self.spare = budget, spare
        self.bytes = 0
        self.cuts: list[Cut] = []
        self._clock = clock
        self._begin = clock()

    @property
    def cpu_ns(self) -> int:
        """CPU time used so far."""
        return self._clock() - self._begin

    @property
    def left_ns(self) -> int:
        """CPU time that is left; 0 if the bytes are used up."""
        if self.bytes >= self.budget.bytes:
            return 0
        return max(0, self.budget.cpu_ns - self.cpu_ns)

    def over(self, aspect: Aspect, what: Optional[str] = None) -> bool:
        """Whether the budget is used up. Then what comes next is noted as cut."""
        if self.left_ns:
            return False
        self.cut(aspect, Missed.BUDGET, what)
        return True

    @contextmanager
    def trying(self, aspect: Aspect, what: str) -> Iterator[None]:
        """For what may fail: the rest of it is left out then. Noted is what is not permitted; what is gone is not."""
        try:
            yield
        except PermissionError:
            self.cut(aspect, Missed.DENIED, what)
        except OSError:
            pass

    def is_denied(self, aspect: Aspect) -> bool:
        """Whether something was not permitted."""
        return any(cut.aspect is aspect and cut.why is Missed.DENIED for cut in self.cuts)

    def cut(self, aspect: Aspect, why: Missed, what: Optional[str] = None) -> None:
        """Note what is left out. The same is noted once."""
        note = Cut(aspect, why, what)
        if note not in self.cuts:
            self.cuts.append(note)
