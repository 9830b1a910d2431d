"""How slow this machine is: what may be spent on an OOM is said for machines of these years, and many are emulated."""

from __future__ import annotations

import time

_SLOWEST = 16.0
_LOOP, _LOOP_NS = 20_000, 1_000_000  # what the loop takes on a machine of these years


def slowness() -> float:
    """How many times slower than a machine of these years this one is, or an emulated one; at least 1."""
    begin = time.thread_time_ns()
    for _ in range(_LOOP):
        pass
    return min(max(1.0, (time.thread_time_ns() - begin) / _LOOP_NS), _SLOWEST)
