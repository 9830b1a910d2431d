"""A CPU's buffer, in a file that looks like the kernel's: what is read of it, and what is lost."""

from __future__ import annotations

import os
import select
import threading
from struct import pack
from types import SimpleNamespace
from typing import Any, Optional

import pytest

from oomtrace.live import bpf
from oomtrace.live import ring as ring_module
from oomtrace.live.aside import Meanwhile
from oomtrace.live.hotplug import Changes
from oomtrace.live.ring import PAGE_BYTES, Ring, Rings

SAMPLE, LOST = 9, 2


def sample(data: bytes) -> bytes:
    return pack("<IHHI", SAMPLE, 0, 12 + len(data), len(data)) + data


def lost(count: int) -> bytes:
    return pack("<IHHQQ", LOST, 0, 24, 1, count)


class Kernel:
    """Writes to a buffer of one page."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tells: Optional[int]) -> None:
        self._file = os.memfd_create("ring")
        self._head = 0
        os.ftruncate(self._file, 2 * PAGE_BYTES)
        monkeypatch.setattr(bpf, "open_output", lambda _cpu, _wakeup_bytes=None: os.dup(self._file))
        monkeypatch.setattr(bpf, "lost_output", lambda _fd: tells)

    def write(self, *records: bytes) -> None:
        for byte in b"".join(records):
            os.pwrite(self._file, bytes([byte]), PAGE_BYTES + self._head % PAGE_BYTES)
            self._head += 1
        os.pwrite(self._file, pack("<Q", self._head), 1024)


def test_records_around_the_end_of_the_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, None)
    ring = Ring(0, 1)
    for number in range(100):
        kernel.write(sample(bytes([number]) * 84), sample(b"twelve bytes"))
        assert ring.drain() == [bytes([number]) * 84, b"twelve bytes"]
    assert ring.drain() == [] and ring.lost == 0
    ring.close()


def test_data_are_read_between_two_fences(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that may change the order: after the head, before the tail is moved."""
    kernel = Kernel(monkeypatch, None)
    ring = Ring(0, 1)
    seen: list[str] = []
    read, pack_into, word = ring._bytes, ring_module._WORD.pack_into, ring_module._WORD

    class Word:
        def unpack_from(self, memory: Any, at: int) -> Any:
            seen.append({1024: "head", 1032: "tail"}[at])
            return word.unpack_from(memory, at)

        def pack_into(self, memory: Any, at: int, value: int) -> None:
            seen.append("moved")
            pack_into(memory, at, value)

    monkeypatch.setattr(ring_module, "_WORD", Word())
    monkeypatch.setattr(ring_module, "fence", lambda: seen.append("fence"))
    monkeypatch.setattr(ring, "_bytes", lambda *where: [seen.append("data"), read(*where)][1])
    kernel.write(sample(b"x"))
    assert ring.drain() == [b"x"]
    assert seen == ["head", "fence", "tail", "data", "fence", "moved"]
    ring.close()


def test_a_fence_can_be_passed_again_and_again() -> None:
    for _ in range(3):
        ring_module.fence()


def test_lost_records_are_told_of_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, None)
    ring = Ring(0, 1)
    kernel.write(sample(b"before"), lost(7), sample(b"twelve bytes"), lost(2))
    assert ring.drain() == [b"before", b"twelve bytes"]
    assert ring.lost == 9
    ring.close()


def test_the_kernel_knows_of_those_that_none_came_after(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, 12)
    ring = Ring(0, 1)
    kernel.write(lost(7))
    assert ring.drain() == [] and ring.lost == 12
    ring.close()


@pytest.mark.parametrize("told, expected", [(pack("<QQ", 5, 3), 3), (pack("<Q", 5), None)])
def test_what_kernels_tell_of_losses(told: bytes, expected: Optional[int]) -> None:
    reader, writer = os.pipe()
    os.write(writer, told)
    assert bpf.lost_output(reader) == expected
    os.close(reader)
    os.close(writer)


class Filling:
    """A ring that goes on filling up until it is told to stop."""

    def __init__(self, cpu: int, _pages: int, quiet: bool = False) -> None:
        self.cpu, self.quiet, self.lost, self.head, self.crowded, self.roomy = cpu, quiet, 0, 0, False, True
        self.rung: list[bytes] = []
        self.fd, self._other = os.pipe()

    def drain(self) -> list[bytes]:
        if self.quiet:
            return [b"record"] if self.head else []
        rung, self.rung = self.rung, []
        return rung

    def take(self) -> bytes:
        self.roomy = True
        return b"taken"

    def records(self, taken: bytes) -> list[bytes]:
        return [taken]

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._other)


