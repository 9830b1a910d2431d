"""What was seen of an OOM's memcg in /proc and cgroup files, as it travels: JSON, from the process that looks to the
trace, and in captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from oomtrace.model import Glance, Look, OomEvent, Witness
from oomtrace.plain import from_plain


@dataclass(frozen=True)
class Seen:
    """Looks and glances, each as JSON has it, in the order of time."""

    looks: Sequence[Mapping[str, Any]] = ()
    glances: Sequence[Mapping[str, Any]] = ()

    def __bool__(self) -> bool:
        return bool(self.looks or self.glances)


NOTHING = Seen()


def with_seen(event: OomEvent, seen: Seen) -> tuple[OomEvent, int]:
    """The event with what was seen, and how much of that makes no sense and is left out."""
    if not seen:
        return event, 0
    looks, bad_looks = _read(Look, seen.looks)
    glances, bad_glances = _read(Glance, seen.glances)
    known = event.witness or Witness()
    return replace(event, witness=replace(known, looks=looks, glances=glances)), bad_looks + bad_glances


def _read(kind: Any, values: Sequence[Mapping[str, Any]]) -> tuple[tuple[Any, ...], int]:
    found = []
    for value in values:
        try:
            found.append(from_plain(kind, value))
        except ValueError:
            continue
    return tuple(found), len(values) - len(found)
