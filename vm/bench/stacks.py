"""What --stacks adds to page faults, in instructions; what memory it takes, and how long the frames take afterwards."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

from ..spec import RunSpec
from .charges import Measured, ratios, untraced
from .guest import measure, table
from .logs import REPOSITORY

ABOUT = """\
Instructions that a process in a memory cgroup takes for 32 MiB of page faults of 4 KiB, relative to untraced: as for
the cost of a charge, in four passes, each measurement the median of five rounds. `off` is a trace without `--stacks`,
as `batch` above: another measurement of the same; `on` is one with `--stacks on`. The program and Python do the same;
of Python each sample reads the functions as well, here fifteen deep.

"Memory" is what the kernel holds for a trace that is not pageable, beside the same without `--stacks`: BPF maps, and
the ring of the samples. "1,000 stacks" is how long the frames of 1,000 stacks of a program take, up to 60 deep, in
seconds of CPU on the machine that made this file.
"""
_COLUMNS = {"off": "batch", "on": "stacks"}


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=3000), "bench_stacks.py")
    measured: Measured = [
        (mode, {work: int(statistics.median(times)) for work, times in works.items()})
        for mode, works in found["measured"]
    ]
    rows = [_row(work, measured) for work in measured[0][1]]
    return table("page faults, 4 KiB|instructions|off|on", rows) + _rest(found["memory"])


def _row(work: str, measured: Measured) -> list[str]:
    row = [work, f"{untraced(measured, work) / 1e6:.1f} M"]
    for mode in _COLUMNS.values():
        found = ratios(measured, mode, work)
        middle = statistics.median(found)
        apart = statistics.median(abs(ratio - middle) for ratio in found)
        row.append(f"{100 * (middle - 1):+.2f} % ± {100 * apart:.2f}")
    return row


def _rest(memory: dict[str, dict[str, int]]) -> str:
    more = {name: (memory["stacks"][name] - memory["batch"][name]) / (1 << 20) for name in ("maps", "rings")}
    command = [sys.executable, "-m", "tests.code.thousand"]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    seconds = json.loads(done.stdout)["seconds"]
    return (f"\nMemory: {sum(more.values()):.1f} MiB ({more['maps']:.1f} of maps, {more['rings']:.1f} of the ring). "
            f"1,000 stacks: {seconds:.2f} s.\n")
