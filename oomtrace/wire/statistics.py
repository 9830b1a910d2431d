"""The memcg's arrays of counters → the list that the kernel prints of them (mm/memcontrol.c, memory_stat_format).

Or the list as it was printed, of a kernel that does not show which counter is where in the arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import iter_unpack
from typing import Optional

from oomtrace.facts import StatisticsRow
from oomtrace.wire.layout import text_of
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import RecordKind, RecStats, RecStatsText

_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
ABSENT = 255  # memcg_stats_index, memcg_events_index: u8, ~0 for an item that is not kept (6.12+)


def listed(records: OomRecords) -> Optional[dict[str, int]]:
    """Name → value in the kernel's order; None if there is nothing of it."""
    printed, arrays = records.last(RecordKind.STATS_TEXT, RecStatsText), records.last(RecordKind.STATS, RecStats)
    if printed is not None:
        return of_text(text_of(printed.text))
    if arrays is None:
        return None
    hidden = _hidden(arrays, records.constants["NOT_SHOWN"])
    return values(arrays, [row for row in records.facts.statistics if row.array not in hidden])


def complete(records: OomRecords) -> bool:
    """Whether all of the list is known."""
    arrays = records.last(RecordKind.STATS, RecStats)
    if records.has(RecordKind.STATS_TEXT) or arrays is None:
        return arrays is not None
    return not _hidden(arrays, records.constants["NOT_SHOWN"])


def _hidden(record: RecStats, not_shown: int) -> set[str]:
    """Which of the arrays cannot be read, as it is not known which counter is where."""
    widths = {"state": record.state_index_width, "events": record.events_index_width}
    return {name for name, width in widths.items() if width == not_shown}


def of_text(text: str) -> dict[str, int]:
    """What the kernel has formatted, a name and a number a line; a last line that is cut off is left out."""
    lines = (line.split(" ") for line in text.split("\n")[:-1])
    return {line[0]: int(line[1]) for line in lines if len(line) == 2 and line[1].isdigit()}


def values(record: RecStats, rows: Sequence[StatisticsRow]) -> Optional[dict[str, int]]:
    """What is in the arrays, by name, or None if the capture does not say how to read them."""
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
    if width not in _UNSIGNED:
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
