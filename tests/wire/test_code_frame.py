"""The code around an OOM in a capture: it comes back as it was, and damage to it costs nothing else."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

from oomtrace.model import Part
from oomtrace.wire import capture
from oomtrace.wire.framing import packed
from tests.codes import CODE

FILE = Path(__file__).resolve().parents[1] / "fixtures" / "data" / "6.1-memcg-v2.oom"


def dumped(raw: Any = None) -> bytes:
    held = capture.load(io.BytesIO(FILE.read_bytes()))
    return capture.dump(held.layout.text, held.facts, held.records, held.symbols, 0, CODE, raw)


def test_it_comes_back() -> None:
    (event,) = capture.events(capture.load(io.BytesIO(dumped())))
    assert event.code == CODE and Part.OF_CAPTURE not in event.origin.missing


def test_a_capture_without_it_has_none() -> None:
    (event,) = capture.events(capture.load(io.BytesIO(FILE.read_bytes())))
    assert event.code is None


def test_senseless_code_is_told_of_and_the_rest_is_read() -> None:
    data = dumped()
    at, end = data.rindex(b"CODE"), data.rindex(b"DONE")
    held = capture.load(io.BytesIO(data[:at] + packed(b"CODE", b'{"frames": 7}') + data[end:]))
    assert held.problems == ("the code of processes cannot be read",)
    (event,) = capture.events(held)
    assert event.code is None and event.report.kills


def test_what_it_was_made_of_is_there_only_if_it_was_to_be_kept() -> None:
    for raw in (None, {"machine": "x86_64"}):
        assert capture.load(io.BytesIO(dumped(raw))).raw == raw
