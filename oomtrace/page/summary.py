"""The head of a page: what kind of OOM it was and where, and three numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Optional

from oomtrace.model import OomEvent, PageCounter
from oomtrace.why import look, names
from oomtrace.why.units import human, percent, plural

from . import clock
from .case import PageCase, who
from .moments import rate

KINDS = {
    "memcg": "a memory cgroup was full",
    "global": "the whole machine",
    "cpuset": "the nodes of a cpuset",
    "mempolicy": "the nodes of a memory policy",
    "sysrq": "asked for with SysRq-f",
}
_COUNTERS = {"memory": "memory limit", "memsw": "memory+swap limit", "kmem": "kernel memory limit"}


@dataclass(frozen=True)
class Badge:
    """A word or two about the event. ``what`` says of what."""

    what: str
    text: str
    look: str = ""


@dataclass(frozen=True)
class Number:
    """A number and the words below it."""

    value: str
    words: str
    look: str = ""


def kind(event: OomEvent) -> str:
    """What kind of event it is, in a word or two."""
    if event.killed is not None:
        return "a kill, not by the OOM killer"
    if event.trace.throttle is not None:
        return "slowed down: nobody is killed"
    if event.trace.wait is not None:
        return "waits: nobody is killed"
    if event.trace.failure is not None:
        return "a charge failed: nobody is killed"
    return KINDS.get(look.scope(event) or "", "an OOM of unknown kind")


def badges(case: PageCase) -> tuple[Badge, ...]:
    """What is known of kind, place, kernel, host, time and completeness."""
    event = case.event
    path = look.full_path(event) if case.is_memcg else look.victim_path(event)
    if event.killed is not None and event.killed.victims:
        path = event.killed.victims[0].memcg
    owner = names.owner(path) if path else None
    found = [Badge("kind", kind(event))]
    found += [Badge("of", owner.text)] if owner is not None else []
    found += [Badge("kernel", event.report.machine.release)] if event.report.machine.release else []
    host = clock.host(event)
    found += [Badge("host", host)] if host else []
    when = clock.when(event)
    found += [Badge("time", when)] if when else []
    found.append(Badge("source", event.origin.source))
    missing = event.origin.missing
    found.append(Badge("incomplete", f"{', '.join(missing)} missing", "warn") if missing
                 else Badge("report", "complete"))
    if event.trace.records_lost:
        found.append(Badge("lost", plural(event.trace.records_lost, "record") + " lost", "warn"))
    return tuple(found)


def numbers(case: PageCase) -> tuple[Number, ...]:
    """What was full, what the victim held, how fast it grew: those that are known."""
    return tuple(found for found in (_full(case), _held(case), _grew(case)) if found is not None)


def _full(case: PageCase) -> Optional[Number]:
    event = case.event
    if case.is_memcg:
        name, counter = _counter(event)
        limit = look.limit_kb(counter)
        path = look.full_path(event)
        if limit is None:
            return None
        place = names.short(path) if path else "the memory cgroup"
        return Number(human(limit), f"{_COUNTERS[name]} of {place}", "full")
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    if "ram_pages" not in tail:
        return None
    pages = tail["ram_pages"] - tail.get("reserved_pages", 0)
    return Number(human(pages * case.page_kb), "RAM of the machine", "full")


def _counter(event: OomEvent) -> tuple[str, Optional[PageCounter]]:
    """The counter that is nearest to its limit."""
    memcg = event.report.memcg
    found: list[tuple[float, str, PageCounter]] = []
    for name in _COUNTERS if memcg is not None else ():
        counter = getattr(memcg, name)
        limit = look.limit_kb(counter)
        if limit is not None and counter.usage_kb is not None:
            found.append((counter.usage_kb / max(limit, 1), name, counter))
    best = max(found, key=lambda one: one[0], default=None)
    return ("memory", None) if best is None else best[1:]


def _held(case: PageCase) -> Optional[Number]:
    victim = case.victim
    held = look.held_kb(victim) if victim is not None else None
    if victim is None or held is None:
        return None
    whole = look.limit_kb(_counter(case.event)[1]) if case.is_memcg else None
    part = percent(held, whole)
    more = len({kill.pid for kill in case.event.report.kills}) - 1
    words = f"resident of {who(victim.pid, victim.comm)}, killed"
    words += f" with {plural(more, 'other')}" if more else ""
    return Number(human(held), words + (f": {part:.0f} % of it" if part else ""), "victim")


def _grew(case: PageCase) -> Optional[Number]:
    grown = [one for one in case.event.trace.growth if one.window_ns]
    window = max((one.window_ns or 0 for one in grown), default=0)
    if not window:
        return None
    kb = sum(one.charged_pages for one in grown) * case.page_kb
    return Number(rate(kb, window), f"charged in the {window / 1e9:.1f} s before")
