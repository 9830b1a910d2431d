"""What the kill achieved."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple

from oomtrace.model import Kill, OomEvent, Reap

from . import look
from .account import SHMEM, account
from .finding import CERTAIN, UNKNOWN, Finding, facts
from .units import exact, human, plural, seconds

_TITLE = "afterwards"


def achieved(event: OomEvent) -> Optional[Finding]:
    """When the memory came back, and by whom."""
    if not event.report.kills:
        return None
    said: List[str] = []
    listed = _once(event.report.kills)
    if len(listed) > 1:
        held = sum(look.held_kb(kill) or 0 for kill in listed)
        names = ", ".join(look.who(kill.pid, kill.comm) for kill in listed[:5])
        more = f" and {len(listed) - 5} more" if len(listed) > 5 else ""
        said.append(f"{plural(len(listed), 'process', 'processes')} killed, resident {exact(held)}: {names}{more}")
    said += [_released(event, release.pid) for release in event.trace.releases]
    said += [_reaped(event, reap) for reap in event.report.reaps]
    reaped = len([reap for reap in event.report.reaps if reap.reaped])
    evidence = facts(killed=len(listed), reaped=reaped, released=len(event.trace.releases))
    stays = " ".join(words for words in (_again(event), _stays(event)) if words) or None
    if event.trace.releases or event.report.reaps:
        return Finding("achieved", 6, _TITLE, "; ".join(said) + ".", evidence, stays)
    sentence = "; ".join(said) + "." if said else "Not in the source: when its memory was freed."
    unknown = "When the memory came back is unknown: no oom_reaper line followed." if said else None
    conclusions = [words for words in (unknown, stays) if words is not None]
    return Finding("achieved", 6, _TITLE, sentence, evidence, " ".join(conclusions) or None,
                   CERTAIN if said or stays else UNKNOWN)


def _again(event: OomEvent) -> Optional[str]:
    """The next OOM in the same place, known if it began while this one was in hand."""
    if event.trace.followed_ns is None:
        return None
    where = "memory cgroup" if event.report.memcg is not None and event.report.memcg.path is not None else "machine"
    said = f"{seconds(event.trace.followed_ns)} after this OOM the same {where} had the next"
    if event.trace.begin_ns is None or not event.trace.releases:
        return said + "."
    at = event.trace.begin_ns + event.trace.followed_ns
    back = all(release.time_ns <= at for release in event.trace.releases)
    return said + (", when what was freed had filled again." if back else ", before all of that had come back.")


def _stays(event: OomEvent) -> Optional[str]:
    """What a kill cannot free."""
    found = account(event)
    if found is None or not found.total_kb or found.part(SHMEM) * 2 < found.total_kb:
        return None
    return "Files on tmpfs stay when a process dies: where they filled it, a kill frees little."


def _once(kills: Tuple[Kill, ...]) -> List[Kill]:
    """A group kill prints the first victim twice."""
    found: Dict[int, Kill] = {}
    for kill in kills:
        found.setdefault(kill.pid, kill)
    return list(found.values())


def _released(event: OomEvent, pid: int) -> str:
    release = next(release for release in event.trace.releases if release.pid == pid)
    kill = next((kill for kill in event.report.kills if kill.pid == pid), None)
    said = look.who(pid, kill.comm if kill is not None else None) + " gave back "
    said += human(release.freed_pages * look.page_kb(event)) if release.freed_pages is not None else "its memory"
    said += f" by {release.by}"
    if event.trace.begin_ns is not None and release.time_ns >= event.trace.begin_ns:
        said += f" {seconds(release.time_ns - event.trace.begin_ns)} after the decision"
    elif kill is not None and kill.time_ns is not None and release.time_ns >= kill.time_ns:
        said += f" {seconds(release.time_ns - kill.time_ns)} after the kill"
    return said


def _reaped(event: OomEvent, reap: Reap) -> str:
    name = look.who(reap.pid, reap.comm)
    if not reap.reaped:
        return f"the oom_reaper could not reap {name}"
    left = reap.anon_rss_kb
    said = f"the oom_reaper took {name}'s memory"
    if left is not None:
        said += f", {human(left)} anonymous left"
    kill = next((kill for kill in event.report.kills if kill.pid == reap.pid), None)
    if kill is not None and kill.time_ns is not None and reap.time_ns is not None and reap.time_ns >= kill.time_ns:
        said += f", {seconds(reap.time_ns - kill.time_ns)} after the kill"
    return said
