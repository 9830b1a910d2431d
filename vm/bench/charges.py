"""What tracing adds to each page that is charged to a memcg, in instructions."""

from __future__ import annotations

import statistics

from ..spec import RunSpec
from .guest import measure, table

ABOUT = """\
Instructions that a process in a memory cgroup takes for the same work (its CPU time in a guest whose clock counts
instructions, `--icount`, one CPU), traced in each mode of `--charges`, relative to untraced in the same pass. One
process does all the work while the modes take turns around it, in three passes of one boot, after one to warm up; each
measurement is the least of five rounds (a round that lacked huge pages does not count). Shown: the median of the
passes, ± half of what lies between the passes untraced that are farthest apart. To reach: `batch` (the default) at most
+0.3 %, `every` at most +5 %, `off` not measurable. "(nothing)" is a program that does nothing, where that of `every`
is: what the kernel takes to call any program at each charge, the floor of `every`.
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=3000), "bench_charges.py")
    least: dict[str, dict[str, list[int]]] = {}
    for mode, works in found:
        for work, times in works.items():
            least.setdefault(work, {}).setdefault(mode, []).append(min(times))
    return table("work|instructions|off|batch|every|(nothing)|±", [_row(work, modes) for work, modes in least.items()])


def _row(work: str, modes: dict[str, list[int]]) -> list[str]:
    untraced = modes["untraced"]
    middle = statistics.median(untraced)
    row = [work, f"{middle / 1e6:.1f} M"]
    for mode in ("off", "batch", "every", "nothing"):
        ratio = statistics.median(traced / without for traced, without in zip(modes[mode], untraced))
        row.append(f"{100 * (ratio - 1):+.2f} %")
    return [*row, f"{100 * (max(untraced) - min(untraced)) / 2 / middle:.2f} %"]
