"""The memcg's arrays → its statistics."""

from __future__ import annotations

from struct import pack
from typing import Any

import pytest

from oomtrace.facts import CounterAt, Facts, StatisticsRow
from oomtrace.wire import statistics
from oomtrace.wire.layout import TraceRecord
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind, RecStats
from tests.wire.made import LAYOUT, oom_records, record

ROWS = (
    StatisticsRow("anon", "state", (CounterAt(0, 4096),)),
    StatisticsRow("slab", "state", (CounterAt(1, 1), CounterAt(2, 1))),
    StatisticsRow("pgfault", "events", (CounterAt(5, 1),)),
    StatisticsRow("beyond", "events", (CounterAt(900, 1),)),
)
STATE: dict[str, Any] = {"state": [2, 30, -4], "state_len": 3}  # the third caught below zero


def _values(**fields: Any) -> "dict[str, int]":
    made = statistics.values(record(RecordKind.STATS, **{**STATE, **fields}).read(RecStats), ROWS)
    assert made is not None
    return made


def test_without_tables_an_item_is_its_slot() -> None:
    found = _values(events=[0, 0, 0, 0, 0, 7], events_len=6)
    assert list(found.items()) == [("anon", 8192), ("slab", 30), ("pgfault", 7), ("beyond", 0)]


@pytest.mark.parametrize("width, table", [
    (4, pack("<6i", 1, 2, 3, 0, 0, 1)),  # up to 6.11: one more than the slot, 0 for none
    (1, bytes([0, 1, 2, 255, 255, 0])),  # 6.12+: the slot, 255 for none
])
def test_a_table_says_which_slot(width: int, table: bytes) -> None:
    index = bytes([0, 1, 2]) if width == 1 else pack("<3i", 1, 2, 3)
    found = _values(events=[7], events_len=1, events_index_width=width, events_index=table,
                    state_index_width=width, state_index=index)
    assert found == {"anon": 8192, "slab": 30, "pgfault": 7, "beyond": 0}


def test_what_is_not_kept_is_zero() -> None:
    assert _values(events=[7], events_len=1, events_index_width=1, events_index=bytes([255] * 6))["pgfault"] == 0


def test_nothing_says_how_to_read_it() -> None:
    assert statistics.values(record(RecordKind.STATS).read(RecStats), ()) is None


HIDDEN = LAYOUT.constants["NOT_SHOWN"]
TEXT = b"anon 8192\npgfault 7\nmemory.kmem 12\nslab 3"


def _of(*records: TraceRecord) -> OomRecords:
    return oom_records(*records, facts=Facts(statistics=ROWS))


def test_what_a_kernel_without_data_symbols_hides_is_absent_and_not_zero() -> None:
    hiding = _of(record(RecordKind.STATS, **STATE, events=[7], events_len=1, events_index_width=HIDDEN))
    assert statistics.listed(hiding) == {"anon": 8192, "slab": 30} and not statistics.complete(hiding)
    both = _of(record(RecordKind.STATS, **STATE, state_index_width=HIDDEN, events_index_width=HIDDEN))
    assert not statistics.listed(both) and not statistics.complete(both)
    showing = _of(record(RecordKind.STATS, **STATE))
    assert statistics.complete(showing) and not statistics.complete(_of())


def test_the_kernels_own_text_has_what_it_hides() -> None:
    hiding = record(RecordKind.STATS, **STATE, events_index_width=HIDDEN)
    records = _of(hiding, record(RecordKind.STATS_TEXT, text=TEXT))
    assert statistics.complete(records)
    assert statistics.listed(records) == {"anon": 8192, "pgfault": 7, "memory.kmem": 12}, "slab may be cut off"
