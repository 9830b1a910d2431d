"""Shapes of logs that people published, in lines made here: old kernels, other architectures, mail, damaged files."""

from __future__ import annotations

import gzip
import lzma
from pathlib import Path
from typing import Any

import pytest
from text_corpus import SEED, SEED_TEXT, events, kernel_text

from oomtrace import why
from oomtrace.errors import OomtraceError
from oomtrace.model import Frame
from oomtrace.text import read
from oomtrace.text.source import opened

ARM = """\
daemon_a invoked oom-killer: gfp_mask=0x200da, order=0, oom_adj=-17, oom_score_adj=-1000
Backtrace:\x20
[<c0011111>] (dump_backtrace+0x0/0x10c) from [<c0522222>] (dump_stack+0x18/0x1c)
 r6:000200da r5:00000000 r4:c3000000 r3:00000000
[<c0533333>] (dump_stack+0x0/0x1c) from [<c0144444>] (dump_header.isra.7+0x74/0x170)
Mem-info:
Normal per-cpu:
CPU    0: hi:  186, btch:  31 usd:   0
active_anon:82430 inactive_anon:2090 isolated_anon:0
 active_file:6 inactive_file:18 isolated_file:0
 unevictable:0 dirty:0 writeback:0 unstable:0
 free:2044 slab_reclaimable:1000 slab_unreclaimable:2000
 mapped:3024 shmem:2120 pagetables:3000 bounce:0
131072 pages of RAM
2500 free pages
4000 reserved pages
3000 slab pages
1200 pages shared
0 pages swap cached
[ pid ]   uid  tgid total_vm      rss cpu oom_adj oom_score_adj name
[   80]     0    80       78       31   0     -16          -941 daemon_b
Out of memory: Kill process 42 (daemon_b) score 588 or sacrifice child
Killed process 42 (daemon_b) total-vm:524828kB, anon-rss:17972kB, file-rss:1340kB
"""
S390 = """\
worker invoked oom-killer: gfp_mask=0x100cca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
CPU: 3 PID: 77 Comm: worker Not tainted 5.4.0-1-generic #1
Hardware name: IBM 8561 T01 (LPAR)
Call Trace:
([<0000000111111111>] show_stack+0x7a/0xc0)
 [<0000000122222222>] dump_stack+0x8a/0xb8\x20
 [<0000000133333333>] dump_header+0x62/0x258\x20
"""
SQUEEZE = """\
worker invoked oom-killer: gfp_mask=0x201da, order=0, oom_adj=0
[ pid ]   uid  tgid total_vm      rss cpu oom_adj name
[  300]     0   300     4000      120   0     -17 udevd
Out of memory: kill process 400 (worker) score 90231 or a child
"""


@pytest.mark.parametrize("report", [ARM, S390, SQUEEZE], ids=["arm", "s390", "2.6.32"])
def test_each_line_has_a_row(report: str) -> None:
    event, = events(report)
    assert [line for line in event.origin.lines if line.row is None] == []
    assert kernel_text(event) == report


def test_frames_of_old_arm_kernels_name_both_functions() -> None:
    stack = events(ARM)[0].report.stack
    assert stack is not None
    assert stack.entries[0] == Frame("dump_stack", 0x18, 0x1c, address=0xc0522222, called="dump_backtrace",
                                     called_address=0xc0011111, called_offset=0, called_size=0x10c)


def _stamped(texts: list[str]) -> list[str]:
    return [f"[  122.{number:06d}] {line}" for number, line in enumerate(texts)]


def test_a_blank_more_behind_the_time() -> None:
    log = "".join(line.replace("] ", "]  ", 1) + "\n" for line in _stamped(SEED_TEXT.splitlines()))
    event, = events(log)
    assert kernel_text(event).splitlines()[2:] == SEED_TEXT.splitlines()[2:]  # a name may begin with a blank


@pytest.mark.parametrize("between", ["What does this mean? I have no idea.", "> On Monday, somebody wrote:", "Thanks,"])
def test_words_of_people_between_the_lines(between: str) -> None:
    lines = _stamped(SEED_TEXT.splitlines())
    event, = events("\n".join([*lines[:9], between, *lines[9:]]) + "\n")
    assert kernel_text(event) == SEED_TEXT


def test_a_line_without_prefix_that_may_be_the_kernels_stays() -> None:
    lines = _stamped(SEED_TEXT.splitlines())
    event, = events("\n".join([*lines[:22], " shiny_new:12 counters:34", *lines[22:]]) + "\n")
    assert [line.text for line in event.origin.lines if line.row is None] == [" shiny_new:12 counters:34"]


