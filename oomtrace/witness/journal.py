"""What programs that kill where memory is short write into the systemd journal about it: their own reason.

``journalctl`` is asked, which is fast for the entries of one process since a moment (both are in the journal's index).
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from contextlib import suppress
from typing import Optional

from oomtrace.model import Killed, OomEvent

_PATIENCE_S = 1.0  # the trace waits meanwhile
_BEFORE_S = 10  # earlyoom says first what it is about to do
_MOST_LINES, _LONGEST = 2, 300
_NS = 1_000_000_000
# What their lines about a kill have in them, by the names of their processes; of systemd, beside the unit.
_ABOUT: Mapping[str, tuple[str, ...]] = {
    "systemd-oomd": ("Killed ", "killed "),
    "earlyoom": ("low memory!", "sending SIG"),
    "nohang": ("Low memory", "SIGKILL", "SIGTERM", "PSI"),
    "oomd": ("oomd kill",),
    "systemd": ("Killing", "timed out", "Stopping"),
}


def said(event: OomEvent) -> tuple[str, ...]:
    """The sender's last lines about a kill; empty if it is not known for writing any, or the journal has none."""
    killed, began_ns = event.killed, event.origin.unix_ns
    if killed is None or killed.sender is None or began_ns is None or killed.sender.comm not in _ABOUT:
        return ()
    about, unit = _ABOUT[killed.sender.comm], _unit(killed) if killed.sender.comm == "systemd" else ""
    lines = _lines(killed.sender.pid, began_ns // _NS - _BEFORE_S)
    found = [line[:_LONGEST] for line in lines if unit in line and any(word in line for word in about)]
    return tuple(found[-_MOST_LINES:])


def _unit(killed: Killed) -> str:
    """How systemd's lines about the victim's unit begin, by its memcg."""
    path: Optional[str] = killed.victims[0].memcg if killed.victims else None
    return f"{path.rsplit('/', 1)[-1]}:" if path and path != "/" else ""


def _lines(pid: int, since_s: int) -> list[str]:
    words = ["journalctl", f"_PID={pid}", f"--since=@{since_s}", "--output=cat", "--lines=50", "--quiet", "--no-pager"]
    with suppress(OSError, subprocess.SubprocessError):
        done = subprocess.run(words, capture_output=True, timeout=_PATIENCE_S, check=False, stdin=subprocess.DEVNULL)
        return done.stdout.decode("utf-8", "replace").splitlines()
    return []
