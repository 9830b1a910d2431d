"""Sockets and pipes of processes with much in their buffers: kernel memory that belongs to a program."""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import termios
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Optional

from oomtrace.model import Aspect, Holder, KernelItem, KernelUse, Missed

from .descriptors import Opened, duplicate, holder
from .meter import Meter
from .proc import Process

_LISTED = 5
_LEAST_BYTES = 64 << 10
_SO_MEMINFO = 55  # 4.12: include/uapi/asm-generic/socket.h; architectures with numbers of their own are left out
_RMEM, _WMEM, _WMEM_QUEUED, _BACKLOG = 0, 2, 5, 7  # include/uapi/linux/sock_diag.h, SK_MEMINFO_…
_TYPES = {socket.SOCK_STREAM: "stream", socket.SOCK_DGRAM: "datagram", socket.SOCK_SEQPACKET: "packet",
          socket.SOCK_RAW: "raw"}
_INET = (socket.AF_INET, socket.AF_INET6)


@dataclass
class _Buffer:
    use: KernelUse
    name: str
    bytes: int
    source: str
    holders: dict[int, Holder] = field(default_factory=dict)


class Buffers:
    """Gathers the buffers of one look."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._known: dict[str, Optional[_Buffer]] = {}
        self._comms: dict[int, Optional[str]] = {}

    def add(self, process: Process, descriptors: list[Opened], leave_ns: int = 0) -> None:
        """Those of a process, while more than ``leave_ns`` of the budget are left."""
        for one in descriptors:
            if not one.target.startswith(("socket:[", "pipe:[")):
                continue
            if one.target not in self._known:
                if self._meter.left_ns <= leave_ns:
                    self._meter.cut(Aspect.KERNEL, Missed.BUDGET, f"further buffers of {process.pid}")
                    return
                self._known[one.target] = self._asked(process, one)
            found = self._known[one.target]
            if found is not None:
                found.holders[process.pid] = holder(process, self._comms)

    def found(self) -> list[KernelItem]:
        """Those with most in them, and how many of a kind there are beside."""
        large = sorted((one for one in self._known.values() if one is not None), key=lambda one: -one.bytes)
        items = []
        for use in (KernelUse.SOCKET, KernelUse.PIPE):
            own = [one for one in large if one.use is use]
            items += [KernelItem(use, one.bytes >> 10, one.name, 1, tuple(one.holders.values()), one.source)
                      for one in own[:_LISTED]]
            rest = own[_LISTED:]
            if rest:
                items.append(KernelItem(use, sum(one.bytes for one in rest) >> 10, None, len(rest)))
        return items

    def _asked(self, process: Process, one: Opened) -> Optional[_Buffer]:
        with self._meter.trying(Aspect.KERNEL, f"sockets and pipes of {process.pid}"), duplicate(
                process, one.number) as fd:
            found = _pipe(fd, one.target) if one.target.startswith("pipe:") else _socket(fd, one.target)
            return found if found is not None and found.bytes >= _LEAST_BYTES else None
        return None


def _pipe(fd: int, name: str) -> _Buffer:
    """What is in it. Its pages are at least that; half-filled ones make it more."""
    there = array.array("i", [0])
    fcntl.ioctl(fd, termios.FIONREAD, there)
    return _Buffer(KernelUse.PIPE, name, there[0], "FIONREAD")


def _socket(fd: int, target: str) -> Optional[_Buffer]:
    """None of one with little in it: then it is not asked what it is, which takes longer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(fd)) as one:  # of whatever kind
        data = one.getsockopt(socket.SOL_SOCKET, _SO_MEMINFO, 36)
    numbers = struct.unpack(f"{len(data) // 4}I", data[: len(data) // 4 * 4])
    if len(numbers) <= _BACKLOG:
        return None
    held = numbers[_RMEM] + max(numbers[_WMEM], numbers[_WMEM_QUEUED]) + numbers[_BACKLOG]
    if held < _LEAST_BYTES:
        return None
    with socket.socket(fileno=os.dup(fd)) as one:
        return _Buffer(KernelUse.SOCKET, _described(one, target), held, "SO_MEMINFO")


def _described(one: socket.socket, target: str) -> str:
    """"tcp 10.0.0.7:5432 - 10.0.0.9:40312", "unix stream /run/app.sock"."""
    kind = _TYPES.get(one.type, "socket")
    ends = []
    for ask in (one.getsockname, one.getpeername):
        with suppress(OSError):
            said = ask()
            ends.append(f"{said[0]}:{said[1]}" if one.family in _INET else
                        os.fsdecode(said).replace("\0", "@") if isinstance(said, (str, bytes)) else "")
    said = " - ".join(end for end in ends if end) or target
    if one.family in _INET:
        return f"{'tcp' if one.type == socket.SOCK_STREAM else 'udp' if one.type == socket.SOCK_DGRAM else kind} {said}"
    return f"unix {kind} {said}" if one.family == socket.AF_UNIX else f"{kind} {said}"
