"""What was seen of an OOM's memcg in /proc and cgroup files, as it travels: JSON, from the process that looks to the
trace, and in captures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Optional, TypeVar

from oomtrace.model import Glance, Look, OomEvent, UsageHistory, Witness
from oomtrace.plain import from_plain

T = TypeVar("T")


@dataclass(frozen=True)
class Seen:
    """Looks and glances, in the order of time, and how usage had gone in memcgs below the full one; each as JSON has
    it."""

    looks: Sequence[Mapping[str, Any]] = ()
    glances: Sequence[Mapping[str, Any]] = ()
    histories: Sequence[Mapping[str, Any]] = ()

    def __bool__(self) -> bool:
        return bool(self.looks or self.glances or self.histories)


NOTHING = Seen()


def with_seen(event: OomEvent, seen: Seen) -> tuple[OomEvent, int]:
    """The event with what was seen, and how much of that makes no sense and is left out."""
    if not seen:
        return event, 0
    looks, glances = [read(Look, look) for look in seen.looks], [read(Glance, glance) for glance in seen.glances]
    histories = [read(UsageHistory, history) for history in seen.histories]
    senseless = sum(each.count(None) for each in (looks, glances, histories))
    if looks or glances:
        event = with_objects(event, looks, glances)
    return with_histories(event, filter(None, histories)), senseless


def read(kind: type[T], value: Mapping[str, Any]) -> Optional[T]:
    """The object; None if the value makes none."""
    try:
        return from_plain(kind, value)
    except ValueError:
        return None


def with_objects(event: OomEvent, looks: Iterable[Optional[Look]], glances: Iterable[Optional[Glance]]) -> OomEvent:
    """The event with what was seen, as objects; None is left out."""
    known = event.witness or Witness()
    found = replace(known, looks=tuple(filter(None, looks)), glances=tuple(filter(None, glances)))
    return replace(event, witness=found)


def with_histories(event: OomEvent, histories: Iterable[UsageHistory]) -> OomEvent:
    """The event with how usage had gone in further memcgs, after those that its records tell of."""
    known = {history.memcg for history in event.trace.history}
    more = tuple(history for history in histories if history.memcg not in known)
    return replace(event, trace=replace(event.trace, history=event.trace.history + more)) if more else event
