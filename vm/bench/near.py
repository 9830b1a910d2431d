"""What a trace takes where many memory cgroups stay at their limit."""

from __future__ import annotations

from ..spec import RunSpec
from .guest import measure, table

ABOUT = """\
A hundred memory cgroups with a limit of 8 MiB, each full of page cache, whose processes read on, so that the kernel
reclaims some of it all the time. CPU time of the trace and of the process that looks, in a guest whose clock counts
instructions (`--icount`, 10^9 a second, one CPU), over two minutes, after the first looks at each; wake-ups are
voluntary context switches. "On a real CPU" is that by how many times slower oomtrace finds this one than machines of
these years (`session/slowness.py`). "Locked" is the memory of the maps that usage by the second and the bells are kept
in (`memlock` in fdinfo); the process that looks locks none.
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, memory=3 << 29, timeout=2400), "bench_near.py")
    share = [f"{100 * cpu / found['seconds']:.3f} %" for cpu in (*found["cpu_s"], sum(found["cpu_s"]))]
    locked = f"{sum(found['maps_kb'].values()) / 1024:.1f} of {found['all_maps_kb'] / 1024:.1f} MiB"
    real = f"{100 * sum(found['cpu_s']) / found['seconds'] / found['slower']:.3f} %"
    rows = [[f"{found['full']} of {found['memcgs']}", *share, real, str(sum(found["wakeups"])), locked]]
    return table("memcgs above nine tenths|the trace|the process that looks|both|on a real CPU|wake-ups|locked", rows)
