"""How usage has gone in the largest memcgs below the full one: BPF keeps it of all that have a limit, and its records
tell of those around the victim and the trigger alone."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Callable, Optional

from oomtrace.model import UsageHistory
from oomtrace.wire import history

_LARGEST = 5
_ASKED = 256  # memcgs, at one OOM: each is a file of a line to read
_KEPT = 64  # OOMs


class Below:
    """Read as an OOM begins: then it ends with it. ``kept``: what the kernel's part keeps of the memcg of an address;
    ``usage_kb``: of a path, None if there is none any more."""

    def __init__(
        self, kept: Callable[[int], Optional[bytes]], usage_kb: Callable[[str], Optional[int]], page_kb: int,
    ) -> None:
        self._read, self._usage_kb, self._page_kb = kept, usage_kb, page_kb
        self._found: dict[Optional[str], list[tuple[str, bytes]]] = {}

    def read(self, full: Optional[str], paths: Mapping[int, str]) -> None:
        """An OOM begins in that memcg, None: of the machine. ``paths``: of memcgs by address."""
        top = (full or "").rstrip("/") + "/"
        below = ((memcg, path) for memcg, path in paths.items() if path.startswith(top) and path != full)
        sizes = [(self._usage_kb(path) or 0, path, memcg) for memcg, path in islice(below, _ASKED)]
        largest = sorted((size for size in sizes if size[0]), reverse=True)[:_LARGEST]
        read = ((path, self._read(memcg)) for _, path, memcg in largest)
        self._found.pop(full, None)
        self._found[full] = [(path, kept) for path, kept in read if kept is not None]
        while len(self._found) > _KEPT:
            del self._found[next(iter(self._found))]

    def of(self, full: Optional[str], oom_id: int) -> list[UsageHistory]:
        """Of the largest, the largest first. ``oom_id``: when the OOM began, CLOCK_MONOTONIC."""
        told = [history.of_kept(path, kept, oom_id, self._page_kb) for path, kept in self._found.get(full, ())]
        return [each for each in told if each.seconds or each.minutes]
