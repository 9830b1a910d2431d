"""The newest samples: a ring for each CPU that the kernel writes over and over, and that is read when it matters.

A ring that is written backwards and mapped read-only keeps the newest records (perf_event_open(2), write_backward):
nothing is woken, and nothing is read, until an OOM.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from contextlib import suppress
from struct import Struct, pack
from typing import Union

from oomtrace.live import bpf
from oomtrace.live.ring import fence

_DATA_HEAD = 1024  # struct perf_event_mmap_page
_WORD = Struct("<Q")
_EVENT = Struct("<IHH")  # struct perf_event_header
_LENGTH = Struct("<I")
_SAMPLE = 9
_PAUSE_OUTPUT = 0x40042409  # PERF_EVENT_IOC_PAUSE_OUTPUT

TOTAL_BYTES = 8 << 20  # of all CPUs' rings, or little more where there are very many
MOST_BYTES = 4 << 20  # of one
_LEAST_BYTES = 32 << 10

MAPS = ("samples", "sampling", "sample_scratch", "pythons", "python_threads", "python_codes", "python_scratch")
"""The maps that samples need, and nothing else does."""


def ring_bytes(cpus: int) -> int:
    """The size of each CPU's ring, a power of two."""
    share = max(min(MOST_BYTES, TOTAL_BYTES // max(cpus, 1)), _LEAST_BYTES)
    return 1 << share.bit_length() - 1


class Recent:
    """The rings of the CPUs that are online. Raises OSError if they cannot be had."""

    def __init__(self, array_fd: int, sampling_fd: int, cpus: list[int]) -> None:
        self._array_fd, self._sampling_fd = array_fd, sampling_fd
        self._size = ring_bytes(len(cpus))
        self._rings: dict[int, tuple[int, mmap.mmap]] = {}
        try:
            for cpu in cpus:
                self._open(cpu)
        except OSError:
            self.close()
            raise

    def _open(self, cpu: int) -> None:
        fd = bpf.open_output(cpu, self._size // 2, backward=True)
        try:
            ring = mmap.mmap(fd, mmap.PAGESIZE + self._size, mmap.MAP_SHARED, mmap.PROT_READ)
        except BaseException:
            os.close(fd)
            raise
        self._rings[cpu] = fd, ring
        bpf.update_map(self._array_fd, cpu, fd)

    def follow(self, cpus: list[int]) -> None:
        """Have rings for the CPUs that are online now: an event does not survive its CPU's absence."""
        for cpu in set(self._rings) - set(cpus):
            self._close(cpu)
        for cpu in set(cpus) - set(self._rings):
            with suppress(OSError):  # gone again
                self._open(cpu)

    def choose(self, mode: int, cgroup_id: int = 0) -> None:
        """What is sampled from now on (enum sample_mode, bpf/sample.h). Raises OSError."""
        bpf.put(self._sampling_fd, 0, pack("<QQ", mode, cgroup_id))

    def read(self) -> list[bytes]:
        """The samples that are there, the newest of each CPU first. What is charged meanwhile is not sampled."""
        found: list[bytes] = []
        for fd, ring in self._rings.values():
            with suppress(OSError):
                fcntl.ioctl(fd, _PAUSE_OUTPUT, 1)
            (head,) = _WORD.unpack_from(ring, _DATA_HEAD)
            fence()  # the kernel has written the data before the head: they are not to be read before it
            with memoryview(ring) as whole, whole[mmap.PAGESIZE :] as data:
                found += samples(data, head)
            fence()
            with suppress(OSError):
                fcntl.ioctl(fd, _PAUSE_OUTPUT, 0)
        return found

    def _close(self, cpu: int) -> None:
        fd, ring = self._rings.pop(cpu)
        ring.close()
        os.close(fd)

    def close(self) -> None:
        """Give the rings back."""
        for cpu in list(self._rings):
            self._close(cpu)


def samples(data: Union[bytes, memoryview], head: int) -> list[bytes]:
    """The records of a ring, whose newest begins at ``head``: those before it follow, until they have been written
    over. They are aligned to 8 bytes, and so is the ring's size."""
    size = len(data)
    found, passed = [], 0
    while passed < size:
        at = (head + passed) % size
        kind, _, length = _EVENT.unpack_from(data, at)
        if not length or passed + length > size:  # nothing was written here yet, or another was written over its end
            break
        if kind == _SAMPLE:
            (held,) = _LENGTH.unpack_from(data, (at + _EVENT.size) % size)
            start = (at + 12) % size
            first = bytes(data[start : start + held])
            found.append(first + bytes(data[: held - len(first)]))
        passed += length
    return found
