"""What tracing adds to each page that is charged to a memcg, in instructions."""

from __future__ import annotations

import statistics

from ..spec import RunSpec
from .guest import measure, table

ABOUT = """\
Instructions that a process in a memory cgroup takes for the same work (its CPU time in a guest whose clock counts
instructions, `--icount`, one CPU), traced in each mode of `--charges`, relative to untraced; the median of five rounds
in one boot. "again" is untraced once more at the end: what the measurement itself is uncertain by. To reach: `batch`
(the default) at most +0.3 %, `every` at most +5 %, `off` not measurable.
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=2400), "bench_charges.py")
    (_, base), *modes = found
    rows = []
    for work, times in base.items():
        untraced = statistics.median(times)
        row = [work, f"{untraced / 1e6:.1f} M"]
        for _, others in modes:
            row.append(f"{100 * (statistics.median(others[work]) / untraced - 1):+.2f} %")
        rows.append(row)
    names = ["again" if mode == "untraced" else mode for mode, _ in modes]
    return table("work|instructions|" + "|".join(names), rows)
