"""The perf buffers: one ring a CPU, written by bpf_perf_event_output, read here (include/uapi/linux/perf_event.h)."""

from __future__ import annotations

import mmap
import os
import select
import time
from _thread import allocate_lock  # what threading.Lock is: a start has no time for the rest of threading
from contextlib import suppress
from struct import Struct

from oomtrace.kernel import machine
from oomtrace.live import bpf
from oomtrace.live.hotplug import Hotplug

PAGE_BYTES = mmap.PAGESIZE
# struct perf_event_mmap_page
_DATA_HEAD, _DATA_TAIL = 1024, 1032
_WORD = Struct("@Q")  # the machine's own: read and written at once, by one instruction
_EVENT = Struct("<IHH")  # struct perf_event_header
_LENGTH = Struct("<I")
_BELL = Struct("<QQQ")  # struct bell (bpf/common.h)
_SAMPLE, _LOST = 9, 2
LOOK_ONLY = (1 << 64) - 1  # bpf/sample.h: a bell's memcg where there is no OOM
HOLD_S = 0.3  # records are left in the buffers for so long at most
_ASIDE_BYTES = 32 << 20  # of records that have left the buffers, and nobody has asked for yet


_turnstile = allocate_lock()
_turnstile.acquire()


def fence() -> None:
    """What stands before it is read and written before what stands after it.

    include/uapi/linux/perf_event.h asks for that at data_head (smp_rmb) and data_tail (smp_mb). x86 keeps such an order
    by itself, arm64 does not, and Python has no fence. It has locks: to give one back is a store with release, which
    comes after all before it; to take one is a load with acquire, which comes before all after it; and a load with
    acquire does not overtake a store with release. (arm64 says so of its stlxr and ldaxr, and of the same in one
    instruction, which is what these locks are made of.) It takes less than a microsecond.
    """
    _turnstile.release()
    _turnstile.acquire()


