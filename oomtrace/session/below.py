"""How usage has gone in the largest memcgs below the full one: BPF keeps it of all that have a limit, and its records
tell of those around the victim and the trigger alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Callable, Optional

from oomtrace.model import UsageHistory
from oomtrace.wire import history

_LARGEST = 5
_ASKED = 256  # memcgs, at one OOM: each is a file of a line to read
_MOST_S = 0.005  # of CPU time, for these files: the trace reads them itself, and does nothing else meanwhile
_KEPT = 64  # OOMs


class Below:
    """Read as an OOM begins: then it ends with it. ``kept``: what the kernel's part keeps of the memcg of an address;
    ``usage_kb``: of a path, None if there is none any more."""

    def __init__(
        self, kept: Callable[[int], Optional[bytes]], usage_kb: Callable[[str], Optional[int]], page_kb: int,
        cpu: Callable[[], float] = time.thread_time,
    ) -> None:
        self._cpu = cpu
        self._read, self._usage_kb, self._page_kb = kept, usage_kb, page_kb
        self._found: dict[Optional[str], list[tuple[str, bytes]]] = {}

    def read(self, full: Optional[str], paths: dict[int, str], slower: float = 1.0) -> None:
        """An OOM begins in that memcg, None: of the machine. ``paths``: of memcgs by address; who was heard of last
        stands at the end. ``slower``: this machine is so many times slower than others, and has so much more time."""
        sizes = list(self._sizes(full, paths, self._cpu() + _MOST_S * slower))
        largest = sorted((size for size in sizes if size[0]), reverse=True)[:_LARGEST]
        read = ((path, self._read(memcg)) for _, path, memcg in largest)
        self._found.pop(full, None)
        self._found[full] = [(path, kept) for path, kept in read if kept is not None]
        while len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]

    def _sizes(self, full: Optional[str], paths: dict[int, str], until: float) -> Iterator[tuple[int, str, int]]:
        """Usage, path and address of those below, as far as the time goes: first of those that were heard of last, as
        one is that has just come near its limit."""
        top, left = (full or "").rstrip("/") + "/", _ASKED
        for memcg, path in reversed(paths.items()):
            if path.startswith(top) and path != full:
                yield self._usage_kb(path) or 0, path, memcg
                left -= 1
                if not left or self._cpu() >= until:
                    break

    def of(self, full: Optional[str], oom_id: int) -> list[UsageHistory]:
        """Of the largest, the largest first. ``oom_id``: when the OOM began, CLOCK_MONOTONIC."""
        told = [history.of_kept(path, kept, oom_id, self._page_kb) for path, kept in self._found.get(full, ())]
        return [each for each in told if each.seconds or each.minutes]
