"""How memory has gone before an OOM: as BPF kept it by the second and by the minute, and as cgroup files said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from .killed import Pressure
from .memory import Counters


@dataclass(frozen=True)
class UsageMoment:
    """The highest usage in a stretch of time, which began ``before_ns`` before the OOM.

    A stretch in which no batch of pages was charged has no moment: usage did not rise in it.
    """

    before_ns: int
    usage_kb: int


@dataclass(frozen=True)
class UsageHistory:
    """The usage of a memcg with a limit before the OOM, the oldest moment first.

    ``second_ns`` and ``minute_ns``: how long a stretch is, 2^30 and 2^36 ns. What has begun is not over: the last
    stretch of either ends with the OOM.
    """

    memcg: str
    seconds: tuple[UsageMoment, ...] = ()
    minutes: tuple[UsageMoment, ...] = ()
    second_ns: int = 1 << 30
    minute_ns: int = 1 << 36


@dataclass(frozen=True)
class ChildUsage:
    """The usage of a memcg below another; ``name`` is that of its folder."""

    name: str
    usage_kb: int


@dataclass(frozen=True)
class Glance:
    """What the cgroup files say of a memcg while it stays near its limit; of the machine if ``memcg`` is None.

    ``stat_kb`` are sizes of memory.stat (cgroup v1: those with ``total_``) or of /proc/meminfo, and ``counts`` events
    since the memcg was made; by the kernel's names.
    """

    time_ns: int  # boot clock
    memcg: Optional[str] = None
    usage_kb: Optional[int] = None
    limit_kb: Optional[int] = None  # None: no limit, or not known
    swap_kb: Optional[int] = None
    stat_kb: Counters = field(default_factory=dict)
    counts: Counters = field(default_factory=dict)
    pressure: Optional[Pressure] = None  # cgroup v1 has none by memcg
    children: tuple[ChildUsage, ...] = ()  # the largest first