class Ring:
    """One CPU's buffer of ``pages`` pages, a power of two, that can be read at once or, ``quiet``, when a quarter of it
    is full. Raises OSError if it cannot be had."""

    def __init__(self, cpu: int, pages: int, quiet: bool = False) -> None:
        self.cpu = cpu
        self._lost = 0
        self._size = pages * PAGE_BYTES
        self.fd = bpf.open_output(cpu, self._size // 4 if quiet else None)
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

    @property
    def head(self) -> int:
        """Bytes ever written."""
        head: int = _WORD.unpack_from(self._map, _DATA_HEAD)[0]
        return head

    @property
    def crowded(self) -> bool:
        """Whether it must be read soon: three quarters are full."""
        (tail,) = _WORD.unpack_from(self._map, _DATA_TAIL)
        return bool(self.head - tail > self._size // 4 * 3)

    @property
    def roomy(self) -> bool:
        """Whether it need not be read yet: less than an eighth is full."""
        (tail,) = _WORD.unpack_from(self._map, _DATA_TAIL)
        return bool(self.head - tail < self._size // 8)

    def drain(self) -> list[bytes]:
        """The records since the last call."""
        return self.records(self.take())

    def take(self) -> bytes:
        """What has been written since the last call, as it lies there: to copy it is a small part of the work."""
        head = self.head
        fence()  # the kernel has written the data before the head: they are not to be read before it
        (tail,) = _WORD.unpack_from(self._map, _DATA_TAIL)
        taken = self._bytes(tail, head - tail)
        fence()  # the kernel may write over all before the tail: it must have been read by then
        _WORD.pack_into(self._map, _DATA_TAIL, head)
        return taken

    def records(self, taken: bytes) -> list[bytes]:
        """Those in what was taken."""
        records: list[bytes] = []
        at = 0
        while at < len(taken):
            kind, _, size = _EVENT.unpack_from(taken, at)
            if kind == _SAMPLE:
                (length,) = _LENGTH.unpack_from(taken, at + _EVENT.size)
                records.append(taken[at + 12 : at + 12 + length])
            elif kind == _LOST:
                self._lost += int.from_bytes(taken[at + 16 : at + 24], "little")
            at += size
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
    """The buffers of all CPUs that are online: of each one for its records, and one that wakes the reader."""

    def __init__(self, array_fd: int, bells_fd: int, cpus: list[int], pages: int) -> None:
        self._lost_before = 0  # in buffers that are closed
        self._array_fd, self._bells_fd, self._pages = array_fd, bells_fd, pages
        self._rings: dict[int, Ring] = {}
        self._bells: dict[int, Ring] = {}
        self._heads: list[int] = []
        self._aside: list[tuple[Ring, bytes]] = []
        self._since = 0.0  # when the records came that are left
        self._over = self._heard_already = False  # by ``hear``
        self.filling = False  # records are left in the buffers, as more are coming
        self.modules_changed = False  # some have come or gone; for the reader to set back
        # (memcg, tgid) of processes that are to be looked at while they are alive; for the reader to take
        self.named: list[tuple[int, int]] = []
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
        self._add(self._rings, self._array_fd, Ring(cpu, self._pages, quiet=True))
        self._add(self._bells, self._bells_fd, Ring(cpu, 1))

    def _add(self, rings: dict[int, Ring], array_fd: int, ring: Ring) -> None:
        rings[ring.cpu] = ring
        bpf.update_map(array_fd, ring.cpu, ring.fd)
        self._poll.register(ring.fd, select.POLLIN)

    def _follow(self) -> list[bytes]:
        """Buffers for the CPUs that have come; the last records of those that are gone. An event does not survive its
        CPU's absence (kernel/events/core.c, perf_event_exit_cpu): a CPU that is back gets a buffer anew."""
        records: list[bytes] = []
        changes = self._hotplug.changes()
        self.modules_changed = self.modules_changed or changes.modules
        cpus = changes.cpus
        if changes.missed:  # each may have been away
            online_now = machine.online_cpus()
            cpus = [(cpu, cpu in online_now) for cpu in sorted({*self._rings, *online_now})]
        for cpu, online in cpus:
            if cpu in self._rings:
                records += self._rings[cpu].drain()
                self._close(cpu)
            if online:
                with suppress(OSError):  # gone again
                    self._open(cpu)
        return records

    def wake_on(self, fd: int) -> None:
        """Let ``wait`` end when the descriptor can be read, too."""
        self._poll.register(fd, select.POLLIN)

    def wait(self, timeout_ms: int) -> list[bytes]:
        """The records that have come; waits for some up to the time (-1: until an OOM begins, or a wake).

        While more are coming they are left where they are, unless the time is 0 or an OOM is over: to take them out is
        work, for which an OOM on the same CPU would have to wait.
        """
        records = self._from_aside()
        at_once = bool(records) or self._heard_already
        if any(fd == self._hotplug.fd for fd, _ in self._poll.poll(0 if at_once else timeout_ms)):
            records += self._follow()
        self.hear()
        over, self._over, self._heard_already = self._over, False, False
        self.filling = self._more_are_coming() and timeout_ms != 0 and not over and not records
        if not self.filling:
            for ring in self._rings.values():
                records += ring.drain()
        return records

    def set_aside(self) -> None:
        """Make room in the buffers; the next ``wait`` returns what was in them. For whoever has no time for more than
        that, and little time it takes: nothing is done while there is room."""
        for ring in self._rings.values():
            if not ring.roomy and sum(len(taken) for _, taken in self._aside) < _ASIDE_BYTES:
                self._aside.append((ring, ring.take()))

    def _from_aside(self) -> list[bytes]:
        aside, self._aside = self._aside, []
        return [record for ring, taken in aside for record in ring.records(taken)]

    @property
    def fds(self) -> list[int]:
        """One of each buffer of records: can be read when a further quarter of it has been filled."""
        return [ring.fd for ring in self._rings.values()]

    def hear(self) -> None:
        """Take what has been named, and leave the records where they are: for who has no time for more."""
        for bell in self._bells.values():
            for data in bell.drain():
                rung = _BELL.unpack_from(data.ljust(_BELL.size, b"\0"))  # what is behind it is whatever was there
                self._over = self._over or bool(rung[0])  # there is no more to wait for
                self._heard_already = True
                if rung[2]:
                    self.named.append((rung[1], rung[2]))

    def _more_are_coming(self) -> bool:
        """Whether there are more than at the last look; not for ever, and not when there is little room left."""
        before, self._heads = self._heads, [ring.head for ring in self._rings.values()]
        now = time.monotonic()
        if not self.filling:
            self._since = now
        crowded = any(ring.crowded for ring in self._rings.values())
        return before != self._heads and not crowded and now - self._since < HOLD_S

    def close(self) -> None:
        """Give the buffers back."""
        for cpu in list(self._rings):
            self._close(cpu)
        self._hotplug.close()

    def _close(self, cpu: int) -> None:
        self._lost_before += self._rings[cpu].lost
        for rings in (self._rings, self._bells):
            ring = rings.pop(cpu, None)
            if ring is not None:
                with suppress(KeyError):  # it did not come so far
                    self._poll.unregister(ring.fd)
                ring.close()

    @property
    def lost(self) -> int:
        """Records that found their buffer full."""
        return self._lost_before + sum(ring.lost for ring in self._rings.values())
