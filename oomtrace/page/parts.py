"""The parts of an event's page, in the order in which they stand. A new kind of knowledge is a new row here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

from oomtrace.model import Frame

from .case import PageCase
from .charges import charges
from .code import code
from .composition import composition
from .ladder import ladder
from .moments import growth, moments
from .picking import pick
from .seen import people, seen
from .steps import steps
from .tables import statistics, tasks
from .usage import pictures
from .zones import zones


@dataclass(frozen=True)
class PagePart:
    """``look`` gives what there is to show, or nothing: then the part is left out. Its template has the same name.

    ``place``: "picture" for those that stand side by side, "words", or "detail" for what is folded.
    """

    name: str
    title: str
    look: Callable[[PageCase], Any]
    place: str
    wide: bool = False


def _trace(case: PageCase) -> tuple[Frame, ...]:
    stack = case.event.report.stack
    return tuple(entry for entry in stack.entries if isinstance(entry, Frame)) if stack is not None else ()


def _time(case: PageCase) -> dict[str, Any]:
    """One card for all: when, how usage went, and who charged until then."""
    found = {"moments": moments(case), "usage": pictures(case), "charges": charges(case), "growth": growth(case)}
    return found if any(found.values()) else {}


PARTS: tuple[PagePart, ...] = (
    PagePart("ladder", "The ladder: the full memory cgroup and those above it", ladder, "picture"),
    PagePart("composition", "What filled it", composition, "picture"),
    PagePart("zones", "Zones: free memory against the watermarks", zones, "picture"),
    PagePart("time", "Time", _time, "picture"),
    PagePart("pick", "The pick: who weighed most", pick, "picture"),
    PagePart("steps", "Why", steps, "words"),
    PagePart("code", "Whose code", code, "words"),
    PagePart("people", "The largest processes, as they were seen", people, "detail"),
    PagePart("seen", "Seen before it was gone", seen, "detail"),
    PagePart("tasks", "All tasks", tasks, "detail"),
    PagePart("stat", "What the kernel counted", statistics, "detail"),
    PagePart("trace", "Call trace of the task that asked", _trace, "detail"),
)


def found(case: PageCase) -> list[tuple[PagePart, Any]]:
    """The parts that have something to show, with that."""
    return [(part, value) for part in PARTS for value in [part.look(case)] if value]
