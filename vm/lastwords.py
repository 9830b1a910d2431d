"""Asks a kernel that no longer answers what it is doing, by magic SysRq over its serial console."""

from __future__ import annotations

import socket
import time
from typing import Callable

from . import qmp

KEYS = ("9", "m", "w", "l")
"""Log everything; memory, blocked tasks, and last, since on 5.10 nothing is heard after it, what each CPU does."""
KEY_GAP_S = 0.2
ANSWER_S = 2.0


def ask(monitor: socket.socket, console: socket.socket, receive: Callable[[float], bool]) -> None:
    """Send each key after a BREAK, and read the answers for some seconds by calling `receive`.

    `monitor` is QEMU's QMP, which alone can send a BREAK. A kernel with interrupts off says nothing; so be it.
    """
    try:
        qmp.execute(monitor, "qmp_capabilities")
        for key in KEYS:
            qmp.execute(monitor, "chardev-send-break", id="console")
            _receive_for(KEY_GAP_S, receive)
            console.sendall(key.encode())
            _receive_for(KEY_GAP_S, receive)
    except OSError:
        return
    _receive_for(ANSWER_S, receive)


def _receive_for(seconds: float, receive: Callable[[float], bool]) -> None:
    """Read all that comes for so long, or until nothing can come any more."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and receive(0.05):
        pass
