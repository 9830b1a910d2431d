"""Captures recorded in the VM decode to the kernel's own lines, with no root, no bcc and no VM."""

from __future__ import annotations

import io
from pathlib import Path
from typing import List

import pytest

from oomtrace import text
from oomtrace.errors import OomtraceError
from oomtrace.model import OomEvent
from oomtrace.wire import capture
from tests.live.guest import kernel_lines

DATA = Path(__file__).resolve().parent.parent / "fixtures" / "data"
CAPTURES = sorted(DATA.glob("*.oom"))


def _events(data: bytes) -> List[OomEvent]:
    return list(capture.events(capture.load(io.BytesIO(data))))


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_replayed_report_is_the_kernels(path: Path) -> None:
    (event,) = _events(path.read_bytes())
    ours = text.text(text.write(event)).encode("utf-8", "surrogateescape").splitlines()
    assert ours == kernel_lines(path.with_suffix(".kmsg").read_bytes())
    assert not event.incomplete


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_what_only_a_trace_knows(path: Path) -> None:
    (event,) = _events(path.read_bytes())
    assert event.memcg is not None
    assert [level.path for level in event.memcg.levels] == ["/foo", "/"]
    assert event.victim_memcg == "/foo/inner" and event.trigger.memcg == "/foo/inner"
    assert {candidate.task.comm for candidate in event.candidates} >= {"hog", "worker", "www) x"}
    assert event.totalpages == 48 * 256
    assert event.printed is True


@pytest.mark.parametrize("keep", [0, 5, 11, 40, 400, 4000, -1])
def test_truncated_capture_gives_what_there_is(keep: int) -> None:
    data = CAPTURES[0].read_bytes()[:keep] if CAPTURES else b""
    try:
        loaded = capture.load(io.BytesIO(data))
    except OomtraceError as error:
        assert error.message
        return
    assert loaded.problems
    for event in capture.events(loaded):
        text.write(event)


def test_altered_byte_is_noticed() -> None:
    data = bytearray(CAPTURES[0].read_bytes())
    at = data.index(b"RECD") + 40
    data[at] ^= 0xFF
    loaded = capture.load(io.BytesIO(bytes(data)))
    assert any("altered" in problem for problem in loaded.problems)
    (event,) = capture.events(loaded)
    assert event.incomplete and event.records_lost
