"""How memory has gone before an OOM, as BPF kept it by the second and by the minute."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Tuple


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
    seconds: Tuple[UsageMoment, ...] = ()
    minutes: Tuple[UsageMoment, ...] = ()
    second_ns: int = 1 << 30
    minute_ns: int = 1 << 36
