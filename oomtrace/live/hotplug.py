"""CPUs and modules that come and go, told by the kernel's own messages to udev (lib/kobject_uevent.c)."""

from __future__ import annotations

import ctypes
import errno
import re
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from struct import pack
from typing import Optional

_NETLINK_KOBJECT_UEVENT = 15
_KERNEL_GROUP = 1
_SO_ATTACH_FILTER = 26
_CPU = re.compile(rb"(online|offline)@/devices/system/cpu/cpu([0-9]+)\0")
_MODULE = re.compile(rb"(?:add|remove)@/module/")

# struct sock_filter: load the word at an offset (BPF_LD | BPF_W | BPF_ABS); skip so many instructions if it is a value,
# so many if not (BPF_JMP | BPF_JEQ | BPF_K); return how many bytes to keep (BPF_RET | BPF_K)
_LOAD, _EQUAL, _RETURN = 0x20, 0x15, 0x06


@dataclass
class Changes:
    """``cpus``: (CPU, whether it is online now), in the order in which it happened. ``modules``: whether some have come
    or gone. ``missed``: whether there was more than could be kept, so that anything may have happened."""

    cpus: list[tuple[int, bool]] = field(default_factory=list)
    modules: bool = False
    missed: bool = False


class Hotplug:
    """``fd`` can be read when something has come; it is None where the kernel tells nothing (in containers)."""

    def __init__(self) -> None:
        self._socket: Optional[socket.socket] = None
        with suppress(OSError):
            self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_NONBLOCK,
                                         _NETLINK_KOBJECT_UEVENT)
            self._socket.bind((0, _KERNEL_GROUP))
            attach_filter(self._socket)

    @property
    def fd(self) -> Optional[int]:
        """The socket's descriptor."""
        return self._socket.fileno() if self._socket else None

    def changes(self) -> Changes:
        """What has happened since the last call."""
        found = Changes()
        while self._socket:
            try:
                message = self._socket.recv(8192)
            except OSError as error:
                if error.errno != errno.ENOBUFS:  # nothing more there
                    break
                found.modules = found.missed = True
                continue
            cpu = _CPU.match(message)
            if cpu:
                found.cpus.append((int(cpu.group(2)), cpu.group(1) == b"online"))
            found.modules = found.modules or bool(_MODULE.match(message))
        return found

    def close(self) -> None:
        """Hear no more."""
        if self._socket:
            self._socket.close()


def attach_filter(to: socket.socket) -> None:
    """Let nothing else through: on a machine that starts containers all day, their devices would wake the reader and
    fill the socket. Raises OSError."""
    program = [
        (_LOAD, 0, 0, 0), *_kept_if(b"onli"), *_kept_if(b"offl"),
        (_LOAD, 0, 0, len("add@")), *_kept_if(b"/mod"),
        (_LOAD, 0, 0, len("remove@")), *_kept_if(b"/mod"),
        (_RETURN, 0, 0, 0),
    ]
    code = ctypes.create_string_buffer(b"".join(pack("=HBBI", *instruction) for instruction in program))
    to.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, pack("HP", len(program), ctypes.addressof(code)))


def _kept_if(word: bytes) -> list[tuple[int, int, int, int]]:
    return [(_EQUAL, 0, 1, int.from_bytes(word, "big")), (_RETURN, 0, 0, 0xFFFF)]