def test_what_a_console_was_writing_is_not_of_the_name() -> None:
    found = events("> Making things (12 parts): [   31.251333] mkfs.any invoked\n"
                   "> oom-killer: gfp_mask=0x101cc0(GFP_USER|__GFP_WRITE), order=0, oom_score_adj=0\n"
                   "> [   31.300000] Out of memory: Killed process 7 (hog) total-vm:1kB, anon-rss:1kB, file-rss:0kB\n")
    assert [event.report.trigger.comm for event in found] == ["mkfs.any"]


def test_a_lockup_within_an_oom_is_no_report() -> None:
    trace = ["watchdog: BUG: soft lockup - CPU#2 stuck for 26s! [worker:77]", " oom_kill_process+0x124/0x290",
             " out_of_memory+0x194/0x4b8", " mem_cgroup_out_of_memory+0xcc/0x110"]
    assert events("\n".join(_stamped(trace)) + "\n") == []


def test_the_last_lines_of_a_groups_kill_are_one_report() -> None:
    sizes = "total-vm:50276kB, anon-rss:48856kB, file-rss:0kB, shmem-rss:408kB, UID:0 pgtables:136kB oom_score_adj:0"
    event, = events("Tasks in /a are going to be killed due to memory.oom.group set\n"
                    f"Memory cgroup out of memory: Killed process 90 (hog) {sizes}\n"
                    f"Memory cgroup out of memory: Killed process 91 (hog) {sizes}\n")
    assert [kill.pid for kill in event.report.kills] == [90, 91] and event.report.oom_group == "/a"


@pytest.mark.parametrize("module", [gzip, lzma])
def test_what_comes_before_the_damage_is_read(module: Any, tmp_path: Path) -> None:
    path = tmp_path / "log"
    packed = module.compress(SEED.encode() + bytes(range(256)) * 500)
    path.write_bytes(packed[:-20])
    found = []
    with opened(str(path)) as stream, pytest.raises(OomtraceError):
        for event in read(stream):
            found.append(kernel_text(event))
    assert found == [SEED_TEXT]


@pytest.mark.parametrize("line", [
    "oom-kill:constraint=CONSTRAINT_MEMCG,nodemask=(null),cpuset=c,mems_allowed=0,oom_memcg=/a,task_memcg=/a,task=hog",
    "Task in /a/b killed as a result of limit of /a",
])
def test_a_line_cut_anywhere_can_be_explained(line: str) -> None:
    """What is cut off is unknown, and nothing else."""
    killed = "Memory cgroup out of memory: Killed process 9 (hog) total-vm:1kB, anon-rss:1kB, file-rss:0kB"
    for end in range(1, len(line)):
        for event in events(f"{line[:end]}\n{killed}\n"):
            assert why.explain(event)
            path = event.report.memcg.path if event.report.memcg is not None else None
            assert path in (None, "/a") or line.startswith("Task"), end


def test_outlines_tell_the_same_pattern() -> None:
    """Of the events of a log no more than that is kept."""
    found = events(SEED + SEED.replace("1399", "1400").replace("[  122.", "[  130.") + SEED.replace("/foo", "/bar"))
    assert len(found) == 3
    assert why.pattern([why.outline(event) for event in found]) == why.pattern(found)
    assert len(repr(why.outline(found[0]))) < len(repr(found[0])) / 2


def test_a_name_in_a_kill_line_that_ends_behind_it() -> None:
    log = (b"[73962.015773] Memory cgroup out of memory: Killed process 3370438 (crosvm) ....\n"
           b"[73964.085773] Out of memory: Killed process 4171373 (tmux: server)\n"
           b"[73965.085773] Out of memory: Killed process 4171374 (tmux: ser\n")
    assert [event.report.kills[0].comm for event in events(log)][:2] == ["crosvm", "tmux: server"]
    assert not events(log)[2].report.kills[0].comm


def test_a_line_copied_from_its_middle_on() -> None:
    """The first line of what was marked with the mouse has no host."""
    log = (b"[   65.470256] oom-kill:constraint=CONSTRAINT_CPUSET,nodemask=(null),cpuset=test,mems_allowed=0,"
           b"global_oom,task_memcg=/a,task=hog,pid=1968,uid=0\n"
           b"Apr  4 09:08:53 debian kernel: [   65.481992] Out of memory: Killed process 1968 (hog) total-vm:2099kB, "
           b"anon-rss:1971kB, file-rss:102kB, shmem-rss:0kB, UID:0 pgtables:3904kB oom_score_adj:0\n")
    event, = events(log)
    assert event.kind == "cpuset" and event.report.kills
    later = events(log.replace(b"65.481992", b"95.481992"))
    assert len(later) == 2