def test_records_are_left_where_they_are_while_more_are_coming(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Filling] = []
    monkeypatch.setattr(ring_module, "Ring", lambda *given, **named: made.append(Filling(*given, **named)) or made[-1])
    monkeypatch.setattr(bpf, "update_map", lambda *_: None)
    monkeypatch.setattr(ring_module, "HOLD_S", 3600.0)  # however long this test is kept from the CPU
    rings = Rings(-1, -1, [0], 1)
    records = next(each for each in made if each.quiet)
    bell = next(each for each in made if not each.quiet)
    assert rings.wait(1) == []
    records.head = 8
    assert rings.wait(1) == [] and rings.filling
    records.head = 16
    assert rings.wait(1) == [] and rings.filling
    assert rings.wait(1) == [b"record"] and not rings.filling
    records.head = 20
    bell.rung = [pack("<QQQ", 0, 0xFFFF888000000000, 158) + b"rest"]
    assert rings.wait(1) == [] and rings.filling, "an OOM begins; what pads its bell says nothing"
    assert rings.named == [(0xFFFF888000000000, 158)]
    records.head = 22
    bell.rung = [b"\1" + bytes(27)]
    assert rings.wait(1) == [b"record"] and not rings.filling, "an OOM is over"
    records.head = 24
    assert rings.wait(0) == [b"record"], "a reader that does not wait takes all"
    records.head, records.crowded = 32, True
    assert rings.wait(1) == [b"record"], "there is little room left"
    records.crowded = False
    monkeypatch.setattr(ring_module, "HOLD_S", 0.0)
    records.head = 40
    assert rings.wait(1) == [b"record"], "not for ever"
    rings.close()


def test_what_was_heard_amid_other_work_ends_the_next_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Filling] = []
    monkeypatch.setattr(ring_module, "Ring", lambda *given, **named: made.append(Filling(*given, **named)) or made[-1])
    monkeypatch.setattr(bpf, "update_map", lambda *_: None)
    rings = Rings(-1, -1, [0], 1)
    records = next(each for each in made if each.quiet)
    bell = next(each for each in made if not each.quiet)
    records.head, bell.rung = 8, [pack("<QQQ", 1, 0xFFFF888000000000, 158)]
    rings.hear()
    assert rings.named == [(0xFFFF888000000000, 158)], "and no record is taken"
    assert rings.wait(-1) == [b"record"], "nothing else would wake it"
    rings.close()


def test_what_was_set_aside_is_the_first_that_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Filling] = []
    monkeypatch.setattr(ring_module, "Ring", lambda *given, **named: made.append(Filling(*given, **named)) or made[-1])
    monkeypatch.setattr(bpf, "update_map", lambda *_: None)
    monkeypatch.setattr(ring_module, "_ASIDE_BYTES", 10)
    rings = Rings(-1, -1, [0], 1)
    records = next(each for each in made if each.quiet)
    records.head = 8
    rings.set_aside()
    for _ in range(3):
        records.roomy = False
        rings.set_aside()
    assert not records.roomy, "there is a bound to it"
    assert rings.wait(-1) == [b"taken", b"taken", b"record"], "nothing else would wake it"
    assert rings.wait(1) == [b"record"]
    rings.close()


def test_what_is_taken_is_read_later(monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(monkeypatch, None)
    ring = Ring(0, 1)
    kernel.write(*(sample(bytes([number]) * 84) for number in range(5)))
    assert ring.roomy
    kernel.write(lost(7), sample(b"twelve bytes"))
    assert not ring.roomy
    taken = ring.take()
    assert ring.roomy and ring.take() == b""
    assert len(ring.records(taken)) == 6 and ring.lost == 7
    ring.close()


def test_they_are_set_aside_while_nobody_reads() -> None:
    """A pipe that can be read, as a buffer of which a quarter is full."""
    fd, other = os.pipe()
    lost_fd, of_lost = os.pipe()
    os.close(of_lost)  # its CPU is gone: it must not keep the thread awake
    filled = threading.Event()
    times: list[int] = []

    def set_aside() -> None:
        times.append(len(os.read(fd, 1)) if select.select([fd], [], [], 0)[0] else 0)
        if times[-1]:  # that CPU's end wakes it too, with nothing to take
            filled.set()

    meanwhile = Meanwhile(SimpleNamespace(fds=[fd, lost_fd], set_aside=set_aside))  # type: ignore[arg-type]
    for _ in range(3):
        os.write(other, b".")
        assert filled.wait(60)
        filled.clear()
    meanwhile.end()
    assert sum(times) == 3 and len(times) <= 5
    for each in (fd, other, lost_fd):
        os.close(each)


class Told:
    """Messages of the kernel's."""

    def __init__(self) -> None:
        self.next = Changes()
        self.fd, self._other = os.pipe()

    def tell(self, changes: Changes) -> None:
        self.next = changes
        os.write(self._other, b".")

    def changes(self) -> Changes:
        os.read(self.fd, 1)
        return self.next

    def close(self) -> None:
        os.close(self.fd)
        os.close(self._other)


def test_after_lost_messages_no_cpu_is_without_a_buffer(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Filling] = []
    told = Told()
    monkeypatch.setattr(ring_module, "Ring", lambda *given, **named: made.append(Filling(*given, **named)) or made[-1])
    monkeypatch.setattr(ring_module, "Hotplug", lambda: told)
    monkeypatch.setattr(bpf, "update_map", lambda *_: None)
    monkeypatch.setattr(ring_module.machine, "online_cpus", lambda: [0, 2])
    rings = Rings(-1, -1, [0, 1], 1)
    for each in made:
        each.head = 8
    del made[:]
    told.tell(Changes(modules=True, missed=True))
    assert rings.wait(0) == [b"record", b"record"], "what the old ones had"
    assert sorted(each.cpu for each in made if each.quiet) == [0, 2]
    assert rings.modules_changed
    rings.close()
