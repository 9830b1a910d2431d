"""What the architectures print in another way than x86 does."""

from __future__ import annotations

import pytest
from text_corpus import events, kernel_text

from oomtrace.formats import DIALECTS, ROWS, arch_of
from oomtrace.model import Frame, Machine, Stack
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

KILLED = """\
Out of memory: Killed process 900 (hog) total-vm:4kB, anon-rss:4kB, file-rss:0kB, shmem-rss:0kB, UID:0 pgtables:4kB \
oom_score_adj:0
"""
POWERPC_REGISTERS = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0-211.el10.ppc64le #1
Call Trace:
[c0000000100eb6a0] [c0000000010e8c98] dump_stack_lvl+0x88/0xd0 (unreliable)
--- interrupt: 300 at 0x10001f3c
NIP:  000000001000b1b0 LR: 000000001000b1b0 CTR: 00000000000000d8
REGS: c0000000100ebe80 TRAP: 0300   Not tainted  (6.12.0-211.el10.ppc64le)
MSR:  800000000280f033 <SF,VEC,VSX,EE,PR,FP,ME,IR,DR,RI,LE>  CR: 24002882  XER: 20040000
CFAR: 00007fff8b6f2c4c DAR: 00007fff7b2a0000 DSISR: 42000000 IRQMASK: 0
GPR00: 000000001000b1a4 00007ffff3b5b0a0 0000000010027f00 00007fff7b2a0000
GPR04: 0000000000000001 0000000000000000 0000000000000000 0000000000000000
NIP [000000001000b1b0] 0x1000b1b0
LR [000000001000b1b0] 0x1000b1b0
--- interrupt: 300
""" + KILLED
POWERPC_4 = HEAD + """\
CPU: 1 PID: 900 Comm: hog Not tainted 4.18.0-553.el8.ppc64le #1
Call Trace:
[c0000000100eb6a0] [c0000000010e8c98] dump_stack+0x88/0xd0 (unreliable)
[c0000000100eb6d0] [c0000000010c4dbc] dump_header+0x6c/0x2b4
[c0000000100eb6f0] [c0000000010c4dbd] 0xc0000000010c4dbd
--- interrupt: 300 at 0x10001f3c
    LR = 0x10001f38
""" + KILLED
ARM_4 = HEAD + """\
CPU: 1 PID: 900 Comm: hog Not tainted 4.14.79-v7+ #1
Hardware name: BCM2835
[<8010ffd8>] (unwind_backtrace) from [<8010c240>] (show_stack+0x20/0x24)
[<8010c240>] (show_stack) from [<80787a5c>] (dump_stack+0xd4/0x118)
[<8010d0d4>] (do_DataAbort) from [<8010d1e4>] (__dabt_usr+0x44/0x60)
Exception stack(0xaa7c1fb0 to 0xaa7c1ff8)
1fa0:                                     73f00000 00000000 00000001 00000000
1fc0: 00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
1fe0: 00000000 7ed9c5a8 00010420 00010424 60000010 ffffffff
""" + KILLED
ARM_EXCEPTION = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0 #1
Hardware name: BCM2835
Call trace:\x20
 unwind_backtrace from show_stack+0x18/0x1c
 show_stack from dump_stack_lvl+0x54/0x68
 do_DataAbort from __dabt_usr+0x58/0x60
Exception stack(0xf0a5dfb0 to 0xf0a5dff8)
dfa0:                                     73f00000 00000000 00000001 00000000
dfe0: 00000000 7ed9c5a8 00010420 00010424 60000010 ffffffff
""" + KILLED
ARM64_4 = HEAD + """\
CPU: 0 PID: 900 Comm: hog Not tainted 4.4.0-1-arm64 #1
Hardware name: ARM Juno (DT)
Call trace:
[<ffffffc000089e50>] dump_backtrace+0x0/0x118
[<ffffffc000089f7c>] show_stack+0x14/0x1c
""" + KILLED
ARM64_EXCEPTION = HEAD + """\
CPU: 0 PID: 900 Comm: hog Not tainted 4.4.38 #1
Hardware name: ARM Juno (DT)
Call trace:
[<ffffffc000089e50>] dump_backtrace+0x0/0x118
[<ffffffc0000811a8>] do_mem_abort+0x40/0xa0
Exception stack(0xffffffc0eb2e3ec0 to 0xffffffc0eb2e4000)
3ec0:                                   0000007f8c4e2000 ffffffffffffffff
3ee0: 0000000000000000 0000000000000001 0000007f8c3e4d10 0000000060000000
[<ffffffc0000843c4>] el0_da+0x18/0x1c
""" + KILLED
RISCV = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0-riscv64 #1
Hardware name: riscv-virtio,qemu (DT)
Call Trace:
[<ffffffff80006a4c>] dump_backtrace+0x1c/0x24
[<ffffffff80a1b5c0>] show_stack+0x2c/0x38
""" + KILLED
S390 = HEAD + """\
CPU: 3 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0 #1
Hardware name: IBM 8561 T01 (LPAR)
Call Trace:
 [<0000000122222222>] dump_stack_lvl+0x8a/0xb8
