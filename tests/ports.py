"""Ports of this machine for programs that take a number, and cannot be asked for the one that they were given."""

from __future__ import annotations

import os
import socket
from itertools import count

_FIRST, _MOST = 10_000, 20_000  # below those that Linux gives to who asks for any (net.ipv4.ip_local_port_range)
_tried = count()


def free_port() -> int:
    """One that nobody has. Tests that run beside this one get others: each process begins elsewhere."""
    for _ in range(_MOST):
        port = _FIRST + (os.getpid() * 101 + next(_tried)) % _MOST
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("there is none")
