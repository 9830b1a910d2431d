"""Logs of kill lines alone: a line a kill instead of a screen."""

from __future__ import annotations

import io
import re

import pytest

from oomtrace import output, text, why
from oomtrace.model import OomEvent
from oomtrace.output.kills import is_bare

SIZES = "total-vm:4262324kB, anon-rss:2031288kB, file-rss:12kB"
LINES = (  # what kernels from 2.6.32 on print
    f"Killed process 1001 (perl) {SIZES.replace('total-vm', 'vsz')}",
    f"Killed process 1002, UID 27, (mysqld) {SIZES}",
    f"Killed process 1003 (mysqld) {SIZES}",
    f"Killed process 1004 (mysqld), UID 27, {SIZES}, shmem-rss:0kB",
    f"Killed process 1005 (mysqld) {SIZES}, shmem-rss:0kB",
    f"Out of memory: Killed process 1006 (java) {SIZES}, shmem-rss:0kB",
    f"Memory cgroup out of memory: Killed process 1007 (java) {SIZES}, shmem-rss:0kB, UID:1000",
    f"Memory cgroup out of memory: Killed process 1008 (Web Content) {SIZES}, shmem-rss:0kB, UID:1000 pgtables:4140kB "
    "oom_score_adj:300",
)
MANY = [line.replace(" 10", f" {5 + number}0") for number in range(3) for line in LINES]


def log(lines: list[str]) -> bytes:
    return "".join(f"Jan  2 09:{number:02}:00 node1 kernel: [ {1000 + 60 * number}.000001] {line}\n"
                   for number, line in enumerate(lines)).encode()


def events(data: bytes) -> list[OomEvent]:
    return list(text.read(io.BytesIO(data)))


def written(form: str, found: list[OomEvent], waits: bool = True) -> str:
    stream = io.StringIO()
    writer = output.writer(form, stream)
    writer.waits = waits
    for event in found:
        writer.event(event)
    writer.finish(why.pattern(found))
    return stream.getvalue()


def test_a_line_a_kill_and_then_the_pattern() -> None:
    found = events(log(MANY))
    assert len(found) == len(MANY) == 24 and all(map(is_bare, found))
    lines = written("why", found).splitlines()
    for event in found:
        kill = event.report.victim
        assert kill is not None
        assert sum(line.endswith(f"  {kill.comm} ({kill.pid})") for line in lines) == 1
    assert len(lines) < len(found) + 15
    assert re.match("24 OOMs", next(line for line in lines if "OOMs" in line))


@pytest.mark.parametrize("number, row", [
    (0, "Jan 2 09:00:00 ? 1.9 GiB ? perl (1001)"), (5, "Jan 2 09:05:00 the machine 1.9 GiB ? java (1006)"),
    (6, "Jan 2 09:06:00 a cgroup 1.9 GiB ? java (1007)"),
    (7, "Jan 2 09:07:00 a cgroup 1.9 GiB 300 Web Content (1008)"),
])
def test_what_a_row_tells(number: int, row: str) -> None:
    rows = [" ".join(line.split()) for line in written("why", events(log(list(LINES)))).splitlines()]
    assert row in rows


def test_text_has_the_kernel_s_lines_too() -> None:
    found = events(log(MANY))
    said = written("text", found)
    assert all(said.count(line) == 1 for line in MANY)
    assert said.count("-- why --") == 1


def test_one_alone_is_explained_and_so_is_what_may_not_wait() -> None:
    found = events(log(list(LINES[:2])))
    assert "held  oom_score_adj" not in written("why", found[:1])
    assert written("why", found[:1]) == written("why", found[:1], waits=False)
    assert "held  oom_score_adj" not in written("why", found, waits=False)


def test_silence_ends_the_wait() -> None:
    stream = io.StringIO()
    writer = output.writer("why", stream)
    writer.waits = True
    writer.event(events(log(list(LINES[:1])))[0])
    assert stream.getvalue() == ""
    writer.settle()
    assert "perl (1001)" in stream.getvalue()


def test_a_whole_report_stands_apart() -> None:
    whole = (b"[  10.000001] Out of memory: Killed process 5 (a) total-vm:8kB, anon-rss:4kB, file-rss:0kB, "
             b"shmem-rss:0kB\n[  90.000001] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, "
             b"oom_score_adj=0\n[  90.000002] Mem-Info:\n"
             b"[  90.000002] Out of memory: Killed process 6 (hog) total-vm:8kB, anon-rss:4kB, "
             b"file-rss:0kB, shmem-rss:0kB\n")
    found = events(whole)
    assert [is_bare(event) for event in found] == [True, False]
    assert "oom_score_adj  victim" not in written("why", found)
    assert written("why", found) == written("why", found, waits=False)


def test_three_lines_a_kill_are_a_row_as_well() -> None:
    """grep -E 'invoked|oom-kill|Killed process' leaves who asked, what was full, and who was killed."""
    path = "/docker/" + "4f2d8e9a1b3c5d7e" * 4
    three = "".join(
        f"Jan  2 09:{number:02}:00 n kernel: {line}\n" for number in range(3) for line in (
            "php invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
            f"oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg={path},"
            f"task_memcg={path},task=php,pid={70 + number},uid=33",
            f"Memory cgroup out of memory: Killed process {70 + number} (php) {SIZES}, shmem-rss:0kB, UID:33 "
            "pgtables:40kB oom_score_adj:0"))
    lines = written("why", events(three.encode())).splitlines()
    assert lines[0] == "Of these kills the log has no task tables:"
    assert [line.split()[-2:] for line in lines[3:6]] == [["php", "(70)"], ["php", "(71)"], ["php", "(72)"]]
    assert all("container 4f2d8e9a1b3c (docker)" in line for line in lines[3:6])
    assert len({line.index("php (") for line in lines[3:6]}) == 1
