"""Records → how the usage of memcgs has gone before the OOM."""

from __future__ import annotations

from collections.abc import Sequence

from oomtrace.model import UsageHistory, UsageMoment
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import Moment, RecHistory, RecordKind

_SECOND, _MINUTE = 30, 36  # slots are of 2 to the power of these, in ns (bpf/near.h)
_SLOTS = 64


def histories(records: OomRecords, oom_id: int, memcgs: Memcgs) -> tuple[UsageHistory, ...]:
    """Of the memcgs that matter and have a limit: the full one, those above it, the victim's. ``oom_id``: when the OOM
    began, CLOCK_MONOTONIC."""
    found = []
    for record in records.all(RecordKind.HISTORY, RecHistory):
        path = memcgs.path_of(record.memcg)
        if path is not None:
            seconds, minutes = _slots(record.seconds, oom_id >> _SECOND), _slots(record.minutes, oom_id >> _MINUTE)
            _add_last_minute(minutes, seconds)
            kb = records.facts.page_kb
            found.append(UsageHistory(
                path, _moments(seconds, _SECOND, oom_id, kb), _moments(minutes, _MINUTE, oom_id, kb)
            ))
    return tuple(found)


def _slots(moments: Sequence[Moment], now: int) -> dict[int, int]:
    """Pages by slot, of those that are not left over from an earlier round."""
    return {each.slot: each.pages for each in moments if each.slot and now - _SLOTS < each.slot <= now}


def _add_last_minute(minutes: dict[int, int], seconds: dict[int, int]) -> None:
    """The kernel's part adds a second to its minute when the next one begins: the last is still to be added."""
    if seconds:
        last = max(seconds)
        minute = last >> (_MINUTE - _SECOND)
        minutes[minute] = max(minutes.get(minute, 0), seconds[last])


def _moments(slots: dict[int, int], shift: int, oom_id: int, page_kb: int) -> tuple[UsageMoment, ...]:
    return tuple(UsageMoment(oom_id - (slot << shift), slots[slot] * page_kb) for slot in sorted(slots))
