"""What happened before the report and after it: charges, reclaim, and how the victim's memory came back."""

from __future__ import annotations

from typing import Callable, List, Optional, Tuple

from oomtrace.model import Exiting, Frame, Growth, Reap, Reclaim, Release, Sharing, Stack
from oomtrace.wire import stack
from oomtrace.wire.layout import ByKind, Record, text_of


def growth(by_kind: ByKind, begin_ns: int, path_of: Callable[[int], Optional[str]]) -> Tuple[Growth, ...]:
    """Who has charged how much in the seconds before, most first. Processes that have exited since are not in it."""
    found = {
        record.tgid: Growth(
            pid=record.tgid,
            comm=text_of(record.comm),
            charged_pages=record.pages,
            memcg=path_of(record.memcg),
            window_ns=max(0, begin_ns - record.since_ns),
        )
        for record in by_kind.get("REC_CHARGED", [])
    }
    return tuple(sorted(found.values(), key=lambda grown: -grown.charged_pages))


def reclaim(by_kind: ByKind, begin_ns: int) -> Optional[Reclaim]:
    """What the task that invoked the OOM killer had tried just before."""
    for record in by_kind.get("REC_EFFORT", []):
        return Reclaim(
            attempts=record.attempts,
            scanned_pages=record.scanned_pages,
            reclaimed_pages=record.reclaimed_pages,
            time_ns=begin_ns - record.since_ns,
        )
    return None


def failed_stack(by_kind: ByKind, name_of: Callable[[int], Optional[str]]) -> Optional[Stack]:
    """Where a charge that failed was made."""
    frames: List[Frame] = []
    for record in by_kind.get("REC_EFFORT", []):
        frames = [stack.frame(address, name_of(address)) for address in record.frames if address]
    return Stack(entries=tuple(frames)) if frames else None


def releases(by_kind: ByKind) -> Tuple[Release, ...]:
    """When each victim's memory was free. What the oom_reaper had taken before is not in the pages."""
    return tuple(
        Release(record.tgid, "exit", record.header.time_ns, record.anon_pages)
        for record in by_kind.get("REC_RELEASED", [])
    )


def reaps(by_kind: ByKind) -> Tuple[Reap, ...]:
    """What the oom_reaper printed."""
    return tuple(
        Reap(
            pid=record.pid,
            comm=text_of(record.comm),
            reaped=bool(record.reaped),
            anon_rss_kb=record.anon_kb if record.reaped else None,
            file_rss_kb=record.file_kb if record.reaped else None,
            shmem_rss_kb=record.shmem_kb if record.reaped else None,
            time_ns=record.header.time_ns,
        )
        for record in by_kind.get("REC_REAPED", [])
    )


def sharing(by_kind: ByKind) -> Tuple[Sharing, ...]:
    """Who was killed besides the victims, for having the same mm; kernels from 4.9 on do not say so."""
    victims = {record.row.tgid for record in by_kind.get("REC_KILLED", [])}
    found = {
        record.row.tgid: Sharing(record.row.pid, text_of(record.row.comm))
        for record in by_kind.get("REC_SIGNALLED", [])
        if record.row.tgid not in victims
    }
    return tuple(found.values())


def exiting(records: List[Record]) -> Optional[Exiting]:
    """The victim that __oom_kill_process found without an mm (find_lock_task_mm): it is not killed."""
    kills = [record for record in records if record.kind in ("REC_KILL", "REC_KILLED", "REC_SIGNALLED")]
    if len(kills) != 1 or kills[0].kind != "REC_KILL":
        return None
    row = kills[0].body.row
    return Exiting(row.pid, text_of(row.comm), text_of(kills[0].body.message))
