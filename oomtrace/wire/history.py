"""Records → how the usage of memcgs has gone before the OOM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import calcsize, iter_unpack

from oomtrace.model import UsageHistory, UsageMoment
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import Moment, RecHistory, RecordKind

_SECOND, _MINUTE = 30, 36  # slots are of 2 to the power of these, in ns (bpf/near.h)
_SLOTS = 64
_HEAD = calcsize("QQIIII")  # of struct history (bpf/near.h), before its moments


def histories(records: OomRecords, oom_id: int, memcgs: Memcgs) -> tuple[UsageHistory, ...]:
    """Of the memcgs that matter and have a limit: the full one, those above it, the victim's. ``oom_id``: when the OOM
    began, CLOCK_MONOTONIC."""
    found = []
    for record in records.all(RecordKind.HISTORY, RecHistory):
        path = memcgs.path_of(record.memcg)
        if path is not None:
            found.append(_history(path, _pairs(record.seconds), _pairs(record.minutes), oom_id, records.facts.page_kb))
    return tuple(found)


def of_kept(path: str, kept: bytes, oom_id: int, page_kb: int) -> UsageHistory:
    """Of a memcg, from what the kernel's part keeps of it (struct history, bpf/near.h). ``oom_id``: as above."""
    moments = [(slot, pages) for slot, pages in iter_unpack("=II", kept[_HEAD:])]
    return _history(path, moments[:_SLOTS], moments[_SLOTS:], oom_id, page_kb)


_Pairs = Sequence[tuple[int, int]]  # slot, pages


def _pairs(moments: Sequence[Moment]) -> _Pairs:
    return [(each.slot, each.pages) for each in moments]


def _history(path: str, by_second: _Pairs, by_minute: _Pairs, oom_id: int, page_kb: int) -> UsageHistory:
    seconds = _slots(by_second, oom_id >> _SECOND)
    minutes = _slots([*by_minute, *_last_minute(by_second, by_minute)], oom_id >> _MINUTE)
    return UsageHistory(path, _moments(seconds, _SECOND, oom_id, page_kb), _moments(minutes, _MINUTE, oom_id, page_kb))


def _slots(moments: _Pairs, now: int) -> dict[int, int]:
    """Pages by slot, of those that are not left over from an earlier round."""
    return {slot: pages for slot, pages in moments if slot and now - _SLOTS < slot <= now}


def _last_minute(by_second: _Pairs, by_minute: _Pairs) -> _Pairs:
    """The kernel's part adds a second to its minute when the next one begins: the last is still to be added."""
    second, pages = max(by_second, default=(0, 0))
    minute = second >> (_MINUTE - _SECOND)
    return [(minute, max(pages, dict(by_minute).get(minute, 0)))] if second else []


def _moments(slots: Mapping[int, int], shift: int, oom_id: int, page_kb: int) -> tuple[UsageMoment, ...]:
    return tuple(UsageMoment(oom_id - (slot << shift), slots[slot] * page_kb) for slot in sorted(slots))
