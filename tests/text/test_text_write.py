"""Events printed: as a dialect's kernel does, and as the log had them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Optional

import pytest
from text_corpus import SEED, SEED_TEXT, events, events_of, files, kernel_logs, kernel_text
from text_forms import records

from oomtrace.formats import DIALECTS
from oomtrace.model import Kill, Machine, Memcg, MemcgStats, OomEvent, PageCounter, Stack, Summary, Task, Trigger
from oomtrace.text import dialect_of, text, write
from tests.events import changed, made

pytestmark = pytest.mark.first


def _kernel_records(path: Path) -> list[str]:
    """What the kernel printed of reports in a VM's log, by looking at nothing but their first and last lines."""
    found: list[str] = []
    inside = False
    for record in records(path.read_bytes()):
        first = record.lines[0]
        if first.startswith(("sysrq: Manual OOM", "oom_kill_process: ")) or " invoked oom-killer: " in first:
            inside = True
        told = "Killed process" in first or first.startswith(("Tasks in ", "oom_reaper: "))
        if (inside or told) and not first.startswith("clocksource: "):
            found.append("\n".join(record.lines))
        if "Killed process" in first or first.startswith("Out of memory and no killable"):
            inside = False
    return found


@pytest.mark.parametrize("path", kernel_logs(), ids=lambda path: path.stem)
def test_the_dialect_prints_what_the_kernel_printed(path: Path) -> None:
    """Read, and written again from the values alone, without the memory of how the log looked."""
    written = [record.text for event in events_of(path) for record in write(changed(event, lines=()))]
    assert written == _kernel_records(path)


@pytest.mark.parametrize("name", ["3.10-el7", pytest.param("4.19", marks=pytest.mark.long),
                                  pytest.param("5.10-debian", marks=pytest.mark.long), "7.3"])
def test_every_report_in_other_dialects(name: str) -> None:
    for path in files("real") + kernel_logs():
        for event in events_of(path):
            for record in write(event, DIALECTS[name]):
                assert "None" not in record.text


def test_the_seed_in_its_own_dialect() -> None:
    event, = events(SEED)
    assert dialect_of(event).name == "3.10-el7"
    assert text(write(changed(event, lines=()))) == SEED_TEXT


def test_the_seed_in_todays_words() -> None:
    event, = events(SEED)
    lines = text(write(event, DIALECTS["6.12"])).splitlines()
    assert lines[0] == "python invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
    assert f"[   1399]     0  1399  1007354   262500 {'':44}0             0 python" in lines
    assert lines[-2] == ("oom-kill:constraint=CONSTRAINT_MEMCG,cpuset=/,mems_allowed=0,oom_memcg=/foo,task_memcg=/foo,"
                         "task=python,pid=1399,uid=0")
    assert lines[-1] == ("Memory cgroup out of memory: Killed process 1399 (python) total-vm:4029416kB, "
                         "anon-rss:1048144kB, file-rss:1856kB, shmem-rss:0kB")
    assert not any(line.startswith(("Memory cgroup stats", "Task in", "python cpuset")) for line in lines)


def _live() -> OomEvent:
    """An event as a live trace has it: no lines, sampling times by part."""
    return made(
        kind="memcg", source="live", machine=Machine(release="6.5.0", version="#1", taint="Not tainted"),
        trigger=Trigger(comm="hog", pid=7, cpu=1, gfp_mask=0xcc0, order=0, oom_score_adj=0),
        stack=Stack(), memcg=Memcg(path="/a", memory=PageCounter(1024, 1024, 3), stats=(
            MemcgStats("/a", {"anon": 4096, "newer_name": 1}, "bytes"),)),
        tasks=(Task(7, "hog", uid=0, tgid=7, total_vm_pages=1, rss_pages=2, pgtables_bytes=4096, swapents_pages=0,
                    oom_score_adj=0),),
        summary=Summary("CONSTRAINT_MEMCG", "(null)", "/", "0", None, "/a", "/a", "hog", 7, 0),
        kills=(Kill(7, "hog", "Memory cgroup out of memory", time_ns=5_000_001_000),),
        times_ns={"header": 1_000_002_000, "stats": 2_000_000_000},
    )


