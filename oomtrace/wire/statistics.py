"""The memcg's arrays of counters → the list that the kernel prints of them (mm/memcontrol.c, memory_stat_format)."""

from __future__ import annotations

from struct import iter_unpack
from typing import Optional, Sequence

from oomtrace.facts import StatisticsRow
from oomtrace.wire.records import RecStats

_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
ABSENT = 255  # memcg_stats_index, memcg_events_index: u8, ~0 for an item that is not kept (6.12+)


def values(record: RecStats, rows: Sequence[StatisticsRow]) -> Optional[dict[str, int]]:
    """Name → value in the kernel's order, or None if the capture does not say how to read the arrays."""
    if not rows:
        return None
    first_slot = record.state_index[0]
    slots = {
        "state": _slots(record.state_index_width, record.state_index, first_slot),
        "events": _slots(record.events_index_width, record.events_index, first_slot),
    }
    arrays = {"state": record.state[: record.state_len], "events": record.events[: record.events_len]}
    return {
        row.name: sum(_value(arrays[row.array], slots[row.array], at) * unit for at, unit in row.items) for row in rows
    }


def _slots(width: int, index: Sequence[int], first_slot: int) -> Optional[list[int]]:
    """Slot in the array for each item, -1 where none is kept; None where the item is the slot."""
    if not width:
        return None
    table = bytes(index)
    entries = [entry for (entry,) in iter_unpack(_UNSIGNED[width], table[: len(table) // width * width])]
    # Up to 6.11: one more than the slot, 0 for none; int, in 6.10 and 6.11 s8. The first state has the first slot.
    if width > 1 or first_slot == 1:
        return [entry - 1 for entry in entries]
    return [-1 if entry == ABSENT else entry for entry in entries]


def _value(array: Sequence[int], slots: Optional[list[int]], item: int) -> int:
    slot = item if slots is None else slots[item] if item < len(slots) else -1
    if not 0 <= slot < len(array):
        return 0
    return max(0, array[slot])  # memcg_page_state: a sum over CPUs may be caught below zero
