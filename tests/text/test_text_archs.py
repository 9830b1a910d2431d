"""What the architectures print in another way than x86 does."""

from __future__ import annotations

import pytest
from text_corpus import events, kernel_text

from oomtrace.formats import DIALECTS, ROWS, arch_of
from oomtrace.model import Machine, Stack
from oomtrace.text import text, write
from tests.events import changed, made

HEAD = "hog invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0\n"
ARM64 = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.18.3 #1 PREEMPT\x20
Hardware name: linux,dummy-virt (DT)
Call trace:
 show_stack+0x20/0x40 (C)
 dump_stack_lvl+0x60/0x80
 dump_header+0x48/0x1a0
 out_of_memory+0x214/0x5a8
Out of memory: Killed process 900 (hog) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB \
oom_score_adj:0
"""
ARM = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0 #442
Hardware name: STM32 (Device Tree Support)
Call trace:\x20
 unwind_backtrace from show_stack+0x10/0x14
 show_stack from dump_stack_lvl+0x50/0x64
 dump_stack_lvl from dump_header+0x80/0x12c
Out of memory: Killed process 900 (hog) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB \
oom_score_adj:0
"""
POWERPC = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0 #1
Hardware name: IBM pSeries (emulated by qemu) POWER9 (raw) 0x4e1202 0xf000005 of:SLOF,HEAD hv:linux,kvm pSeries
Call Trace:
[c0000000100eb6a0] [c0000000010e8c98] dump_stack_lvl+0x88/0xd0 (unreliable)
[c0000000100eb6d0] [c0000000010c4dbc] dump_header+0x6c/0x2b4
Out of memory: Killed process 900 (hog) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB \
oom_score_adj:0
"""


@pytest.mark.parametrize("report, arch", [(ARM64, "arm64"), (ARM, "arm"), (POWERPC, "powerpc")])
def test_a_report_is_written_in_the_words_of_its_architecture(report: str, arch: str) -> None:
    event, = events(report)
    assert event.report.machine.arch == arch
    assert [line for line in event.origin.lines if line.row is None] == []
    assert kernel_text(event) == report == text(write(changed(event, lines=())))


def test_the_architecture_is_beside_the_distribution() -> None:
    event = made(machine=Machine(release="6.12.1", package="Debian 6.12.1-1", version="#1", arch="arm64"),
                 stack=Stack(), kind="global")
    assert [record.text for record in write(event)] == ["Call trace:"]


@pytest.mark.parametrize("release, arch", [
    ("6.12.117+deb13-cloud-arm64", "arm64"), ("5.14.0-570.el9.aarch64", "arm64"),
    ("5.14.0-570.el9.aarch64+64k", "arm64"),
    ("4.18.0-553.el8.ppc64le", "powerpc"), ("5.3.18-150300.59-default", None), ("6.1.0-9-armmp", "arm"),
    ("5.14.0-70.el9.s390x", "s390"), ("6.5.0-15-generic", None), ("3.10.0-693.el7.x86_64", None),
    ("5.15.0-riscv64", "riscv"), ("6.1.0-13-686-pae", None), ("4.9.0-8-i686", "i386"),
])
def test_releases_that_name_their_architecture(release: str, arch: "str | None") -> None:
    assert arch_of(release, ()) == arch


def test_rows_that_several_architectures_print_tell_none_of_them() -> None:
    shared = [row for row in ROWS.values() if len(row.archs) > 1]
    assert shared and arch_of(None, shared[:1]) is None


def test_a_dialect_is_the_same_where_an_architecture_has_nothing_of_its_own() -> None:
    for dialect in DIALECTS.values():
        assert dialect.on(None) is dialect.on("x86_64") is dialect
        assert dialect.on("arm64").rows["killed"] == dialect.rows["killed"]
