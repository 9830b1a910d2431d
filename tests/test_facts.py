"""Facts of a machine: as a capture has them, and what is not believed of one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oomtrace.facts import CounterAt, Facts, FreeArea, MeminfoFacts, StatisticsRow

MEMINFO = MeminfoFacts(
    node={"file_pages": CounterAt(3, 1)}, zone={}, letters="UM", zones={"ZONE_DMA": 0, "ZONE_HIGHMEM": None}, numa=True,
    cma=False, by_gfp_zone=True, hugepages_by_node=False, free_area=FreeArea(11, 104, 96),
)
FACTS = Facts(
    release="6.1.0", host="h", page_kb=16, task_markers=True, meminfo=MEMINFO, offsets_bytes={"task_struct.mm": 8},
    statistics=(StatisticsRow("slab", "state", (CounterAt(1, 1), CounterAt(2, 1))),), followed_ns=5,
)


def test_they_come_back_from_json() -> None:
    plain = FACTS.to_plain()
    assert plain == json.loads(json.dumps(plain))
    assert plain["statistics"] == [{"name": "slab", "array": "state", "items": [[1, 1], [2, 1]]}]
    assert "boot_id" not in plain, "what is not known is not there"
    assert Facts.from_plain(plain) == (FACTS, False)


@pytest.mark.parametrize("plain", [{}, {"meminfo": []}, {"statistics": []}, {"preempt": None}, {"later": 5}])
def test_what_is_not_known_is_no_fault(plain: Any) -> None:
    assert Facts.from_plain(plain) == (Facts(), False)


@pytest.mark.parametrize("name, value", [
    ("release", 5), ("page_kb", 10**400), ("page_kb", 0), ("page_kb", True), ("meminfo", [1]), ("statistics", [{}]),
    ("opcode_error", "%999999999x"), ("opcode_error", "%s"), ("opcode_error", "none"), ("taint_flags", -1),
    ("followed_ns", 1 << 63), ("statistics", [{"name": "a", "array": "other", "items": []}]),
    ("statistics", [{"name": "a", "array": "state", "items": [[-1, 1]]}]),
    ("meminfo", {**FACTS.to_plain()["meminfo"], "node": {}}),
    ("meminfo", {**FACTS.to_plain()["meminfo"], "free_area": {"orders": 64, "bytes": 1, "nr_free": 1}}),
])
def test_what_makes_no_sense_is_left_out_and_nothing_else(name: str, value: Any) -> None:
    plain = {"charges": "batch", name: value}
    assert Facts.from_plain(plain) == (Facts(charges="batch"), True)
