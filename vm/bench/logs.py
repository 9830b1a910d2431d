"""How fast saved logs are read: on this machine, in no guest."""

from __future__ import annotations

import json
import os
import random
import re
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Optional

from ..errors import VmError
from .guest import table

REPOSITORY = Path(__file__).resolve().parents[2]
REPORT = REPOSITORY / "tests/fixtures/data/6.1-memcg-v2.kmsg"
PLAIN_BYTES = 1 << 30
REPORTS, TASKS = 1000, 1000

ABOUT = f"""\
A log of 1 GiB without an OOM, and one of {REPORTS:,} reports of {TASKS:,} tasks each, read by `oomtrace read` on one
core of the machine that made this file, in seconds of CPU; `grep -c oom-killer` is the floor. `kernel` writes the
reports, `why` explains them, `jsonl` explains and writes all that was read.
"""

# OOMAnalyser is a web page whose analysis is Python (made into JavaScript). With `--oomanalyser OOMAnalyser.py` its
# parser and its calculations run here: on a hundred reports, each handed to it alone, with nothing shown.
PEER_REPORTS = 100
_PEER = """
import contextlib, io, json, sys, time
sys.path.insert(0, sys.argv[1])
import OOMAnalyser as peer
lines = open(sys.argv[2], errors="replace").read().split("\\n")
starts = [i for i, line in enumerate(lines) if "invoked oom-killer" in line][:int(sys.argv[3]) + 1]
texts = ["\\n".join(lines[a:b]) for a, b in zip(starts, starts[1:])]
begin, done = time.process_time(), 0
with contextlib.redirect_stdout(io.StringIO()):
    for text in texts:
        done += peer.OOMAnalyser(peer.OOMEntity(text)).analyse()
json.dump([done, time.process_time() - begin], sys.stdout)
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
    """A real report with many more tasks, again and again, each of its lines a moment later than the one before."""
    texts: list[str] = []
    for record in REPORT.read_text("utf-8", "surrogateescape").splitlines():
        head, _, text = record.partition(";")
        fields = head.split(",")
        if len(fields) > 2 and fields[2].isdigit():
            texts += text.split("\\x0a")
    at = max(i for i, text in enumerate(texts) if re.match(r"\[ *\d+\] ", text))
    rows = [f"[{9000 + i:7d}] {1000:5d} {9000 + i:5d} {4552:8d} {i % 50:8d} {69632:8d} {0:8d} {0:13d} task {i}"
            for i in range(TASKS - 5)]
    texts[at:at] = rows
    with path.open("w", encoding="utf-8", errors="surrogateescape") as file:
        for number in range(REPORTS):
            file.writelines(f"[{_stamp(number, line)}] {text}\n" for line, text in enumerate(texts))


def _stamp(report: int, line: int) -> str:
    """The kernel's time of a line: the reports are a minute apart, their lines some microseconds."""
    return f"{60 * (report + 1):5d}.{100 + 19 * line:06d}"


def timed(command: list[str]) -> tuple[float, str]:
    """Seconds of CPU, and what it printed."""
    before = os.times()
    done = subprocess.run(
        command, cwd=REPOSITORY, env=_environment(), capture_output=True, text=True, check=False, errors="replace"
    )
    after = os.times()
    seconds = after.children_user + after.children_system - before.children_user - before.children_system
    return seconds, done.stdout


def _environment() -> dict[str, str]:
    """As an installed program has it: what Python has compiled once is there the next time."""
    bytecode = REPOSITORY / ".pytest_cache" / "bytecode"  # which no checkout keeps
    return {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(bytecode)}


def section(oomanalyser: Optional[Path] = None) -> str:
    """The measurement as markdown."""
    read = [sys.executable, "-m", "oomtrace", "read", "--format"]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "log"
        timed([*read, "jsonl", str(REPORT)])  # compiles
        plain(path)
        floor, _ = timed(["grep", "-c", "oom-killer", str(path)])
        seconds, _ = timed([*read, "jsonl", str(path)])
        size = path.stat().st_size / 1e6
        rate = f"{size / seconds:.0f} MB/s"
        rows.append(["1 GiB without an OOM", f"{size:.0f}", f"{floor:.2f}", f"{seconds:.1f}", rate])
        reports(path)
        size = path.stat().st_size / 1e6
        floor, _ = timed(["grep", "-c", "oom-killer", str(path)])
        for form in ("kernel", "why", "jsonl"):
            seconds, printed = timed([*read, form, str(path)])
            if form == "jsonl" and len(printed.splitlines()) != REPORTS:
                raise VmError(f"{len(printed.splitlines())} reports read of {REPORTS}")
            rows.append([f"{REPORTS:,} reports, `{form}`", f"{size:.0f}", f"{floor:.2f}", f"{seconds:.1f}",
                         f"{REPORTS / seconds:.0f} reports/s"])
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1000
        text = table("log|MB|grep, s|oomtrace, s|rate", rows) + f"\nMemory of the reader: at most {peak:.0f} MB.\n"
        return text + (_peer(oomanalyser, path) if oomanalyser else "")


def _peer(source: Path, log: Path) -> str:
    _, said = timed([sys.executable, "-c", _PEER, str(source.resolve().parent), str(log), str(PEER_REPORTS)])
    done, seconds = json.loads(said)
    return (f"\nOOMAnalyser's parser and calculations, given {done} of the same reports one by one and showing "
            f"nothing: {done / seconds:.0f} reports/s.\n")
