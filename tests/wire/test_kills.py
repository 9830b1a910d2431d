"""Who died, who died along, and when the memory was free."""

from __future__ import annotations

from typing import Any

from oomtrace.model import Exiting, Reap, Release, Sharing
from oomtrace.wire import kills
from oomtrace.wire.records import RecordKind
from tests.wire.made import oom_records, record

ROW = {"pid": 7, "tgid": 7, "uid": 5, "comm": b"hog", "total_vm": 100, "anon_pages": 50, "file_pages": 3,
       "shmem_pages": 2, "pgtables_bytes": 8192, "oom_score_adj": -5}
KILL = record(RecordKind.KILL, 0, message=b"Out of memory", row=ROW)
KILLED = record(RecordKind.KILLED, 1, time_ns=99, row=ROW)


def _line(pid: int, **sizes: Any) -> Any:
    return record(RecordKind.KILL_LINE, 2, pid=pid, **sizes)


def test_a_kill_in_the_units_of_its_line() -> None:
    (kill,) = kills.kills(oom_records(KILL, KILLED))
    assert (kill.pid, kill.comm, kill.message, kill.time_ns) == (7, "hog", "Out of memory", 99)
    assert (kill.total_vm_kb, kill.anon_rss_kb, kill.file_rss_kb, kill.shmem_rss_kb) == (400, 200, 12, 8)
    assert (kill.pgtables_kb, kill.oom_score_adj, kill.uid) == (8, -5, 5)


def test_what_was_printed_wins_if_it_is_of_this_kill() -> None:
    (kill,) = kills.kills(oom_records(KILL, KILLED, _line(7, anon_kb=1, total_vm_kb=2)))
    assert (kill.anon_rss_kb, kill.total_vm_kb, kill.comm) == (1, 2, "hog")
    (other,) = kills.kills(oom_records(KILL, KILLED, _line(8, anon_kb=1)))
    assert other.anon_rss_kb == 200
    assert kills.kills(oom_records(_line(7))) == ()


def test_a_victim_without_memory_is_not_killed() -> None:
    assert kills.exiting(oom_records(KILL)) == Exiting(7, "hog", "Out of memory")
    assert kills.exiting(oom_records(KILL, KILLED)) is None
    assert kills.exiting(oom_records()) is None


def test_who_shares_the_victims_memory_dies_with_it() -> None:
    signalled = [record(RecordKind.SIGNALLED, row={"pid": pid, "tgid": pid, "comm": b"p"}) for pid in (7, 8, 8)]
    assert kills.sharing(oom_records(KILLED, *signalled)) == (Sharing(8, "p"),)


def test_releases_and_reaps() -> None:
    released = record(RecordKind.RELEASED, None, time_ns=5, tgid=7, anon_pages=9)
    reaped = record(RecordKind.REAPED, None, time_ns=6, pid=7, comm=b"hog", reaped=1, shmem_kb=4)
    unable = record(RecordKind.REAPED, None, time_ns=7, pid=8, comm=b"p", shmem_kb=4)
    records = oom_records(released, reaped, unable)
    assert kills.releases(records) == (Release(7, "exit", 5, 9),)
    assert kills.reaps(records) == (Reap(7, "hog", True, 0, 0, 4, 6), Reap(8, "p", False, None, None, None, 7))
