"""Records: what is known of one at once, and what is made when it is asked for."""

from __future__ import annotations

import ctypes
import re
import tracemalloc
from pathlib import Path

import pytest

from oomtrace.wire.records import RecFrame, RecordKind
from tests.wire.made import LAYOUT, record


def test_the_header_is_known_at_once() -> None:
    made = record(RecordKind.FRAME, 7, 1 << 40, 1 << 41, address=5)
    assert (made.kind, made.seq, made.oom_id, made.time_ns) == (RecordKind.FRAME, 7, 1 << 40, 1 << 41)
    assert made.read(RecFrame).address == 5 and made.read(RecFrame) is made.read(RecFrame)


def test_what_waits_takes_little_more_than_its_bytes() -> None:
    raw = record(RecordKind.MEMCG).raw
    tracemalloc.start()
    kept = [LAYOUT.decode(raw) for _ in range(1000)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(kept) == 1000 and taken < 300_000


def test_no_record_reaches_what_stands_for_registers() -> None:
    """REGISTER_MARK, bpf/common.h: programs that write to an offset from there on would be taken for other ones."""
    common = (Path(__file__).resolve().parents[2] / "bpf" / "common.h").read_text()
    mark = re.search(r"#define REGISTER_MARK (0x[0-9a-f]+)", common)
    assert mark is not None
    assert max(map(ctypes.sizeof, LAYOUT.structs.values())) < int(mark.group(1), 16)


@pytest.mark.parametrize("data", [b"", b"\0" * 8, b"\xff" * 64, record(RecordKind.FRAME).raw[:-1]])
def test_what_is_no_record(data: bytes) -> None:
    with pytest.raises(ValueError):
        LAYOUT.decode(data)
