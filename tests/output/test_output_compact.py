"""A line of jsonl is made of templates: it must be what json.dumps makes of the plain data."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oomtrace import why
from oomtrace.model import OomEvent, Task
from oomtrace.output.document import SCHEMA, compact, entry, line, plain
from oomtrace.text import read

DATA = Path(__file__).resolve().parents[1] / "fixtures/data"
LOGS = sorted(DATA.glob("*.kmsg"))


def _expected(value: Any) -> str:
    return json.dumps(plain(value), separators=(",", ":"))


@pytest.mark.parametrize("path", LOGS, ids=lambda path: path.stem)
def test_a_line_is_the_plain_data(path: Path) -> None:
    for event in read([path.read_bytes()]):
        explained = why.explain(event)
        assert compact(event) == _expected(event)
        whole = {"schema": SCHEMA, **entry(event, explained)}
        assert line(event, explained) == json.dumps(whole, separators=(",", ":"))


def test_there_are_logs_to_try() -> None:
    assert LOGS


@dataclass(frozen=True)
class Mixed:
    """Any kind of value that a field of the model may have, and the % of a template."""

    number: Optional[int] = None
    word: Optional[str] = None
    sure: Optional[bool] = None
    part: Optional[float] = None


@given(st.lists(st.builds(Mixed, st.none() | st.integers(), st.none() | st.text(max_size=9), st.none() | st.booleans(),
                          st.none() | st.floats(allow_nan=False, allow_infinity=False)), max_size=5))
def test_any_values(rows: Any) -> None:
    assert compact(tuple(rows)) == _expected(tuple(rows))


@pytest.mark.parametrize("comm", ["100%", "%s%d", '"', "\\", "caf\u00e9", "\udc80x", "\x1b[31m", "\ud800"])
def test_odd_names(comm: str) -> None:
    tasks: tuple[Task, ...] = (Task(1, comm, uid=0), Task(2, "plain"))
    event = replace(OomEvent(), report=replace(OomEvent().report, tasks=tasks))
    assert compact(event) == _expected(event)
    json.loads(compact(event))
