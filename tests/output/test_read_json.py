"""What json and jsonl have written is read again; that of the schema before this one, too."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest
from test_output_scripts import everything

from oomtrace import output
from oomtrace.errors import EXIT_UNREADABLE, OomtraceError
from oomtrace.model import OomEvent
from oomtrace.output import read_json
from oomtrace.output.base import with_names
from oomtrace.wire import capture
from tests.events import changed

TESTS = Path(__file__).resolve().parents[1]
# The same captures, as oomtrace/1 had them.
EARLIER = gzip.decompress((TESTS / "output" / "data" / "oomtrace-1.jsonl.gz").read_bytes())
CAPTURES = ("fixtures/data/6.12-memcg-v2.oom", "fixtures/data/5.10-memcg-v1.oom", "wire/data/6.12-mempolicy.oom.gz")


def captured() -> list[OomEvent]:
    found: list[OomEvent] = []
    for name in CAPTURES:
        data = (TESTS / name).read_bytes()
        data = gzip.decompress(data) if name.endswith(".gz") else data
        found += map(with_names, capture.events(capture.load(io.BytesIO(data))))
    return found


def written(form: str, *events: OomEvent) -> bytes:
    stream = io.StringIO()
    writer = output.writer(form, stream)
    for event in events:
        writer.event(event)
    writer.finish(None)
    return stream.getvalue().encode()


def read(data: bytes, piece: int = 1000) -> list[OomEvent]:
    pieces = [data[at : at + piece] for at in range(0, len(data), piece)]
    return list(map(read_json.event, read_json.entries(pieces)))


@pytest.mark.parametrize("form", ["json", "jsonl"])
def test_what_was_written_is_read(form: str) -> None:
    events = [*captured(), with_names(changed(everything(), lines=(), host="odd\udcff"))]
    data = written(form, *events)
    assert read_json.is_document(data[: read_json.ENOUGH_BYTES])
    assert read(data) == events and read(data, 1) == events
    assert read(data + data) == [*events, *events], "one after the other"


def test_the_schema_before_this_one_is_read() -> None:
    assert read(EARLIER) == captured()
    entries = [{"event": json.loads(line)["event"]} for line in EARLIER.splitlines()]
    assert read(json.dumps({"schema": "oomtrace/1", "events": entries, "pattern": None}).encode()) == captured()


def test_what_was_missing_has_todays_name() -> None:
    line = json.loads(EARLIER.splitlines()[0])
    line["event"]["missing"] = ["memcg usage", "the kill", "call trace"]
    (event,) = read(json.dumps(line).encode())
    assert event.origin.missing == ("memory cgroup usage", "Killed process line", "call trace")


def test_pretty_printed() -> None:
    document = json.loads(written("json", *captured()))
    assert read(json.dumps(document, indent=8).encode()) == captured()
    lines = written("jsonl", *captured()[:1])
    assert [entry.problem for entry in read_json.entries([json.dumps(json.loads(lines), indent=2).encode()])] == [
        "it does not go on as a document does"]


@pytest.mark.parametrize("data, good, problem", [
    (written("json", *captured())[:-20], 3, "ends early"),
    (written("json", *captured())[:-30000], 2, "ends early"),
    (written("jsonl", *captured())[:-20], 2, "a line is no JSON"),
    (written("jsonl", *captured()) + b"{}\n", 3, "has no event"),
    (written("json", *captured()) + b"more", 3, "does not go on"),
])
def test_damage_costs_what_is_damaged(data: bytes, good: int, problem: str) -> None:
    *whole, last = read_json.entries([data])
    assert list(map(read_json.event, whole)) == captured()[:good]
    with pytest.raises(OomtraceError, match=problem) as caught:
        read_json.event(last)
    assert caught.value.status == EXIT_UNREADABLE


@pytest.mark.parametrize("change, problem", [
    ({"schema": "oomtrace/3"}, "is of schema oomtrace/3"),
    ({"event": []}, "cannot be read"),
    ({"event": {"kind": 5}}, "kind: 5 is no str"),
    ({"event": {"report": {"kills": [{"pid": "x"}]}}}, "report: kills: pid: 'x' is no int"),
])
def test_what_is_no_event_of_ours(change: Any, problem: str) -> None:
    line = {**json.loads(written("jsonl", *captured()[:1])), **change}
    (entry,) = read_json.entries([json.dumps(line).encode()])
    with pytest.raises(OomtraceError, match=problem):
        read_json.event(entry)


@pytest.mark.parametrize("head", [b"", b"{", b'{"MESSAGE":"x"}', b"OOMTRACE 1\n", b'{"schema":"other/1"'])
def test_what_is_no_document(head: bytes) -> None:
    assert not read_json.is_document(head)
