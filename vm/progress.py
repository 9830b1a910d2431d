"""Progress on standard error: what is being done, and since when."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Optional

from .errors import VmError

TAIL_LINES = 15
TICK_S = 10.0


def say(message: str) -> None:
    """One line of progress."""
    print(f"vm: {message}", file=sys.stderr, flush=True)


def run_quietly(
    what: str, command: Sequence[str], hint: str = "", environment: Optional[Mapping[str, str]] = None
) -> str:
    """Run `command`, say `what` at the start, the time it took at the end, and that it still runs in between.

    Returns its output. A failure is a VmError that ends in the last lines of that output.
    """
    say(f"{what} …")
    start = time.monotonic()
    lines: deque[str] = deque(maxlen=4000)
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace", env=environment,
    ) as process:
        done = threading.Event()
        ticker = threading.Thread(target=_tick, args=(what, start, lines, done), daemon=True)
        ticker.start()
        try:
            assert process.stdout is not None
            lines.extend(process.stdout)
        finally:
            done.set()
            ticker.join()
    if process.returncode != 0:
        tail = "".join(list(lines)[-TAIL_LINES:]).rstrip()
        raise VmError(f"{what}: {command[0]} failed with status {process.returncode}\n{tail}", hint)
    say(f"{what}: done in {time.monotonic() - start:.0f} s")
    return "".join(lines)


def _tick(what: str, start: float, lines: deque[str], done: threading.Event) -> None:
    """Every few seconds, say how long `what` has taken and the last line that it printed."""
    while not done.wait(TICK_S):
        last = lines[-1].strip()[:80] if lines else ""
        say(f"{what}: {time.monotonic() - start:.0f} s {last}")
