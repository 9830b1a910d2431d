"""How fast saved logs are read: on this machine, in no guest."""

from __future__ import annotations

import json
import random
import re
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from .guest import table

REPOSITORY = Path(__file__).resolve().parents[2]
REPORT = REPOSITORY / "tests/fixtures/data/6.1-memcg-v2.kmsg"
PLAIN_BYTES = 1 << 30
REPORTS, TASKS = 1000, 1000

ABOUT = f"""\
A log of 1 GiB without an OOM, and one of {REPORTS:,} reports of {TASKS:,} tasks each, read by `oomtrace read` on one
core of the machine that made this file; `grep -c oom-killer` is the floor. To reach: 100 MB/s and 20 reports a second.
"""

_WORDS = (
    "usb 1-1: new high-speed USB device number", "e1000e: eth0 NIC Link is Up 1000 Mbps Full Duplex",
    "systemd[1]: Started Session of user root.", "EXT4-fs (sda1): mounted filesystem with ordered data mode.",
    "audit: type=1400 apparmor=ALLOWED operation=open", "TCP: request_sock_TCP: Possible SYN flooding on port",
    "nfs: server not responding, still trying", "device veth entered promiscuous mode",
)


def plain(path: Path) -> None:
    """Lines such as kernels print, in blocks that repeat."""
    chance = random.Random(1)
    block = "".join(f"[{chance.random() * 1e5:12.6f}] {chance.choice(_WORDS)} {chance.randrange(10**6)}\n"
                    for _ in range(20000)).encode()
    with path.open("wb") as file:
        for _ in range(PLAIN_BYTES // len(block) + 1):
            file.write(block)


def reports(path: Path) -> None:
    """A real report with many more tasks, again and again."""
    lines: list[str] = []
    for record in REPORT.read_text("utf-8", "surrogateescape").splitlines():
        head, _, text = record.partition(";")
        fields = head.split(",")
        if len(fields) > 2 and fields[2].isdigit():
            lines += [f"[{int(fields[2]) / 1e6:12.6f}] {part}" for part in text.split("\\x0a")]
    at = max(i for i, line in enumerate(lines) if re.search(r"\] \[ *\d+\] ", line))
    stamp = lines[at][:15]
    rows = [f"{stamp}[{9000 + i:7d}] {1000:5d} {9000 + i:5d} {4552:8d} {i % 50:8d} {69632:8d} {0:8d} {0:13d} task {i}"
            for i in range(TASKS - 5)]
    text = "\n".join([*lines[:at], *rows, *lines[at:], ""])
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for _ in range(REPORTS):
            file.write(text)


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds, and what it printed."""
    begin = time.monotonic()
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False, errors="replace")
    return time.monotonic() - begin, done.stdout


def section() -> str:
    """The measurement as markdown."""
    read = [sys.executable, "-m", "oomtrace", "read", "--format", "jsonl"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, make in (("1 GiB without an OOM", plain), (f"{REPORTS:,} reports", reports)):
            path = Path(folder) / "log"
            make(path)
            size = path.stat().st_size
            floor, _ = timed(["grep", "-c", "oom-killer", str(path)])
            seconds, printed = timed([*read, str(path)])
            events = [json.loads(line) for line in printed.splitlines()]
            rate = f"{len(events) / seconds:.0f} reports/s" if events else f"{size / seconds / 1e6:.0f} MB/s"
            rows.append([name, f"{size / 1e6:.0f}", f"{floor:.2f}", f"{seconds:.1f}", rate])
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
    return table("log|MB|grep, s|oomtrace, s|rate", rows) + f"\nMemory of the reader: at most {peak:.0f} MB.\n"
