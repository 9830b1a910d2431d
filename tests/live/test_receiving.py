"""From records to events, and what is made of them for whom: with the records of a capture in place of the kernel's."""

from __future__ import annotations

import io
import pickle
from dataclasses import replace
from pathlib import Path

import pytest

from oomtrace.receiving import Receiver, Traced
from oomtrace.wire import capture

PATH = Path(__file__).resolve().parent.parent / "fixtures" / "data" / "6.12-memcg-v2.oom"


class Names:
    """The capture's own, as a resolver."""

    def __init__(self, symbols: "dict[int, str]") -> None:
        self._symbols = symbols

    def is_text(self, address: int) -> bool:
        return address in self._symbols

    def name(self, address: int) -> str:
        return self._symbols[address]


@pytest.fixture
def traced() -> Traced:
    found = capture.load(io.BytesIO(PATH.read_bytes()))
    receiver = Receiver(found.facts, Names(dict(found.symbols)), releases=True)  # type: ignore[arg-type]
    for record in found.records:
        receiver.add(record, 0)
    assert receiver.pending
    (event,) = receiver.flush()
    return event


def test_a_capture_holds_what_came(traced: Traced) -> None:
    (event,) = capture.events(capture.load(io.BytesIO(traced.capture())))
    assert event == replace(traced.event, source="capture")


def test_it_goes_from_process_to_process(traced: Traced) -> None:
    again = pickle.loads(pickle.dumps(traced))
    assert again.event == traced.event and again.capture() == traced.capture()
