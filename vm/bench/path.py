"""What tracing adds to the OOM killer itself, by the number of tasks."""

from __future__ import annotations

from ..spec import RunSpec
from .guest import measure, table

ABOUT = """\
From `mem_cgroup_out_of_memory` to the SIGKILL, by the kernel's own tracing (kprobe events), in a guest whose clock
counts instructions (`--icount`: 1 µs is 1,000 instructions; one CPU, 2 GiB). "printed": the kernel prints its report,
to no console; "silent": its rate limit holds the report back, and ours is made all the same. What the kernel's own
report costs is printed − silent, untraced.

The reader leaves records in the buffers while an OOM goes on. When they fill three quarters of a CPU's buffer (of 8
MiB: some 15,000 tasks) or after 0.3 s it must take them out; on one CPU, as here, the OOM waits for that. Below that a
task adds 10 µs: 5 for weighing it ("silent": its record and its points), 5 for its row. Most of both goes into reading
some 18 fields of the task one by one, as BPF must, where the kernel reads them in place.
"""


def section(kernel: str) -> str:
    """The measurement on a kernel as markdown."""
    found = measure(RunSpec(kernel=kernel, icount=True, memory=2 << 30, append="log_buf_len=16M", timeout=3600),
                    "bench_path.py")
    rows = []
    for count, before in found["untraced"].items():
        after = found["traced"][count]
        report = before["printed"] - before["silent"]
        added = after["printed"] - before["printed"]
        rows.append([f"{int(count):,}", *(f"{times[what]:,}" for times in (before, after)
                                          for what in ("printed", "silent")), f"{report:,}", f"{added:,}"])
    text = table("tasks|untraced, printed, µs|untraced, silent|traced, printed|traced, silent|the kernel's report costs"
                 "|tracing adds", rows)
    whole = found["whole"]
    most = max(whole["reports"], key=lambda report: int(report[0]))
    text += (f"\nThe largest report had {most[0]:,} rows, {most[1]} records lost, missing: "
             f"{', '.join(most[2]) or 'nothing'}; soft lockup or stall messages: {whole['soft_lockups']}; the reader's "
             f"memory {whole['resident_kb'] / 1000:.0f} MB before, at most {whole['peak_kb'] / 1000:.0f} MB. "
             f"`{whole['closing']}`\n")
    return text
