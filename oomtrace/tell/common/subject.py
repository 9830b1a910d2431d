"""Whose an event is: the memcg that it is about, and the first process that was ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Optional

if TYPE_CHECKING:
    from oomtrace.model import OomEvent


class Victim(NamedTuple):
    """A process that was ended; what is not known is None."""

    pid: int
    comm: str
    uid: Optional[int]
    anon_rss_kb: Optional[int]


def path_of(event: OomEvent) -> Optional[str]:
    """The memcg that was full, or else the victim's."""
    if event.killed is not None:
        return event.killed.victims[0].memcg if event.killed.victims else None
    report = event.report
    return (report.memcg.path if report.memcg is not None else None) or report.victim_memcg


def victim_memcg(event: OomEvent) -> Optional[str]:
    """The first victim's memcg."""
    return path_of(event) if event.killed is not None else event.report.victim_memcg


def victim_of(event: OomEvent) -> Optional[Victim]:
    """The first process that was ended."""
    found = event.killed.victims[0] if event.killed is not None and event.killed.victims else event.report.victim
    return Victim(found.pid, found.comm, found.uid, found.anon_rss_kb) if found is not None else None


def processes(event: OomEvent) -> int:
    """How many processes were ended."""
    return len({one.pid for one in (event.killed.victims if event.killed is not None else event.report.kills)})
