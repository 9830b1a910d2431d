"""The ring of the newest samples, written backwards and over itself, as the kernel leaves it."""

from __future__ import annotations

from struct import pack

import pytest

from oomtrace.live.recent import MOST_BYTES, TOTAL_BYTES, ring_bytes, samples

SIZE = 1 << 12


class Kernel:
    """Writes records as kernel/events/ring_buffer.c does: each one before the one before."""

    def __init__(self) -> None:
        self.ring, self.head = bytearray(SIZE), 0

    def write(self, payload: bytes, kind: int = 9) -> None:
        payload = payload.ljust(-(-(len(payload) + 4) // 8) * 8 - 4, b"\0")  # so that records are aligned
        record = pack("<IHHI", kind, 0, 12 + len(payload), len(payload)) + payload
        self.head = (self.head - len(record)) % (1 << 64)
        for at, byte in enumerate(record):
            self.ring[(self.head + at) % SIZE] = byte


def payload(number: int, length: int = 100) -> bytes:
    return number.to_bytes(4, "little") + bytes([number % 256]) * (length - 4)


def test_a_new_ring_is_empty() -> None:
    assert samples(bytes(SIZE), 0) == []


def test_the_newest_comes_first() -> None:
    kernel = Kernel()
    for number in range(5):
        kernel.write(payload(number))
    assert samples(bytes(kernel.ring), kernel.head) == [payload(number) for number in (4, 3, 2, 1, 0)]


@pytest.mark.parametrize("length", [100, 108, 332])
def test_what_is_written_over_is_gone(length: int) -> None:
    kernel = Kernel()
    for number in range(200):
        kernel.write(payload(number, length))
    found = samples(bytes(kernel.ring), kernel.head)
    whole = SIZE // (length + 12)
    assert found[:whole] == [payload(number, length) for number in range(199, 199 - whole, -1)]
    assert len(found) <= whole + 1  # what follows may look like one


def test_other_records_are_passed_over() -> None:
    kernel = Kernel()
    kernel.write(payload(1))
    kernel.write(b"lost" * 4, kind=2)
    kernel.write(payload(2))
    assert samples(bytes(kernel.ring), kernel.head) == [payload(2), payload(1)]


@pytest.mark.parametrize("cpus", [1, 2, 3, 16, 64, 256])
def test_the_rings_together_are_bounded(cpus: int) -> None:
    size = ring_bytes(cpus)
    assert not size & (size - 1) and size <= MOST_BYTES and cpus * size <= TOTAL_BYTES
