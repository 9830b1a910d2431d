"""Start to attached, and resident memory, beside the peers in one boot."""

from __future__ import annotations

import statistics
import subprocess
from pathlib import Path

from ..errors import VmError
from ..payload import REPOSITORY
from ..spec import RunSpec
from .guest import measure, table

ROUNDS = 5
PEER, STOCK = "bpftrace oomkill.bt", "oomkill-bpfcc"

ABOUT = f"""\
From starting the command to the kernel listing its kprobe on `oom_kill_process`, or oomtrace's last, `out_of_memory`
(`/sys/kernel/debug/kprobes/list`, asked every 20 ms), and resident memory once it stays the same for 2 s: the least
time and the median memory of {ROUNDS} starts in turns (two of oomkill-bpfcc), all in one boot of a guest with 2 CPUs
and 1 GiB. "First" is the first start of the boot, with nothing in the page cache; for oomtrace also with nothing kept
for this kernel yet, so that it asks the kernel's BTF and symbols. Its modules are byte-compiled, as in an installation;
oomtrace.pyz is the one file of `make dist`, as it was copied there: Python compiles its modules at every start. "Peak"
is the most memory that the first start had resident at any time, or a process of its own; later starts may have more.
oomkill-bpfcc compiles against the kernel's headers at every start; oomtrace needs neither headers nor a compiler.

Where a later start's time goes (6.1, counted in instructions, with 34 probes, all in one line): a third into Python,
click and oomtrace's own modules; a third into the kernel's verifier; a quarter into attaching the probes, for each of
which the kernel goes through all its functions that can be traced. What enters `oom_badness` without a kprobe then
waits for the kernel's RCU, as long as all of the attaching takes. With two CPUs these go on beside each other: programs
are loaded while Python loads its modules, and while others are attached. A first start also reads the kernel's symbols
and types, which takes longer than all the rest; a process of its own does so while Python loads its modules. On 6.12
the verifier takes two fifths.

What is resident, on 6.12 with 2 CPUs: 16 MB are the CPUs' buffers for records, 8 MB programs and libraries, the rest
Python's own memory: its modules (Python 3.13 there, 3.11 on 6.1), and the names of the kernel's functions.
"""


def _one_file() -> Path:
    """``oomtrace.pyz``, made now. Raises VmError if it cannot be."""
    made = subprocess.run(["make", "-s", "dist"], cwd=REPOSITORY, stderr=subprocess.PIPE, text=True, check=False)
    if made.returncode:
        raise VmError("make dist failed", made.stderr.strip())
    return REPOSITORY / "dist" / "oomtrace.pyz"


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    spec = RunSpec(kernel=kernel, variant="bench", timeout=900, put=[_one_file()])
    found = measure(spec, f"bench_start.py {ROUNDS}")
    least = {name: min(run[0] for run in runs) for name, runs in found.items()}
    first = {name: runs[0][0] for name, runs in found.items()}
    rows = []
    for name, runs in found.items():
        memory = statistics.median(run[1] for run in runs) / 1000
        rows.append([name, f"{first[name]:.1f}", f"{first[name] / first[PEER]:.2f}", f"{least[name]:.2f}",
                     f"{least[name] / least[PEER]:.2f}", f"{memory:.0f}", f"{runs[0][2] / 1000:.0f}"])
    text = table("command|first start, s|× bpftrace's first|later, s|× bpftrace|resident, MB|peak, MB", rows)
    return f"{text}\noomtrace takes 1/{least[STOCK] / least['oomtrace']:.0f} of the time of oomkill-bpfcc.\n"