([<0000000133333333>] dump_header+0x62/0x258)
 [<0000000133333334>] out_of_memory+0x62/0x258
""" + KILLED
LOONGARCH = HEAD + """\
CPU: 1 UID: 0 PID: 900 Comm: hog Not tainted 6.12.0 #1
Hardware name: Loongson Loongson-3A5000, BIOS vUDK2018-LoongArch-V4.0 11/10/2021
Stack : 9000000757813a78 90000000012a36c0 9000000757810000 90000007578139a0
        0000000000000000 0000000000000000 00000000003182c9 900000000286a450
        ...
Call Trace:
[<9000000000209c5c>] show_stack+0x9c/0x190
[<90000000012a36bc>] dump_stack_lvl+0xa4/0xdc
""" + KILLED
MIPS = """\
hog invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0
CPU: 0 PID: 900 Comm: hog Not tainted 3.18.0 #1
Stack : 00000000 00000000 00000000 00000000 80e1fa7a 00000036 00000000 00000000
        00000000 00000000 00000000 00000000 00000000 00000000 00000000 00000000
        ...
Call Trace:
[<80015b40>] show_stack+0x48/0x70
[<80188e08>] dump_header.isra.5+0x68/0x1c4
"""
# Without CONFIG_KALLSYMS, as small routers are built.
MIPS_UNNAMED = """\
hog invoked oom-killer: gfp_mask=0x14201ca(GFP_HIGHUSER_MOVABLE|__GFP_COLD), nodemask=(null),  order=0, oom_score_adj=0
CPU: 0 PID: 900 Comm: hog Not tainted 4.14.41 #0
Stack : 00000000 00000000 00000000 00000000 805b7ad2 0000003e 00000000 00000000
        00000000 80550000 00061f36 00000000 80000000 00000000 80570000 804ea83c
        ...
Call Trace:
[<803772b8>] 0x803772b8
[<80233e24>] 0x80233e24
"""
MIPS_UNNAMED_3 = """\
hog invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0
CPU: 0 PID: 900 Comm: hog Not tainted 3.18.0 #1
Stack : 00000000 00000000 00000000 00000000 80e1fa7a 00000036 00000000 00000000
        ...
Call Trace:[<80245e28>] 0x80245e28
[<800a36b4>] 0x800a36b4
"""
ARM_UNNAMED = """\
hog invoked oom-killer: gfp_mask=0x201da, order=0, oom_score_adj=0
CPU: 0 PID: 900 Comm: hog Not tainted 3.18.0 #1
Backtrace:\x20
Function entered at [<c0014200>] from [<c0015020>]
Function entered at [<c0015000>] from [<c062fcd8>]
"""
RISCV_4 = """\
hog invoked oom-killer: gfp_mask=0x14200ca(GFP_HIGHUSER_MOVABLE), order=0, oom_score_adj=0
CPU: 1 PID: 900 Comm: hog Not tainted 4.15.0 #1
Call Trace:
[<ffffffe000026b3e>] walk_stackframe+0x0/0xaa
[<ffffffe000026c8e>] show_stack+0x1e/0x28
"""


@pytest.mark.parametrize("report, arch", [(ARM64, "arm64"), (ARM, "arm"), (POWERPC, "powerpc")])
def test_a_report_is_written_in_the_words_of_its_architecture(report: str, arch: str) -> None:
    event, = events(report)
    assert event.report.machine.arch == arch
    assert [line for line in event.origin.lines if line.row is None] == []
    assert kernel_text(event) == report == text(write(changed(event, lines=())))


@pytest.mark.parametrize("report, arch, frames", [
    (ARM64_4, "arm64", 2), (ARM64_EXCEPTION, "arm64", 3), (ARM_4, "arm", 3), (ARM_EXCEPTION, "arm", 3),
    (ARM_UNNAMED, "arm", 2), (POWERPC_4, "powerpc", 3), (POWERPC_REGISTERS, "powerpc", 1), (S390, "s390", 3),
    (RISCV, "riscv", 2), (MIPS, "mips", 2), (MIPS_UNNAMED, "mips", 2), (MIPS_UNNAMED_3, "mips", 2),
    (RISCV_4, None, 2), (LOONGARCH, None, 2),  # others print such lines, too
], ids=["arm64 4.4", "arm64 exception", "arm 4.14", "arm", "arm without names", "powerpc 4.18", "powerpc", "s390",
        "riscv", "mips", "mips without names", "mips 3.18 without names", "riscv 4.15", "loongarch"])
def test_traces_words_and_registers_of_all_eras_are_read(report: str, arch: "str | None", frames: int) -> None:
    event, = events(report)
    assert event.report.machine.arch == arch and event.report.stack is not None
    assert [line for line in event.origin.lines if line.row is None] == [] and kernel_text(event) == report
    assert sum(isinstance(entry, Frame) for entry in event.report.stack.entries) == frames


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
