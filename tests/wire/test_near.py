"""A memcg that nears its limit, and how usage has gone; whose process it is."""

from __future__ import annotations

import re

from oomtrace.facts import Facts
from oomtrace.model import UsageMoment
from oomtrace.programs import source
from oomtrace.wire import history, who
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.near import NearCause, near
from oomtrace.wire.records import RecordKind
from tests.wire.made import oom_records, record

SECOND, MINUTE = 1 << 30, 1 << 36


def test_the_path_is_turned_round() -> None:
    names = b"b.scope\0a.slice\0"
    bell = near(record(RecordKind.NEAR, None, memcg=5, names=names, names_len=len(names), usage=9, max=10, cause=1))
    assert (bell.path, bell.usage_pages, bell.limit_pages) == ("/a.slice/b.scope", 9, 10)
    assert bell.cause is NearCause.STAYS_NEAR


def test_its_causes_are_the_kernel_side_s() -> None:
    header = source.file("records.h")
    (body,) = re.findall(r"enum near_cause \{(.*?)\};", header, re.DOTALL)
    assert {name: int(value) for name, value in re.findall(r"(\w+) = (\d+)", body)} == {
        cause.name: cause.value for cause in NearCause}


def test_the_whole_machine_has_no_path() -> None:
    assert near(record(RecordKind.NEAR, None, memcg=0, names=b"left over\0")).path is None


def test_seconds_and_minutes_without_what_is_left_over() -> None:
    now = 200 * SECOND + 7
    made = oom_records(
        record(RecordKind.BEGIN, 0, memcg=1),
        record(RecordKind.MEMCG, 1, memcg=1, parent=2, name=b"box"),
        record(RecordKind.MEMCG, 2, memcg=2, parent=0),
        record(RecordKind.HISTORY, 3, memcg=1,
               seconds=[(200, 50), (199, 40), (100, 30)], minutes=[(2, 20), (1, 10)]),
        facts=Facts(page_kb=4),
    )
    (found,) = history.histories(made, now, Memcgs(made))
    assert found.memcg == "/box"
    assert found.seconds == (UsageMoment(SECOND + 7, 160), UsageMoment(7, 200))
    assert found.minutes == (
        UsageMoment(now - MINUTE, 40), UsageMoment(now - 2 * MINUTE, 80), UsageMoment(now - 3 * MINUTE, 200))


def test_who_it_was() -> None:
    made = record(
        RecordKind.WHO, tgid=158, parent_tgid=1, comm=b"python3", parent_comm=b"sh", uid=33, start_ns=1_000,
        start_boot_ns=2_000, time_ns=101_000, level=1, pids=[158, 7], exe=b"python3.11\0bin\0usr\0", exe_len=19,
        exe_deleted=1, cmdline=b"python3\0-m\0etl.load\0", cmdline_len=20, cmdline_full_len=20,
    )
    (found,) = who.identities(oom_records(made, made))
    assert (found.pid, found.parent_pid, found.parent_comm) == (158, 1, "sh")
    assert (found.age_ns, found.start_ns) == (100_000, 2_000)
    assert found.exe == "/usr/bin/python3.11 (deleted)"
    assert found.cmdline == ("python3", "-m", "etl.load")
    assert (found.ns_pids, found.source) == ((158, 7), "bpf")


def test_another_process_has_no_command_line() -> None:
    (found,) = who.identities(oom_records(record(RecordKind.WHO, tgid=158, cmdline_full_len=20)))
    assert (found.cmdline, found.masked, found.exe, found.parent_pid) == (None, None, None, None)
