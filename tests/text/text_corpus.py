"""Where the real reports and the VM's kernel logs are, and the seed report."""

from __future__ import annotations

import io
from functools import cache
from pathlib import Path

from oomtrace.model import OomEvent
from oomtrace.text import read, replay, text
from tests.corpus import FOLDER as CORPUS
from tests.corpus import files, kernel_logs, needs_corpus

__all__ = ["CORPUS", "ROOT", "SEED", "events", "events_of", "files", "kernel_logs", "kernel_text", "needs_corpus"]

ROOT = Path(__file__).resolve().parents[2]


def events(data: object) -> list[OomEvent]:
    """The events in a text."""
    raw = data if isinstance(data, bytes) else str(data).encode("utf-8", "surrogateescape")
    return list(read(io.BytesIO(raw)))


@cache
def events_of(path: Path) -> tuple[OomEvent, ...]:
    """The events in a file, which several tests ask for."""
    return tuple(events(path.read_bytes()))


def kernel_text(event: OomEvent) -> str:
    """The event as the log had it, without prefixes."""
    return text(replay(event))


# The report that this project began with.
SEED = """\
[  122.078526] python invoked oom-killer: gfp_mask=0xd0, order=0, oom_score_adj=0
[  122.079475] python cpuset=/ mems_allowed=0
[  122.079960] CPU: 6 PID: 1399 Comm: python Not tainted 3.10.0-693.21.1.el7.x86_64 #1
[  122.080832] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 0.5.1 01/01/2011
[  122.081842] Call Trace:
[  122.082140]  [<ffffffff816ae7c8>] dump_stack+0x19/0x1b
[  122.082744]  [<ffffffff816a9b90>] dump_header+0x90/0x229
[  122.083358]  [<ffffffff811f5fc4>] ? try_get_mem_cgroup_from_mm+0x34/0x60
[  122.084240]  [<ffffffff811f5fb8>] ? try_get_mem_cgroup_from_mm+0x28/0x60
[  122.085092]  [<ffffffff8118a884>] oom_kill_process+0x254/0x3d0
[  122.085838]  [<ffffffff811f9cd6>] mem_cgroup_oom_synchronize+0x546/0x570
[  122.086717]  [<ffffffff811f9150>] ? mem_cgroup_charge_common+0xc0/0xc0
[  122.087478]  [<ffffffff8118b114>] pagefault_out_of_memory+0x14/0x90
[  122.088201]  [<ffffffff816a7f2e>] mm_fault_error+0x68/0x12b
[  122.088916]  [<ffffffff816bb741>] __do_page_fault+0x391/0x450
[  122.089587]  [<ffffffff816bb8e6>] trace_do_page_fault+0x56/0x150
[  122.090274]  [<ffffffff816baf7a>] do_async_page_fault+0x1a/0xd0
[  122.090962]  [<ffffffff816b7798>] async_page_fault+0x28/0x30
[  122.091618] Task in /foo killed as a result of limit of /foo
[  122.092279] memory: usage 1048576kB, limit 1048576kB, failcnt 677
[  122.092991] memory+swap: usage 1048576kB, limit 9007199254740988kB, failcnt 0
[  122.093820] kmem: usage 0kB, limit 9007199254740988kB, failcnt 0
[  122.094510] Memory cgroup stats for /foo: cache:56KB rss:1048520KB rss_huge:1038336KB mapped_file:0KB swap:0KB \
inactive_anon:0KB active_anon:1048520KB inactive_file:28KB active_file:28KB unevictable:0KB
[  122.096721] [ pid ]   uid  tgid total_vm      rss nr_ptes swapents oom_score_adj name
[  122.097647] [ 1243]     0  1243    29143      850      13        0             0 bash
[  122.098608] [ 1399]     0  1399  1007354   262500     527        0             0 python
[  122.099537] Memory cgroup out of memory: Kill process 1399 (python) score 973 or sacrifice child
[  122.100541] Killed process 1399 (python) total-vm:4029416kB, anon-rss:1048144kB, file-rss:1856kB, shmem-rss:0kB
"""
OTHER = SEED.replace("[  122.", "[  130.").replace("1399", "1400")  # another OOM of the same place
SEED_TEXT = "".join(line[15:] for line in SEED.splitlines(keepends=True))
OTHER_TEXT = "".join(line[15:] for line in OTHER.splitlines(keepends=True))
