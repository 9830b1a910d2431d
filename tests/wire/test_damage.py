"""Captures that are damaged, or not what they seem: told in words, and read as far as they go."""

from __future__ import annotations

import io
import json
import time
from pathlib import Path
from struct import pack

import pytest

from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.wire import capture
from oomtrace.wire.framing import MAGIC, frames, packed

DATA = Path(__file__).resolve().parent.parent / "fixtures" / "data"
WHOLE = (DATA / "6.1-memcg-v2.oom").read_bytes()
OTHER = (DATA / "5.10-memcg-v1.oom").read_bytes()
FRAMES = [(frame.tag, frame.payload or b"") for frame in frames(WHOLE)][1:]
HEAD = json.loads(FRAMES[0][1])


def load(data: bytes) -> capture.Capture:
    return capture.load(io.BytesIO(data))


def with_payloads(changed: dict[bytes, bytes]) -> bytes:
    """The capture with other payloads, each with its right checksum."""
    return MAGIC + b"".join(packed(tag, changed.get(tag, payload)) for tag, payload in FRAMES)


@pytest.mark.parametrize("bit", [0, 5, 13, 20, 31])
def test_an_altered_length_costs_one_record(bit: int) -> None:
    data, whole = bytearray(WHOLE), load(WHOLE)
    data[data.index(b"RECD") + 4 + bit // 8] ^= 1 << bit % 8
    found = load(bytes(data))
    assert found.records == whole.records[1:] and found.symbols == whole.symbols and found.lost == 0
    assert [problem for problem in found.problems if "altered" in problem] == [
        "the capture is damaged: a RECD frame is cut off or altered"]


def test_zeros_are_no_frames() -> None:
    """What a disk that was full, or a machine that went down, leaves."""
    assert load(WHOLE + bytes(4096)).problems
    assert load(WHOLE[:18000] + bytes(512) + WHOLE[18512:]).lost == 0


@pytest.mark.parametrize("many", [
    b"RECD" + pack("<II", 1 << 20, 1),
    packed(b"RECD", b"") + b"RECD" + pack("<II", 3 << 20, 1),
    b"OOMTRACE 1\nHEAD",
], ids=["lengths", "lengths between frames", "beginnings"])
def test_time_is_bounded(many: bytes) -> None:
    data, begun = MAGIC + many * ((4 << 20) // len(many)), time.process_time()
    for _ in frames(data):
        pass
    assert time.process_time() - begun < 10


@pytest.mark.parametrize("tag, payload", [
    (b"HEAD", b"{"), (b"HEAD", b"[]"), (b"HEAD", b"\xff"), (b"HEAD", b"[" * 100000), (b"LAYT", b""), (b"LAYT", b"\xff"),
    (b"LAYT", b"struct rec_header { u32 kind[MANY]; };"),
    (b"LAYT", b"enum k { REC_KILL = 12, };\nstruct rec_header { u32 kind; };\nstruct rec_task { u8 a[4000000000]; };"),
    (b"LAYT", b"enum k { REC_BEGIN = 1, };\nstruct rec_header { u32 kind; };\nstruct rec_begin { u32 kind; };"),
    (b"LAYT", b"/*" * 100000),
])
def test_what_cannot_be_decoded_is_told(tag: bytes, payload: bytes) -> None:
    with pytest.raises(OomtraceError) as caught:
        list(capture.events(load(with_payloads({tag: payload}))))
    assert caught.value.message.startswith("the capture is damaged: ") and caught.value.status == EXIT_UNREADABLE


@pytest.mark.parametrize("tag, value", [
    (b"HEAD", {}), (b"HEAD", {**HEAD, "release": 5}), (b"HEAD", {**HEAD, "page_kb": 10**400}),
    (b"HEAD", {**HEAD, "meminfo": []}), (b"HEAD", {**HEAD, "meminfo": [1]}), (b"HEAD", {**HEAD, "statistics": [{}]}),
    (b"HEAD", {**HEAD, "opcode_error": "%999999999x"}), (b"SYMS", []), (b"SYMS", {"x": "y"}), (b"SYMS", {"0x1": 1}),
    (b"DONE", []), (b"DONE", {}), (b"DONE", {"records": "all"}), (b"DONE", {"records": 61, "lost": "none"}),
])
def test_what_makes_no_sense_is_a_problem(tag: bytes, value: object) -> None:
    found = load(with_payloads({tag: json.dumps(value).encode()}))
    (event,) = capture.events(found)
    assert bool(found.problems) == (value != {**HEAD, "meminfo": []}) == ("part of the capture" in event.origin.missing)
    assert event.report.victim is not None and event.report.victim.comm == "hog"


def test_records_that_the_layout_does_not_know() -> None:
    found = load(with_payloads({b"LAYT": b"struct rec_header { u32 kind; u32 seq; u64 oom_id; u64 time_ns; };"}))
    assert found.problems == ("61 of 61 records are of no kind that is known",) and not list(capture.events(found))


def test_an_event_says_that_its_capture_is_damaged() -> None:
    (event,) = capture.events(load(WHOLE[:-10]))
    assert event.origin.missing == ("part of the capture",)


@pytest.mark.parametrize("first, problems", [(WHOLE, 0), (WHOLE[:-100], 2), (WHOLE[:-30], 2)])
def test_captures_one_after_the_other(first: bytes, problems: int) -> None:
    parts = list(capture.split(first + OTHER))
    assert parts == [first, OTHER]
    assert len(load(first + OTHER).problems) == problems
    assert not load(parts[1]).problems


def test_a_name_does_not_begin_a_capture() -> None:
    payload = FRAMES[4][1] + MAGIC + packed(*FRAMES[0])
    data = MAGIC + b"".join(packed(tag, content) for tag, content in [*FRAMES[:4], (b"RECD", payload), *FRAMES[5:]])
    assert list(capture.split(data)) == [data]
