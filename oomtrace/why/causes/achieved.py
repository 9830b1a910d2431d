"""Step 6: what the kill achieved."""

from __future__ import annotations

from oomtrace.model import Kill, OomEvent, Reap, Release

from .. import look
from ..account import Kind, account
from ..case import Case
from ..finding import CERTAIN, UNKNOWN, Process, Reason
from ..registry import cause


class Achieved(Reason):
    KILLED = "killed"
    RELEASED = "released"
    REAPED = "reaped"
    HARDLY_REAPED = "hardly_reaped"  # locked memory, for one, stays
    NOT_REAPED = "not_reaped"
    NOT_SHOWN = "not_shown"
    NEXT = "next"  # the next OOM in the same place
    NEXT_AFTER_FILLED_AGAIN = "next_after_filled_again"
    NEXT_BEFORE_ALL_CAME_BACK = "next_before_all_came_back"
    TMPFS_STAYS = "tmpfs_stays"


@cause("achieved", step=6, place=1, reasons=Achieved)
def achieved(event: OomEvent, case: Case) -> None:
    """When the memory came back, and by whom."""
    if not event.report.kills:
        return
    kills = _once(event.report.kills)
    if len(kills) > 1:
        case.says(Achieved.KILLED, killed=len(kills), held_kb=sum(look.held_kb(kill) or 0 for kill in kills),
                  victims=tuple(look.who(kill) for kill in kills[:5]),
                  more_victims=len(kills) - 5 if len(kills) > 5 else None)
    for release in event.trace.releases:
        _released(event, release, case)
    for reap in event.report.reaps:
        _reaped(event, reap, case)
    _again(event, case)
    _stays(event, case)
    if not event.trace.releases and not event.report.reaps:
        # What else is known is certain all the same.
        case.says(Achieved.NOT_SHOWN, CERTAIN if case.said or case.concluded else UNKNOWN)
    case.knows(killed=len(kills), reaped=len([reap for reap in event.report.reaps if reap.reaped]),
               released=len(event.trace.releases))


def _once(kills: tuple[Kill, ...]) -> tuple[Kill, ...]:
    """A group kill prints the first victim twice."""
    found: dict[int, Kill] = {}
    for kill in kills:
        found.setdefault(kill.pid, kill)
    return tuple(found.values())


def _released(event: OomEvent, release: Release, case: Case) -> None:
    kill = next((kill for kill in event.report.kills if kill.pid == release.pid), None)
    freed = release.freed_pages * look.page_kb(event) if release.freed_pages is not None else None
    after_decision = after_kill = None
    if event.trace.begin_ns is not None and release.time_ns >= event.trace.begin_ns:
        after_decision = release.time_ns - event.trace.begin_ns
    elif kill is not None and kill.time_ns is not None and release.time_ns >= kill.time_ns:
        after_kill = release.time_ns - kill.time_ns
    case.says(Achieved.RELEASED, released_by=release.by, freed_kb=freed, after_decision_ns=after_decision,
              after_kill_ns=after_kill, process=Process(release.pid, kill.comm if kill is not None else None))


def _reaped(event: OomEvent, reap: Reap, case: Case) -> None:
    if not reap.reaped:
        case.says(Achieved.NOT_REAPED, process=look.who(reap))
        return
    kill = next((kill for kill in event.report.kills if kill.pid == reap.pid), None)
    after = None
    if kill is not None and kill.time_ns is not None and reap.time_ns is not None and reap.time_ns >= kill.time_ns:
        after = reap.time_ns - kill.time_ns
    left, held = reap.anon_rss_kb or 0, kill.anon_rss_kb if kill is not None else None
    hardly = held and left * 10 >= held * 9
    case.says(Achieved.HARDLY_REAPED if hardly else Achieved.REAPED, process=look.who(reap), left_kb=reap.anon_rss_kb,
              after_kill_ns=after)


def _again(event: OomEvent, case: Case) -> None:
    """The next OOM in the same place, known if it began while this one was in hand."""
    followed = event.trace.followed_ns
    if followed is None:
        return
    reason = Achieved.NEXT
    if event.trace.begin_ns is not None and event.trace.releases:
        at = event.trace.begin_ns + followed
        back = all(release.time_ns <= at for release in event.trace.releases)
        reason = Achieved.NEXT_AFTER_FILLED_AGAIN if back else Achieved.NEXT_BEFORE_ALL_CAME_BACK
    memcg = event.report.memcg is not None and event.report.memcg.path is not None
    case.means(reason, followed_ns=followed, place="memcg" if memcg else "machine")


def _stays(event: OomEvent, case: Case) -> None:
    """What a kill cannot free."""
    found = account(event)
    if found is not None and found.total_kb and found.part(Kind.SHMEM) * 2 >= found.total_kb:
        case.means(Achieved.TMPFS_STAYS)
