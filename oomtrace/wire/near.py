"""Records → a memcg that is new or nears its limit, or a machine that has begun to reclaim: when to look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Optional

from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.records import Chars, RecNear


class NearCause(IntEnum):
    """Why the bell has rung: ``enum near_cause`` (bpf/records.h)."""

    NEARS = 0
    STAYS_NEAR = 1
    FIRST_CHARGED = 2


@dataclass(frozen=True)
class Near:
    """The bell. ``memcg`` is its address and ``path`` its path, 0 and None for the whole machine. ``time_ns``:
    CLOCK_MONOTONIC. ``tgid``: the process that charged, or reclaims."""

    time_ns: int
    memcg: int
    path: Optional[str]
    usage_pages: int
    limit_pages: int
    tgid: int
    cause: NearCause


def near(record: TraceRecord) -> Near:
    """What a record of kind NEAR says."""
    body = record.read(RecNear)
    path = path_of(body.names, body.names_len) if body.memcg else None
    return Near(record.time_ns, body.memcg, path, body.usage, body.max, body.tgid,
                NearCause(body.cause))


def path_of(names: Chars, length: int) -> str:
    """The path of names that stand one after the other, the last of the path first, each with a NUL."""
    parts = bytes(names)[:length].decode("utf-8", "surrogateescape").split("\0")
    return "/" + "/".join(reversed(parts[:-1]))
