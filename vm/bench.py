"""`make bench`: what oomtrace costs, beside its peers, in the same boot of the same guest.

Writes BENCHMARKS.md. Peers and kernel headers are in the bench variant of the images.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from pathlib import Path
from typing import Any, Dict, List

from . import boot, matrix
from .errors import VmError
from .spec import RunSpec

TARGET = Path("BENCHMARKS.md")
ROUNDS = 5
PEER, STOCK = "bpftrace oomkill.bt", "oomkill-bpfcc"

HEAD = """\
# Benchmarks

Made by `make bench` (`python3 -m vm.bench`); each table from one boot of one guest with 2 CPUs and 1 GiB.

## Start to attached, resident memory

From starting the command to the kernel listing its kprobe on `oom_kill_process` (`/sys/kernel/debug/kprobes/list`,
asked every 20 ms), and resident memory 1.5 s later; the median of {rounds} starts. "First" is the first start of the
boot, with nothing in the page cache; for oomtrace also with no programs kept for this kernel yet, so that it compiles
them. oomkill-bpfcc compiles against the kernel's headers at every start, oomtrace needs none.
"""


def _echo(data: bytes) -> None:
    sys.stderr.buffer.write(data)
    sys.stderr.flush()


def measure(kernel: str, rounds: int) -> Dict[str, Any]:
    """Seconds and kilobytes of each start, by command."""
    spec = RunSpec(kernel=kernel, variant="bench", timeout=900)
    result = boot.run(spec, f"python3 tests/guest/bench_start.py {rounds}", stderr=_echo)
    boot.check(result)
    if result.status:
        raise VmError(f"the measurement on {kernel} failed", result.stderr.decode("utf-8", "replace").strip())
    found: Dict[str, Any] = json.loads(result.stdout)
    return found


def table(kernel: str, found: Dict[str, List[List[float]]]) -> str:
    """A markdown table, with what the other two cost relative to it."""
    median = {name: statistics.median(seconds for seconds, _ in runs) for name, runs in found.items()}
    rows = [
        f"### Kernel {kernel}",
        "",
        "| command | first start, s | median, s | × bpftrace | resident, MB |",
        "|---|---|---|---|---|",
    ]
    for name, runs in found.items():
        memory = statistics.median(kilobytes for _, kilobytes in runs) / 1000
        ratio = median[name] / median[PEER]
        rows.append(f"| {name} | {runs[0][0]:.1f} | {median[name]:.2f} | {ratio:.2f} | {memory:.0f} |")
    ours = median["oomtrace"]
    rows += ["", f"oomtrace takes 1/{median[STOCK] / ours:.0f} of the time of oomkill-bpfcc."]
    return "\n".join(rows) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python3 -m vm.bench")
    parser.add_argument("--kernel", action="append", choices=matrix.names(), help="default: 6.1")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    parts = [HEAD.format(rounds=arguments.rounds)]
    parts += [table(kernel, measure(kernel, arguments.rounds)) for kernel in arguments.kernel or ["6.1"]]
    TARGET.write_text("\n".join(parts))
    print("\n".join(parts))


if __name__ == "__main__":
    main()
