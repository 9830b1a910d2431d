"""Start to attached, and resident memory, beside the peers in one boot."""

from __future__ import annotations

import statistics

from ..spec import RunSpec
from .guest import measure, table

ROUNDS = 5
PEER, STOCK = "bpftrace oomkill.bt", "oomkill-bpfcc"

ABOUT = f"""\
From starting the command to the kernel listing its kprobe on `oom_kill_process`, or oomtrace's last, `out_of_memory`
(`/sys/kernel/debug/kprobes/list`, asked every 20 ms), and resident memory once it stays the same for 2 s; the least of
{ROUNDS} starts in turns (two of oomkill-bpfcc), all in one boot of a guest with 2 CPUs and 1 GiB. "First" is the first
start of the boot, with nothing in the page cache; for oomtrace also with no programs kept for this kernel yet, so that
it compiles them. oomkill-bpfcc compiles against the kernel's headers at every start, oomtrace needs none. To reach: at
most 1.0 × bpftrace, at most 1/8 of oomkill-bpfcc, memory at most bpftrace's.

A later start's time goes (6.12, profiled) into Python and click for two fifths, oomtrace's own modules for a sixth, the
kernel's verifier for a sixth, attaching the 29 probes for a quarter. The first start's goes into clang, which bpftrace
uses, too, but on a program of a few lines instead of 2,300: loading bcc takes 1.5 s, LLVM's first use 1.6, compiling 7,
or 10 while nothing of LLVM is in any cache (6.1, in one process; where there are CPUs and memory for it, two share the
programs).
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, variant="bench", timeout=900), f"bench_start.py {ROUNDS}")
    least = {name: min(seconds for seconds, _ in runs) for name, runs in found.items()}
    rows = []
    for name, runs in found.items():
        memory = statistics.median(kilobytes for _, kilobytes in runs) / 1000
        ratio = least[name] / least[PEER]
        rows.append([name, f"{runs[0][0]:.1f}", f"{least[name]:.2f}", f"{ratio:.2f}", f"{memory:.0f}"])
    text = table("command|first start, s|later, s|× bpftrace|resident, MB", rows)
    return f"{text}\noomtrace takes 1/{least[STOCK] / least['oomtrace']:.0f} of the time of oomkill-bpfcc.\n"
