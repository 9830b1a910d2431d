"""Asks a kernel that no longer answers what it is doing, by magic SysRq over its serial console."""

from __future__ import annotations

import socket
import time
from typing import Callable

from . import qmp

KEYS = ("9", "m", "w", "l")
"""Log everything; memory, blocked tasks, and last, since on 5.10 nothing is heard after it, what each CPU does."""
KEY_GAP_S = 0.2
ANSWER_S = 20.0
"""For all answers, and so long alone if none comes: on a busy machine a guest may stand still for some seconds."""
QUIET_S = 2.0
"""Nothing more is waited for, once something has come, and then nothing for so long."""


def ask(
    monitor: socket.socket, console: socket.socket, receive: Callable[[float], bool], heard: Callable[[], int]
) -> None:
    """Send each key after a BREAK, and read the answers by calling `receive`; `heard` is how much has come so far.

    `monitor` is QEMU's QMP, which alone can send a BREAK. A kernel with interrupts off says nothing; so be it.
    """
    before = heard()
    try:
        qmp.execute(monitor, "qmp_capabilities")
        for key in KEYS:
            qmp.execute(monitor, "chardev-send-break", id="console")
            _receive_for(KEY_GAP_S, receive)
            console.sendall(key.encode())
            _receive_for(KEY_GAP_S, receive)
    except OSError:
        return
    deadline = time.monotonic() + ANSWER_S
    while time.monotonic() < deadline:
        already = heard()
        if not _receive_for(min(QUIET_S, deadline - time.monotonic()), receive):
            break
        if heard() == already > before:
            break


def _receive_for(seconds: float, receive: Callable[[float], bool]) -> bool:
    """Read all that comes for so long; False once nothing can come any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not receive(0.05):
            return False
    return True
