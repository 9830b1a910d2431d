"""CPUs that come and go, told by the kernel's own messages to udev (lib/kobject_uevent.c)."""

from __future__ import annotations

import re
import socket
from contextlib import suppress
from typing import List, Optional, Tuple

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_MESSAGE = re.compile(rb"(online|offline)@/devices/system/cpu/cpu([0-9]+)\0")


class Hotplug:
    """``fd`` can be read when something has come; it is None where the kernel tells nothing (in containers)."""

    def __init__(self) -> None:
        self._socket: Optional[socket.socket] = None
        with suppress(OSError):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                         _NETLINK_KOBJECT_UEVENT)
            self._socket.bind((0, _KERNEL_GROUP))

    @property
    def fd(self) -> Optional[int]:
        """The socket's descriptor."""
        return self._socket.fileno() if self._socket else None

    def changes(self) -> List[Tuple[int, bool]]:
        """(CPU, whether it is online now), in the order in which it happened."""
        found: List[Tuple[int, bool]] = []
        with suppress(OSError):  # nothing more there
            while self._socket:
                match = _MESSAGE.match(self._socket.recv(8192))
                if match:
                    found.append((int(match.group(2)), match.group(1) == b"online"))
        return found

    def close(self) -> None:
        """Hear no more."""
        if self._socket:
            self._socket.close()
