"""Records → the kills, and what became of them: who died, who died along, when the memory was free."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.model import Exiting, Kill, Reap, Release, Sharing
from oomtrace.wire.layout import text_of
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecKillLine, RecordKind, RecReaped, RecReleased, RecTask, TaskRow

_OF_KILLS = frozenset((RecordKind.KILL, RecordKind.KILLED, RecordKind.KILL_LINE))
_OF_DEATHS = frozenset((RecordKind.KILL, RecordKind.KILLED, RecordKind.SIGNALLED))


def kills(records: OomRecords) -> tuple[Kill, ...]:
    """In order, each with the message before it and with the sizes that were printed, if they were."""
    found: list[Kill] = []
    message: Optional[str] = None
    for record in records.of(_OF_KILLS):
        if record.kind is RecordKind.KILL:
            message = text_of(record.read(RecTask).message)
        elif record.kind is RecordKind.KILLED:
            found.append(_kill(record.read(RecTask).row, message, record.time_ns, records.facts.page_kb))
        elif found:
            line = record.read(RecKillLine)
            found[-1] = _as_printed(found[-1], line) if found[-1].pid == line.pid else found[-1]
    return tuple(found)


def _kill(row: TaskRow, message: Optional[str], time_ns: int, page_kb: int) -> Kill:
    return Kill(
        pid=row.pid,
        comm=text_of(row.comm),
        message=message,
        uid=row.uid,
        total_vm_kb=row.total_vm * page_kb,
        anon_rss_kb=row.anon_pages * page_kb,
        file_rss_kb=row.file_pages * page_kb,
        shmem_rss_kb=row.shmem_pages * page_kb,
        pgtables_kb=row.pgtables_bytes >> 10,
        oom_score_adj=row.oom_score_adj,
        time_ns=time_ns,
    )


def _as_printed(kill: Kill, line: RecKillLine) -> Kill:
    """With the sizes that printk got."""
    return replace(
        kill, total_vm_kb=line.total_vm_kb, anon_rss_kb=line.anon_kb, file_rss_kb=line.file_kb,
        shmem_rss_kb=line.shmem_kb, pgtables_kb=line.pgtables_kb,
    )


def exiting(records: OomRecords) -> Optional[Exiting]:
    """The victim that __oom_kill_process found without an mm (find_lock_task_mm): it is not killed."""
    found = records.of(_OF_DEATHS)
    if len(found) != 1 or found[0].kind is not RecordKind.KILL:
        return None
    kill = found[0].read(RecTask)
    return Exiting(kill.row.pid, text_of(kill.row.comm), text_of(kill.message))


def sharing(records: OomRecords) -> tuple[Sharing, ...]:
    """Who was killed besides the victims, for having the same mm; kernels from 4.9 on do not say so."""
    victims = {record.row.tgid for record in records.all(RecordKind.KILLED, RecTask)}
    found = {
        record.row.tgid: Sharing(record.row.pid, text_of(record.row.comm))
        for record in records.all(RecordKind.SIGNALLED, RecTask)
        if record.row.tgid not in victims
    }
    return tuple(found.values())


def releases(records: OomRecords) -> tuple[Release, ...]:
    """When each victim's memory was free. What the oom_reaper had taken before is not in the pages."""
    return tuple(
        Release(record.tgid, "exit", record.header.time_ns, record.anon_pages)
        for record in records.all(RecordKind.RELEASED, RecReleased)
    )


def reaps(records: OomRecords) -> tuple[Reap, ...]:
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
        for record in records.all(RecordKind.REAPED, RecReaped)
    )
