"""What is asked of QEMU itself while a VM runs, by its monitor (QMP)."""

from __future__ import annotations

import json
import socket
from contextlib import suppress
from typing import Union


def execute(monitor: socket.socket, command: str, **arguments: Union[str, int]) -> None:
    """Send one command; its answer is of no interest."""
    monitor.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")


def take_back(monitor: socket.socket, left: int) -> None:
    """Leave the guest so many bytes of its RAM: it gives the rest back once it has loaded virtio_balloon."""
    with suppress(OSError):
        execute(monitor, "qmp_capabilities")
        execute(monitor, "balloon", value=left)
