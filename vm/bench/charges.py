"""What tracing adds to each page that is charged to a memcg, in instructions."""

from __future__ import annotations

import statistics
import textwrap

from ..spec import RunSpec
from .guest import measure, table

Measured = list[tuple[str, dict[str, int]]]  # mode, and the least of each work's rounds; in the order of measuring

ABOUT = """\
Instructions that a process in a memory cgroup takes for the same work (its CPU time in a guest whose clock counts
instructions, `--icount`, one CPU), traced in each mode of `--charges`, relative to untraced. One process does all the
work. Each mode is measured between two measurements without a trace, and compared with their mean. That is done in four
passes of one boot. Each measurement is the least of five rounds; a round that lacked huge pages does not count. Shown:
the median of the passes, ± how far they typically lie from it. "(trampoline)" and "(kprobe)" are a program that does
nothing, where that of `every` is: what the kernel takes to call any program at each charge. `every` goes by a
trampoline; `batch` by a kprobe, for 64 pages at a time, or for a huge page. Where a program that does nothing seems to
save instructions, the work scatters by more than what there is to measure (huge pages: by which ones there are); the
sum below each table has no such scatter.
"""
_WORK, _COLUMNS = "page faults, 4 KiB", ("off", "batch", "every", "trampoline", "kprobe")
_PAGES = (32 << 20) // 4096  # of that work, each charged


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=3000), "bench_charges.py")
    measured = [(mode, {work: min(times) for work, times in works.items()}) for mode, works in found["measured"]]
    rows = [_row(work, measured) for work in measured[0][1]]
    head = "work|instructions|off|batch|every|(trampoline)|(kprobe)"
    return table(head, rows) + _profile(measured, found["runs"])


def ratios(measured: Measured, mode: str, work: str) -> list[float]:
    """Of a mode to the mean of what was measured untraced before and after it, pass by pass."""
    return [
        2 * least[work] / (measured[at - 1][1][work] + measured[at + 1][1][work])
        for at, (name, least) in enumerate(measured) if name == mode
    ]


def _row(work: str, measured: Measured) -> list[str]:
    row = [work, f"{untraced(measured, work) / 1e6:.1f} M"]
    for mode in _COLUMNS:
        found = ratios(measured, mode, work)
        middle = statistics.median(found)
        apart = statistics.median(abs(ratio - middle) for ratio in found)
        row.append(f"{100 * (middle - 1):+.2f} % ± {100 * apart:.2f}")
    return row


def untraced(measured: Measured, work: str) -> float:
    """What a work takes without a trace."""
    return statistics.median(least[work] for mode, least in measured if mode == "untraced")


def _profile(measured: Measured, runs: dict[str, tuple[int, int]]) -> str:
    """Where the instructions go: into calling a program, and into the program."""
    call = {
        way: (statistics.median(ratios(measured, way, _WORK)) - 1) * untraced(measured, _WORK) / _PAGES
        for way in ("trampoline", "kprobe")
    }
    run = {mode: time / count for mode, (count, time) in runs.items()}
    batch = call["kprobe"] + run["batch"]
    percent = 100 * batch * _PAGES / 64 / untraced(measured, _WORK)
    return "\n" + textwrap.fill(
        f"To call a program takes {call['trampoline']:.0f} instructions by a trampoline and {call['kprobe']:.0f} by a "
        f"kprobe; a run of `batch` takes {run['batch']:.0f} and one of `every` {run['every']:.0f} (as the kernel "
        f"counts it, which adds some sixty). A batch thus costs {batch:.0f}: {percent:.2f} % of 64 page faults of "
        "4 KiB.",
        120, break_on_hyphens=False,
    ) + "\n"
