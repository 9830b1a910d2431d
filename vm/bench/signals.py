"""What watching kills adds to each signal, and to page faults, in instructions."""

from __future__ import annotations

import statistics

from ..spec import RunSpec
from .charges import Measured, ratios, untraced
from .guest import measure, table

ABOUT = """\
Instructions that a process takes for the same work (its CPU time in a guest whose clock counts instructions,
`--icount`, one CPU), traced in each mode of `--kills` with `--charges off`, relative to untraced: as for the cost of a
charge, in two passes. A signal goes from the process to itself, which takes it (`kill`, `sigwait`) and then sleeps for
1 ms. SIGUSR1 ends many programs, but no mode of `trace` looks at it; SIGTERM is looked at, by `near` (the default) once
in 17 ms for each process. `near` finds that memory is not short; `all` makes events of 64 a second. Every trace has a
probe of signals, as the OOM killer sends some: `off` is the cost of that. With `near` and `all` another one has its
place. "At 1,000 a second" is what `near` adds to `off`, of a CPU with 10^9 instructions a second.
"""
_COLUMNS = ("off", "near", "all")
_SIGNALS = 1000


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, timeout=3000), "bench_signals.py")
    measured: Measured = [(mode, {work: min(times) for work, times in works.items()})
                           for mode, works in found["measured"]]
    rows = [_row(work, measured) for work in measured[0][1]]
    return table("work|instructions|off|near|all|near at 1,000 a second", rows)


def _row(work: str, measured: Measured) -> list[str]:
    before, row, middles = untraced(measured, work), [work], {}
    row.append(f"{before / 1e6:.1f} M")
    for mode in _COLUMNS:
        found = ratios(measured, mode, work)
        middle = statistics.median(found)
        apart = statistics.median(abs(ratio - middle) for ratio in found)
        row.append(f"{100 * (middle - 1):+.2f} % ± {100 * apart:.2f}")
        middles[mode] = middle
    added = (middles["near"] - middles["off"]) * before
    per_second = added / 1e9
    row.append(f"{100 * per_second:+.3f} % of a CPU ({added / _SIGNALS:+.0f} each)" if "SIG" in work else "")
    return row
