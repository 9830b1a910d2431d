"""Each capture of the VM and the kernel's log of the same OOM read back to the same event, field by field."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest

from oomtrace import text
from oomtrace.model import OomEvent
from oomtrace.wire import capture

TESTS = Path(__file__).resolve().parent.parent
PAIRS = [(path, path.with_suffix(".kmsg")) for path in sorted((TESTS / "fixtures" / "data").glob("*-memcg-*.oom"))]
PAIRS += [(path, path.with_name(path.name.replace(".oom.", ".log.")))
          for path in sorted((TESTS / "wire" / "data").glob("*.oom.gz"))]

# Where both know something and it differs, and why. What is below such a field is not compared.
DIFFERENT: dict[str, str] = {
    "origin.source": "says where the event is from",
    "origin.lines": "are of a log: a trace has none",
    "trace.times_ns": "are the trace's own times of the parts; a log has one for each line",
    "report.kills.time_ns": "the probe on the kill runs at another moment than the printk() of its line",
    "trace.levels": "are not printed: a log has none",
    "trace.candidates": "are not printed: a log has none",
    "trace.growth": "is not printed: a log has none",
    "trace.releases": "are not printed: a log has none",
    "trace.history": "is not printed: a log has none",
}

# What a log has and a trace has not, and why.
ONLY_IN_LOGS: dict[str, str] = {
    "report.trigger.gfp_flags": "are the mask's names, which are made when it is printed",
    "report.stack.registers_at":
        "is for traces in which the user's registers are not last, as they are in every live one",
}


def _unlike(path: str, live: Any, log: Any) -> Iterator[tuple[str, Any, Any]]:
    """What both know and is not the same: the field, without numbers of items, and both values."""
    if live is None or log is None or path in DIFFERENT:
        return
    if is_dataclass(live) and is_dataclass(log):
        for field in fields(live):
            name = f"{path}.{field.name}" if path else field.name
            yield from _unlike(name, getattr(live, field.name), getattr(log, field.name))
    elif isinstance(live, dict) and isinstance(log, dict):
        for key in live.keys() & log.keys():
            yield from _unlike(f"{path}.{key}", live[key], log[key])
    elif isinstance(live, tuple) and isinstance(log, tuple) and len(live) == len(log):
        for ours, theirs in zip(live, log):
            yield from _unlike(path, ours, theirs)
    elif live != log:
        yield path, live, log


def _event(live: Path, log: Path) -> tuple[OomEvent, OomEvent]:
    """The one event of a capture, and that of its log."""
    capturing, logged = (gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
                         for path in (live, log))
    (ours,) = capture.events(capture.load(io.BytesIO(capturing)))
    (theirs,) = text.read([logged])
    return ours, theirs


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].name)
def test_the_same_on_every_field_that_both_have(pair: tuple[Path, Path]) -> None:
    live, log = _event(*pair)
    assert list(_unlike("", live, log)) == []


def _known(path: str, value: Any) -> Iterator[str]:
    """The fields that are known, without numbers of items."""
    if value is None or value == () or value == {}:
        return
    yield path
    if is_dataclass(value):
        for field in fields(value):
            yield from _known(f"{path}.{field.name}" if path else field.name, getattr(value, field.name))
    elif isinstance(value, dict):
        for key, one in value.items():
            yield from _known(f"{path}.{key}", one)
    elif isinstance(value, tuple):
        for one in value:
            yield from _known(path, one)


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0].name)
def test_a_trace_knows_what_its_log_has(pair: tuple[Path, Path]) -> None:
    live, log = _event(*pair)
    unknown: set[str] = set(_known("", log)) - set(_known("", live)) - set(ONLY_IN_LOGS)
    assert {path for path in unknown if not path.startswith("origin.lines")} == set()
