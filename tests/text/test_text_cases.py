"""Small logs, each of which stands for a kind of fault that there was once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from text_corpus import kernel_text

from oomtrace.model import OomEvent
from oomtrace.text import read
from oomtrace.text.archive import members
from oomtrace.text.source import chunks, opened

CASES = Path(__file__).with_name("cases")
RIGHT: dict[str, list[Any]] = yaml.safe_load((CASES / "right.yaml").read_text())
USUAL = {"comm": "hog", "asked": 900, "killed": [900], "killed_comm": "hog", "release": "5.15.0-91-generic",
         "memcg": "/foo", "entries": 4, "stats": {"anon": 98742272, "file": 2469888}, "unread": []}


def _events(name: str) -> list[OomEvent]:
    path = str(CASES / f"{name}.txt")
    with opened(path) as stream:
        return [event for member in members(name, chunks(stream), path) for event in read(member.pieces)]


def _stats(event: OomEvent) -> Any:
    memcg = event.report.memcg
    return memcg.stats[-1].values if memcg is not None and memcg.stats else {}


def _entries(event: OomEvent) -> int:
    return len(event.report.stack.entries) if event.report.stack is not None else 0


_VALUES = {
    "comm": lambda event: event.report.trigger.comm,
    "asked": lambda event: event.report.trigger.pid,
    "ve": lambda event: event.report.trigger.ve,
    "killed": lambda event: [kill.pid for kill in event.report.kills],
    "killed_comm": lambda event: event.report.kills[0].comm,
    "adj": lambda event: event.report.kills[0].oom_score_adj,
    "release": lambda event: event.report.machine.release,
    "page_kb": lambda event: event.report.machine.page_kb,
    "memcg": lambda event: event.report.memcg and event.report.memcg.path,
    "entries": _entries,
    "stats": _stats,
    "tasks": lambda event: event.report.tasks and [task.comm for task in event.report.tasks],
    "pids": lambda event: [task.pid for task in event.report.tasks],
    "lines": lambda event: len(kernel_text(event).splitlines()),
    "unprinted": lambda event: event.trace.unprinted_reason,
    "nothing_missing": lambda event: event.origin.missing == (),
    "unread": lambda event: [line.text for line in event.origin.lines if line.row is None],
}


@pytest.mark.parametrize("name", sorted(RIGHT))
def test_case(name: str) -> None:
    found = _events(name)
    assert len(found) == len(RIGHT[name])
    for event, right in zip(found, RIGHT[name]):
        wanted = dict(USUAL if right == "usual" else right)
        if "missing" in wanted:
            assert wanted.pop("missing") in event.origin.missing
        counters = event.report.meminfo.counters if event.report.meminfo is not None else {}
        for counter, value in wanted.pop("counters", {}).items():
            assert counters[counter] == value
        assert {key: _VALUES[key](event) for key in wanted} == wanted


def test_every_log_has_its_right_values() -> None:
    assert {path.stem for path in CASES.glob("*.txt")} == set(RIGHT)
