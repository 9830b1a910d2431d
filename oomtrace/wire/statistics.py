"""The memcg's arrays of counters → the list that the kernel prints of them (mm/memcontrol.c, memory_stat_format)."""

from __future__ import annotations

from struct import iter_unpack
from typing import Any, Dict, List, Mapping, Optional, Sequence

_UNSIGNED = {1: "<B", 2: "<H", 4: "<I", 8: "<Q"}
ABSENT = 255  # memcg_stats_index, memcg_events_index: u8, ~0 for an item that is not kept (6.12+)


def values(record: Any, facts: Mapping[str, Any]) -> Optional[Dict[str, int]]:
    """Name → value in the kernel's order, or None if the capture does not say how to read the arrays.

    ``facts["statistics"]`` has a row for each line: name, array ("state" or "events"), the items that are added up,
    and the unit by which the sum is multiplied (kernel/statistics.py makes them from the kernel's enums).
    """
    rows: Sequence[Mapping[str, Any]] = facts.get("statistics") or ()
    if not rows:
        return None
    state, events = _slots(record, "state"), _slots(record, "events")
    arrays = {"state": list(record.state[: record.state_len]), "events": list(record.events[: record.events_len])}
    found: Dict[str, int] = {}
    for row in rows:
        index = state if row["array"] == "state" else events
        total = sum(_value(arrays[row["array"]], index, item) * unit for item, unit in row["items"])
        found[row["name"]] = total
    return found


def _slots(record: Any, name: str) -> Optional[List[int]]:
    """Slot in the array for each item, -1 where none is kept; None where the item is the slot."""
    width = getattr(record, f"{name}_index_width")
    table = bytes(getattr(record, f"{name}_index"))
    if not width:
        return None
    entries = [entry for (entry,) in iter_unpack(_UNSIGNED[width], table[: len(table) // width * width])]
    # Up to 6.11: one more than the slot, 0 for none; int, in 6.10 and 6.11 s8. The first state has the first slot.
    if width > 1 or record.state_index[0] == 1:
        return [entry - 1 for entry in entries]
    return [-1 if entry == ABSENT else entry for entry in entries]


def _value(array: Sequence[int], slots: Optional[List[int]], item: int) -> int:
    slot = item if slots is None else slots[item] if item < len(slots) else -1
    if not 0 <= slot < len(array):
        return 0
    return max(0, array[slot])  # memcg_page_state: a sum over CPUs may be caught below zero