def test_a_live_event() -> None:
    lines = text(write(_live()), timestamps=True).splitlines()
    assert lines == [
        "[    1.000002] hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
        "[    1.000002] CPU: 1 PID: 7 Comm: hog Not tainted 6.5.0 #1",
        "[    1.000002] Call Trace:",
        "[    1.000002] memory: usage 1024kB, limit 1024kB, failcnt 3",
        "[    2.000000] Memory cgroup stats for /a:",
        "[    2.000000] anon 4096",
        "[    2.000000] newer_name 1",
        "[    2.000000] Tasks state (memory values in pages):",
        "[    2.000000] [  pid  ]   uid  tgid total_vm      rss pgtables_bytes swapents oom_score_adj name",
        "[    2.000000] [      7]     0     7        1        2     4096        0             0 hog",
        "[    2.000000] oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,"
        "task_memcg=/a,task=hog,pid=7,uid=0",
        "[    5.000001] Memory cgroup out of memory: Killed process 7 (hog)",
    ]


def test_statistics_are_one_record_up_to_6_4() -> None:
    one = [record for record in write(_live(), DIALECTS["6.3"]) if record.kind == "stat"]
    assert [record.text for record in one] == ["anon 4096"]  # the other name is not of 6.3
    event = changed(_live(), machine=Machine(release="6.3.0"))
    one = [record for record in write(event) if record.kind == "stat"]
    assert [record.text for record in one] == ["anon 4096\nnewer_name 1"]
    assert text(one, timestamps=True) == "[    0.000000] anon 4096\n[    0.000000] newer_name 1\n".replace(
        "0.000000", "2.000000")


def test_a_record_is_cut_where_the_kernel_cuts_it() -> None:
    """mem_cgroup_print_oom_meminfo() of 5.3 to 6.4 prints the list with one printk, which holds 989 bytes."""
    event = changed(_live(), machine=Machine(release="5.10.0"), memcg=Memcg(stats=(
        MemcgStats("/a", {f"counter_{number}": 10**11 for number in range(60)}, "bytes"),)))
    one, = [record.text for record in write(event) if record.kind == "stat"]
    assert len(one) == 989


def test_an_empty_event_prints_nothing() -> None:
    for dialect in DIALECTS.values():
        assert write(OomEvent(), dialect) == []


def test_a_round_trip_is_the_same_event() -> None:
    """What is printed without prefixes reads back to the same values."""
    for path in kernel_logs():
        for event in events_of(path):
            again = events(kernel_text(event))
            assert len(again) == 1
            assert _timeless(again[0]) == _timeless(event)


def _timeless(event: OomEvent) -> OomEvent:
    kills = tuple(replace(kill, time_ns=None) for kill in event.report.kills)
    return changed(event, lines=(), missing=(), unprinted_reason=None, kills=kills)


@pytest.mark.parametrize("release, cpu_line, read_back", [
    ("6.1.9-own", "CPU: 0 PID: 7 Comm: hog Not tainted 6.1.9-own #1 ", ""),
    ("6.12.9-own", "CPU: 0 UID: 0 PID: 7 Comm: hog Not tainted 6.12.9-own #1 ", None),
    ("6.18.9-own", "CPU: 0 UID: 0 PID: 7 Comm: hog Not tainted 6.18.9-own #1 PREEMPT(lazy)  ", ""),
])
def test_of_debians_sources_compiled_by_others_the_package_is_a_blank(
    release: str, cpu_line: str, read_back: Optional[str]
) -> None:
    """debian/patches/debian/version.patch prints LINUX_PACKAGE_ID, an empty one too. In a log of 6.12 to 6.14 the blank
    may as well be the one that 6.15 prints where a build id would follow, so nothing is concluded from it."""
    machine = Machine(release=release, version="#1", package="", taint="Not tainted", kdump_loaded=False,
                      preempt="PREEMPT(lazy)" if "6.18" in release else None)
    task = Trigger("hog", 7, cpu=0, uid=0, gfp_mask=0xcc0, order=0, oom_score_adj=0)
    lines = [record.text for event in [made(trigger=task, machine=machine)] for record in write(event)]
    assert cpu_line in lines
    header = "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0"
    (read,) = events("".join(f"[    1.000000] {line}\n" for line in (header, cpu_line)).encode())
    assert read.report.machine.package == read_back and read.report.machine.preempt == machine.preempt
