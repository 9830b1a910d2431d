"""What tracing adds to each page that is charged to a memcg, in instructions."""

from __future__ import annotations

from ..spec import RunSpec
from .guest import measure, table

ABOUT = """\
Instructions that a process in a memory cgroup takes for the same work (its CPU time in a guest whose clock counts
instructions, `--icount`, one CPU), traced in each mode of `--charges`, relative to untraced; the least of
seven rounds, in three passes through all modes in one boot. "±" is how far the passes untraced are apart: what the
measurement itself is uncertain by. To reach: `batch` (the default) at most +0.3 %, `every` at most +5 %, `off` not
measurable.
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=2400), "bench_charges.py")
    least: dict[str, dict[str, list[int]]] = {}
    for mode, works in found:
        for work, times in works.items():
            least.setdefault(work, {}).setdefault(mode, []).append(min(times))
    rows = []
    for work, modes in least.items():
        untraced = min(modes["untraced"])
        row = [work, f"{untraced / 1e6:.1f} M"]
        row += [f"{100 * (min(modes[mode]) / untraced - 1):+.2f} %" for mode in ("off", "batch", "every")]
        rows.append([*row, f"{100 * (max(modes['untraced']) / untraced - 1):.2f} %"])
    return table("work|instructions|off|batch|every|±", rows)
