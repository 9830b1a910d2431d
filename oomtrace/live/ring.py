"""The perf buffers: one ring a CPU, written by bpf_perf_event_output, read here (include/uapi/linux/perf_event.h)."""

from __future__ import annotations

import mmap
import os
import select
from contextlib import suppress
from struct import Struct
from typing import Dict, List

from oomtrace.live import bpf
from oomtrace.live.hotplug import Hotplug

PAGE_BYTES = mmap.PAGESIZE
# struct perf_event_mmap_page
_DATA_HEAD, _DATA_TAIL = 1024, 1032
_WORD = Struct("<Q")
_EVENT = Struct("<IHH")  # struct perf_event_header
_SAMPLE, _LOST = 9, 2


class Ring:
    """One CPU's buffer of ``pages`` pages, a power of two. Raises OSError if it cannot be had."""

    def __init__(self, cpu: int, pages: int) -> None:
        self.cpu = cpu
        self._lost = 0
        self.fd = bpf.open_output(cpu)
        self._size = pages * PAGE_BYTES
        try:
            self._map = mmap.mmap(self.fd, PAGE_BYTES + self._size, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        except BaseException:
            os.close(self.fd)
            raise

    @property
    def lost(self) -> int:
        """Records that found the buffer full. The buffer itself tells only of those that a later one came after."""
        told = bpf.lost_output(self.fd)
        return self._lost if told is None else told

    def drain(self) -> List[bytes]:
        """The records since the last call."""
        # x86 keeps the order of loads and of stores, so the head that is read vouches for the data before it.
        (head,) = _WORD.unpack_from(self._map, _DATA_HEAD)
        (tail,) = _WORD.unpack_from(self._map, _DATA_TAIL)
        records: List[bytes] = []
        while tail < head:
            kind, _, size = _EVENT.unpack(self._bytes(tail, 8))
            if kind == _SAMPLE:
                length = int.from_bytes(self._bytes(tail + 8, 4), "little")
                records.append(self._bytes(tail + 12, length))
            elif kind == _LOST:
                self._lost += int.from_bytes(self._bytes(tail + 16, 8), "little")
            tail += size
        _WORD.pack_into(self._map, _DATA_TAIL, tail)
        return records

    def _bytes(self, position: int, length: int) -> bytes:
        start = position % self._size
        first = self._map[PAGE_BYTES + start : PAGE_BYTES + min(start + length, self._size)]
        return first if len(first) == length else first + self._map[PAGE_BYTES : PAGE_BYTES + length - len(first)]

    def close(self) -> None:
        """Unmap and close."""
        self._map.close()
        os.close(self.fd)


class Rings:
    """The buffers of all CPUs that are online."""

    def __init__(self, array_fd: int, cpus: List[int], pages: int) -> None:
        self._lost_before = 0  # in buffers that are closed
        self._array_fd, self._pages = array_fd, pages
        self._rings: Dict[int, Ring] = {}
        self._poll = select.poll()
        self._hotplug = Hotplug()
        try:
            for cpu in cpus:
                self._open(cpu)
            if self._hotplug.fd is not None:
                self._poll.register(self._hotplug.fd, select.POLLIN)
        except OSError:
            self.close()
            raise

    def _open(self, cpu: int) -> None:
        ring = Ring(cpu, self._pages)
        self._rings[ring.fd] = ring
        bpf.update_map(self._array_fd, cpu, ring.fd)
        self._poll.register(ring.fd, select.POLLIN)

    def _follow(self) -> List[bytes]:
        """Buffers for the CPUs that have come; the last records of those that are gone. An event does not survive its
        CPU's absence (kernel/events/core.c, perf_event_exit_cpu): a CPU that is back gets a buffer anew."""
        records: List[bytes] = []
        for cpu, online in self._hotplug.changes():
            for ring in [ring for ring in self._rings.values() if ring.cpu == cpu]:
                records += ring.drain()
                self._poll.unregister(ring.fd)
                self._close(ring)
            if online:
                with suppress(OSError):  # gone again
                    self._open(cpu)
        return records

    def wake_on(self, fd: int) -> None:
        """Let ``wait`` end when the descriptor can be read, too."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_ms: int) -> List[bytes]:
        """The records that have come; waits for some up to the time (-1: until some come, or a wake)."""
        records: List[bytes] = []
        for fd, _ in self._poll.poll(timeout_ms):
            if fd == self._hotplug.fd:
                records += self._follow()
            if fd not in self._rings:
                continue
            records += self._rings[fd].drain()
        return records

    def close(self) -> None:
        """Give the buffers back."""
        for ring in list(self._rings.values()):
            self._close(ring)
        self._hotplug.close()

    def _close(self, ring: Ring) -> None:
        self._lost_before += ring.lost
        del self._rings[ring.fd]
        ring.close()

    @property
    def lost(self) -> int:
        """Records that found their buffer full."""
        return self._lost_before + sum(ring.lost for ring in self._rings.values())
