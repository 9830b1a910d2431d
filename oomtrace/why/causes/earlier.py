"""Step 1: what the OOMs before this one, or its own last lines, say of it: a kill too many."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import Kill, OomEvent

from .. import look
from ..account import Kind, account
from ..case import Case
from ..finding import LIKELY, Reason
from ..pattern import place, time_ns
from ..registry import cause
from ..shortage import Shortage, short
from ..zones import usable, verdicts

_SOON_NS = 5 * 10**9
_LIMIT = 10  # reports in those 5 s: DEFAULT_RATELIMIT_BURST of oom_kill_process()


class Earlier(Reason):
    ASKER_WAS_KILLED = "asker_was_killed"
    VICTIM_REAPED = "victim_reaped"
    KILLED_JUST_BEFORE = "killed_just_before"
    MEMORY_HAD_COME_BACK = "memory_had_come_back"
    RATE_LIMITED = "rate_limited"
    SAME_SIZE_AS_BEFORE = "same_size_as_before"


@cause("earlier", step=1, place=3, reasons=Earlier)
def earlier(event: OomEvent, case: Case) -> None:
    """Was somebody killed just before, whose memory was coming back?"""
    if rate_limited(event, case.before):
        _bare(event, case)
        return
    asker = _asker(event, case)
    if asker is not None:
        case.says(Earlier.ASKER_WAS_KILLED, LIKELY, asker=look.who(asker[0]), since_ns=asker[1])
        return
    found = account(event)
    free = found.part(Kind.FREE) if found is not None else 0
    if found is None or not found.total_kb or free * 4 < found.total_kb or _of_no_use(event):
        return
    victims = {kill.pid for kill in event.report.kills}
    reaped = [reap for reap in event.report.reaps if reap.reaped and reap.pid not in victims]
    before = _just_before(event, case)
    if reaped:
        case.says(Earlier.VICTIM_REAPED, reaped=look.who(reaped[0]))
    elif before is not None:
        case.says(Earlier.KILLED_JUST_BEFORE, killed_before=look.who(before[0]), since_ns=before[1])
    else:
        return
    case.means(Earlier.MEMORY_HAD_COME_BACK, LIKELY, free_kb=free, total_kb=found.total_kb)


def _of_no_use(event: OomEvent) -> bool:
    """Was what was free not for this allocation: in other zones, on other nodes, or in pieces? It need not have come
    back."""
    shortage = short(event)
    if shortage is not None:
        return shortage.kind != Shortage.ALL_LOW
    return bool(verdicts(event)) and not usable(event)


def rate_limited(event: OomEvent, before: tuple[OomEvent, ...]) -> bool:
    """Is this a kill line alone, after ten whole reports within 5 s?"""
    report = event.report
    bare = report.trigger.comm is None and report.stack is None and report.tasks is None and report.summary is None
    at = time_ns(event)
    if not bare or not report.kills or at is None or event.origin.source != "log":
        return False
    times = [time_ns(one) for one in before if one.report.trigger.comm is not None]
    return sum(ns is not None and 0 <= at - ns <= _SOON_NS for ns in times) >= _LIMIT


def _bare(event: OomEvent, case: Case) -> None:
    case.says(Earlier.RATE_LIMITED)
    like = likely_place(event, case.before)
    if like is not None:
        case.means(Earlier.SAME_SIZE_AS_BEFORE, LIKELY, memcg__path=like)


def likely_place(event: OomEvent, before: tuple[OomEvent, ...]) -> Optional[str]:
    """The memcg in which a process of the same name and size was killed before, None if that leaves a doubt."""
    kill = event.report.kills[0]
    same = {look.full_path(one) for one in before for other in one.report.kills
            if other.comm == kill.comm and other.total_vm_kb == kill.total_vm_kb and place(one) != place(event)}
    return same.pop() if len(same) == 1 else None


def _asker(event: OomEvent, case: Case) -> Optional[tuple[Kill, Optional[int]]]:
    """The kill of the task that asks, if it was killed before."""
    trigger = event.report.trigger
    for one in reversed(case.before):
        for kill in one.report.kills:
            asks = kill.pid in (trigger.pid, trigger.tgid) and kill.comm == trigger.comm
            if asks and _same_process(event, one, kill):
                since = _since(event, one, kill)
                return (kill, since) if since is None or since <= 12 * _SOON_NS else None
    return None


def _same_process(event: OomEvent, one: OomEvent, kill: Kill) -> bool:
    """Can it be the process that was killed then? Not after another boot, nor with memory that the oom_reaper took."""
    if not _same_boot(event, one):
        return False
    reaped = any(reap.pid == kill.pid and reap.reaped and reap.anon_rss_kb == 0 for reap in one.report.reaps)
    holds = any(again.pid == kill.pid and again.anon_rss_kb for again in event.report.kills)
    return not (reaped and holds)


def _same_boot(event: OomEvent, one: OomEvent) -> bool:
    """Nothing shows that the machine was started anew between the two, or that they are of two machines."""
    for name in ("release", "version", "hardware"):
        values = {getattr(each.report.machine, name) for each in (event, one)} - {None}
        if len(values) > 1:
            return False
    before, after = (each.report.memcg.memory.failcnt if each.report.memcg and each.report.memcg.memory else None
                     for each in (one, event))
    same_place = look.full_path(event) is not None and look.full_path(event) == look.full_path(one)
    return not (same_place and before is not None and after is not None and after < before)


def _just_before(event: OomEvent, case: Case) -> Optional[tuple[Kill, int]]:
    for one in reversed(case.before):
        if one.report.kills and _same_boot(event, one):
            since = _since(event, one, one.report.kills[0])
            return (one.report.kills[0], since) if since is not None and since <= _SOON_NS else None
    return None


def _since(event: OomEvent, one: OomEvent, kill: Kill) -> Optional[int]:
    """How long before this OOM somebody was killed; None if no times are known, or they are of another boot."""
    at, then = time_ns(event), kill.time_ns if kill.time_ns is not None else time_ns(one)
    return at - then if at is not None and then is not None and at >= then else None
