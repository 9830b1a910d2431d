"""How soon a report is out, how many OOMs a second are kept up with, what an idle trace costs."""

from __future__ import annotations

import statistics

from ..spec import RunSpec
from .guest import measure, table

LEAST_RATIO, MOST_RATIO = 1.6, 2.1  # of the latency, from run to run

ABOUT = f"""\
In a guest with 2 CPUs. **Latency**: from the kernel's first line to the `Killed process` line read from a pipe. `dmesg`
prints each line as it comes; oomtrace, with `--format kernel`, writes a report in one piece once the kill is over. The
other formats wait for the victim's memory, as they tell of it. Where it goes (6.1, profiled): 3 ms are the reading of
the records, 12 their decoding, 13 the making of the text, all of it Python, which takes 0.36 and 0.49 ms for the two
where nothing is emulated; the victim, `dmesg` and the readers of both pipes want the same two CPUs meanwhile. From run
to run the ratio is {LEAST_RATIO} to {MOST_RATIO}, so some runs miss the target. **Storm**: cgroups side by side in
which one process after another is killed, as fast as the guest can. The last row is the same without a trace: this is
as many kills a second as the guest can make. **Idle**: CPU seconds and wake-ups (voluntary context switches) in a
minute of memory that comes and goes in a memory cgroup without an OOM.
"""


def section(kernel: str) -> str:
    """The measurements on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, variant="bench", memory=2 << 30, timeout=3600), "bench_live.py")
    pairs = [pair for pair in found["latency"] if pair]
    ours, theirs, printed = (statistics.median(pair[which] for pair in pairs) for which in (0, 1, 2))
    text = (f"Latency: oomtrace {1000 * ours:.0f} ms, `dmesg -w` {1000 * theirs:.0f} ms: {ours / theirs:.2f} × "
            f"(medians of {len(pairs)}); the kernel prints for {1000 * printed:.0f} ms of them.\n\n")
    rows = []
    for storm in found["storm"]:
        rate = storm["kills"] / storm["seconds"]
        told = [f"`{storm['closing']}`", f"{storm['peak_kb'] / 1000:.0f}"] if "closing" in storm else ["(untraced)", ""]
        rows.append([str(storm["width"]), str(storm["kills"]), f"{rate:.0f}", *told])
    text += table("cgroups|kills, by the kernel's count|a second|what oomtrace says at its end|peak memory, MB", rows)
    rows = [[name, f"{cpu:.2f}", str(wakeups), f"{locked / 1000:.0f}"]
            for name, (cpu, wakeups, locked) in found["idle"].items()]
    return text + "\n" + table("idle|CPU, s|wake-ups|locked memory, MB", rows)
