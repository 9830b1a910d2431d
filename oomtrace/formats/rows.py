"""What a row is, and how rows of one kind of line follow one another from kernel to kernel."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import Any, List, Mapping, NamedTuple, Optional, Sequence, Tuple

from oomtrace.history.releases import Version, version

from .printf import Format


class Needs(Enum):
    """For ``Row.sets``: any value will do."""

    PRESENT = 1  # but not None
    FILLED = 2  # but neither None nor empty


PRESENT = Needs.PRESENT
FILLED = Needs.FILLED


@dataclass(frozen=True)
class Row:
    """One line as one range of kernels prints it.

    ``fields`` are paths from the event, or from the item if the kind repeats (``Kind.scope``). ``sets`` are values
    that the line shows by being there: they are set when it is read, and must hold for it to be printed.
    """

    key: str  # "killed/5.4"
    kind: str
    format: Format
    sets: Mapping[str, Any] = field(default_factory=dict)
    archs: Tuple[str, ...] = ()  # the architectures whose kernels alone print it

    @property
    def fields(self) -> Tuple[str, ...]:
        return self.format.fields


@dataclass(frozen=True)
class Variant:
    """How a kind is printed from ``since`` on, by mainline or by one distribution's kernels (``flavour``).

    More than one row: one printk record with newlines in it. No row: the line is not printed any more. ``archs`` are
    names of folders of the kernel's arch/: what prints it is of these alone. None: what all others print.
    """

    since: Version
    rows: Tuple[Row, ...]
    flavour: str = ""
    archs: Tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of line: the part of the report it belongs to, its log level, what it repeats for, its variants."""

    name: str
    part: str
    level: int
    scope: str
    variants: Tuple[Variant, ...]
    joined: bool = False  # repeated lines make one record, up to 6.4 for the statistics

    def variant(self, at: Version, flavour: str = "", flavour_at: Version = (), arch: str = "") -> Optional[Variant]:
        """The variant of a kernel: its architecture's, or its flavour's, or mainline's; the latest one up to it."""
        arch_own = [v for v in self.variants if arch in v.archs and not v.flavour and v.since <= at]
        own = [v for v in self.variants if flavour and v.flavour == flavour and v.since <= (flavour_at or at)]
        main = [v for v in self.variants if not v.flavour and not v.archs and v.since <= at]
        best = max(arch_own or own or main, key=lambda v: v.since, default=None)
        return best if best is not None and best.rows else None


class Printed(NamedTuple):
    """A variant as a table has it, for ``kind``."""

    since: str
    flavour: str
    archs: Tuple[str, ...]
    lines: Sequence[Tuple[str, Sequence[str]]]
    sets: Mapping[str, Any]


def line(since: str, text: str, *fields: str, flavour: str = "", archs: Sequence[str] = (),
         sets: Optional[Mapping[str, Any]] = None) -> Printed:
    """A variant of one line."""
    return Printed(since, flavour, tuple(archs), [(text, fields)], sets or {})


def block(since: str, text: str, fields: Sequence[str], flavour: str = "", sets: Optional[Mapping[str, Any]] = None
          ) -> Printed:
    """A variant of one record with newlines; each of its lines is a row."""
    rest: List[str] = list(fields)
    rows = []
    for part in text.split("\n"):
        count = part.count("%")
        rows.append((part, rest[:count]))
        del rest[:count]
    return Printed(since, flavour, (), rows, sets or {})


def gone(since: str, flavour: str = "", archs: Sequence[str] = ()) -> Printed:
    """From here on the line is not printed."""
    return Printed(since, flavour, tuple(archs), [], {})


def kind(name: str, part: str, level: int, *variants: Printed, scope: str = "", joined: bool = False) -> Kind:
    """A kind with its variants, oldest first. Keys are ``name/since``, with flavour or architectures and line where
    needed."""
    made = []
    for since, flavour, archs, lines, sets in variants:
        key = "-".join([f"{name}/{since}", *filter(None, [flavour]), *archs])
        rows = tuple(
            Row(key if len(lines) == 1 else f"{key}:{number}", name, Format(text, fields), sets, archs)
            for number, (text, fields) in enumerate(lines, 1)
        )
        made.append(Variant(version(since), rows, flavour, archs))
    return Kind(name, part, level, scope, tuple(made), joined)
