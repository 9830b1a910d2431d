"""Many OOMs: which memcgs, which victims, how often, and what grows."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Optional

from oomtrace.model import OomEvent

from . import look, names
from .causes.full import lost_context
from .finding import Fact, Reason, Statement, facts


@dataclass(frozen=True)
class Group:
    """The OOMs of one place: a memcg, whatever its container's id is this time, or the machine."""

    place: str
    events: int
    kills: int
    victims: tuple[tuple[str, int], ...]  # comm and how often, the most frequent first
    first_ns: Optional[int]
    last_ns: Optional[int]
    held_kb: tuple[int, ...]  # what each first victim held, in order of time
    growing: bool  # each victim held more than the one before
    shortest_gap_ns: Optional[int] = None  # between two OOMs of it
    without_victim: int = 0  # OOMs that killed nobody, or of which that is not known
    panics: int = 0  # of them
    probable: int = 0  # OOMs of which the source does not tell that they are of this place


@dataclass(frozen=True)
class Pattern:
    """What several OOMs have in common."""

    events: int
    kills: int
    suppressed: int  # reports that the kernel's rate limit swallowed
    groups: tuple[Group, ...]
    reasons: tuple[Reason, ...] = ()  # what each sentence states
    sentences: tuple[str, ...] = ()


class Several(Reason):
    """What is said of several OOMs."""

    OOMS = "ooms"
    OOMS_SOMEWHERE = "ooms_somewhere"  # where some of them were is not known
    PLACE = "place"
    SUPPRESSED = "suppressed"


class Victims(Reason):
    """Who died in one place."""

    SAME = "same"
    MOSTLY = "mostly"
    DIFFERENT = "different"
    SOMETIMES = "sometimes"  # some OOMs killed nobody, or whom is not known


def summary(events: Sequence[OomEvent]) -> tuple[Pattern, tuple[Statement, ...]]:
    """The summary of a log or of a long trace, the place with the most OOMs first; and what to say of it."""
    places: dict[str, list[OomEvent]] = {}
    events = [event for event in events if event.is_oom]
    for number, event in enumerate(events):
        places.setdefault(_place_within(event, events[max(0, number - 16):number]), []).append(event)
    groups = tuple(sorted((_group(name, found) for name, found in places.items()), key=lambda group: -group.events))
    kills = sum(group.kills for group in groups)
    suppressed = sum(event.report.callbacks_suppressed or 0 for event in events)
    found = Pattern(len(events), kills, suppressed, groups)
    return found, tuple(_statements(found))


def outline(event: OomEvent) -> OomEvent:
    """What ``pattern`` asks of an event, without the many lines of its report: a log may have thousands."""
    timed = tuple(islice((line for line in event.origin.lines if line.time_ns is not None), 1))
    memcg = replace(event.report.memcg, stats=()) if event.report.memcg is not None else None
    report = replace(event.report, memcg=memcg, meminfo=None, tasks=None, slab=(), stack=None)
    return replace(event, report=report, trace=replace(event.trace, candidates=()),
                   origin=replace(event.origin, lines=timed))


# What stands for a place that the source does not tell. OOMs of which that is said may be of several.
NOT_NAMED = ("memory cgroups not named", "places not named")


def place(event: OomEvent) -> str:
    """Where an OOM belongs: container ids and pod uids change with each restart, so they do not count."""
    scope = look.scope(event)
    path = look.full_path(event)
    if scope == "global" and lost_context(event):
        return NOT_NAMED[1]  # a full cgroup can be the cause, too
    if scope == "memcg":
        return _without_ids(path) if path is not None else NOT_NAMED[0]
    return {"global": "the machine", "sysrq": "SysRq-f"}.get(scope or "", scope or NOT_NAMED[1])


def _place_within(event: OomEvent, before: Sequence[OomEvent]) -> str:
    """Where it belongs, told from the OOMs before it where it is but a kill line that the rate limit left."""
    if look.full_path(event) is None and event.report.trigger.comm is None and event.report.kills:
        kill = event.report.kills[0]
        same = {place(one) for one in before for other in one.report.kills if look.full_path(one) is not None
                and (other.comm, other.total_vm_kb) == (kill.comm, kill.total_vm_kb)}
        if len(same) == 1:
            return same.pop()
    return place(event)


def _without_ids(path: str) -> str:
    found = names.owner(path)
    if found is None:
        return path
    if found.container_id is not None and re.fullmatch(r"[0-9a-f-]{12,}", found.container_id):  # and not a name
        path = path.replace(found.container_id, "*")
    return re.sub(r"(?<=pod)[0-9a-f]{8}[-_0-9a-f]{28}", "*", path)


def time_ns(event: OomEvent) -> Optional[int]:
    """When it happened: live the boot clock, of a log the first stamped line."""
    if event.trace.begin_ns is not None:
        return event.trace.begin_ns
    return next((line.time_ns for line in event.origin.lines if line.time_ns is not None), None)


def _group(name: str, events: list[OomEvent]) -> Group:
    counts: dict[str, int] = {}
    for event in events:
        for comm in {kill.pid: kill.comm for kill in event.report.kills}.values():
            counts[comm] = counts.get(comm, 0) + 1
    times = [ns for ns in (time_ns(event) for event in events) if ns is not None]
    held = [look.held_kb(event.report.kills[0]) for event in events if event.report.kills]
    known = tuple(kb for kb in held if kb is not None)
    rising = len(known) >= 3 and all(a < b for a, b in zip(known, known[1:]))
    victims = tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    gaps = [after - before for before, after in zip(sorted(times), sorted(times)[1:])]
    return Group(name, len(events), sum(counts.values()), victims, min(times, default=None), max(times, default=None),
                 known, rising, min(gaps, default=None), sum(not event.report.kills for event in events),
                 sum(not event.report.kills and event.report.panic is not None for event in events),
                 sum(place(event) != name for event in events))


def _statements(found: Pattern) -> Iterator[Statement]:
    nowhere = sum(group.events for group in found.groups if group.place in NOT_NAMED)
    places = sum(group.place not in NOT_NAMED for group in found.groups)
    yield Statement(Several.OOMS_SOMEWHERE if nowhere and found.events > 1 else Several.OOMS,
                    facts(events=found.events, places=places, kills=found.kills, nowhere=nowhere or None))
    for group in found.groups:
        if group.events > 1:
            yield Statement(Several.PLACE, _of_group(group))
    if found.suppressed:
        yield Statement(Several.SUPPRESSED, facts(callbacks_suppressed=found.suppressed))


def _of_group(group: Group) -> tuple[Fact, ...]:
    span = None
    if group.first_ns is not None and group.last_ns is not None and group.last_ns > group.first_ns:
        span = group.last_ns - group.first_ns
    comm, times = group.victims[0] if group.victims else (None, 0)
    victims = None
    if comm is not None:
        different = times == 1 and group.kills > 1
        same = Victims.SOMETIMES if group.without_victim else Victims.SAME
        victims = same if times == group.kills else Victims.DIFFERENT if different else Victims.MOSTLY
    return facts(
        place=group.place, events=group.events, kills=group.kills, span_ns=span, victims=victims, comm=comm,
        times=times or None, nobody_known=(group.without_victim - group.panics) or None,
        panics=group.panics or None, probable=group.probable or None,
        shortest_gap_ns=group.shortest_gap_ns if span is not None and group.events > 2 else None,
        first_held_kb=group.held_kb[0] if group.growing else None,
        last_held_kb=group.held_kb[-1] if group.growing else None,
    )
