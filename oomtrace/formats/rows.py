"""What a row is, and how rows of one kind of line follow one another from kernel to kernel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, NamedTuple, Optional

from oomtrace.history.releases import Version, version

from .printf import Format


class Needs(Enum):
    """For ``Row.sets``: any value will do."""

    PRESENT = 1  # but not None
    FILLED = 2  # but neither None nor empty
    PART = 3  # as PRESENT; the line is the title of that part of the report, so reading it shows that the part is there


PRESENT = Needs.PRESENT
FILLED = Needs.FILLED
PART = Needs.PART


class Into(Enum):
    """Which item of its scope a line belongs to."""

    NEW = 1  # one of its own
    LAST = 2  # the one before it, if that has no such line yet
    NAMED = 3  # the one of the same name, if that has no such line yet
    BLOCK_BEGIN = 4  # one of its own: a block of registers
    BLOCK = 5  # the block of registers before it


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
    archs: tuple[str, ...] = ()  # the architectures whose kernels alone print it

    @property
    def fields(self) -> tuple[str, ...]:
        return self.format.fields


@dataclass(frozen=True)
class Variant:
    """How a kind is printed from ``since`` on, by mainline or by one distribution's kernels (``flavour``).

    More than one row: one printk record with newlines in it. No row: the line is not printed any more. ``archs`` are
    names of folders of the kernel's arch/: what prints it is of these alone. None: what all others print.
    """

    since: Version
    rows: tuple[Row, ...]
    flavour: str = ""
    archs: tuple[str, ...] = ()


@dataclass(frozen=True)
class Kind:
    """A kind of line: all that is known of it, but for its place in a report, which is in the STEPS of its file."""

    name: str
    part: str  # of the report; lines of a part are sampled together
    level: int  # of printk
    variants: tuple[Variant, ...]
    scope: str = ""  # what it repeats for: a path into the report
    joined: bool = False  # repeated lines make one record, up to 6.4 for the statistics

    # What its values make of it. Names of values are those of ``Row.fields``.
    required: frozenset[str] = frozenset()  # without these it says nothing: its beginning is cut off
    into: Into = Into.NEW
    key: Optional[tuple[str, ...]] = None  # values that no two lines of a report share; (): they differ in some value
    timed: bool = False  # its item keeps the time of the line

    # Where it can be in a report.
    side: str = ""  # "memcg": only an OOM of a memcg has it, "global": only others
    opens: bool = False  # one of a report's first lines
    ends: bool = False  # the last line of a report, but for what may follow in a while
    late: bool = False  # may come long after the end
    closes: bool = False  # may be the last line before the task table, if that is switched off
    follows: tuple[str, ...] = ()  # the kinds that are directly before it where nothing is lost
    loose: bool = False  # its format reads nearly anything: it is taken only directly behind those that it ``follows``
    title_of: str = ""  # the kind of the rows below it, which have a format of the same version

    # What it tells.
    telling: bool = False  # only an OOM has such a line: a trace and Mem-Info have other reasons, too
    missing: str = ""  # what is missing if no line of this name is there (model.Part)
    open_ended: bool = False  # takes any text at its end

    @property
    def in_block(self) -> bool:
        """Is it a line of a block of registers?"""
        return self.into in (Into.BLOCK_BEGIN, Into.BLOCK)

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
    archs: tuple[str, ...]
    lines: Sequence[tuple[str, Sequence[str]]]
    sets: Mapping[str, Any]


def line(since: str, text: str, *fields: str, flavour: str = "", archs: Sequence[str] = (),
         sets: Optional[Mapping[str, Any]] = None) -> Printed:
    """A variant of one line."""
    return Printed(since, flavour, tuple(archs), [(text, fields)], sets or {})


def block(since: str, text: str, fields: Sequence[str], flavour: str = "", sets: Optional[Mapping[str, Any]] = None
          ) -> Printed:
    """A variant of one record with newlines; each of its lines is a row."""
    rest: list[str] = list(fields)
    rows = []
    for part in text.split("\n"):
        count = part.count("%")
        rows.append((part, rest[:count]))
        del rest[:count]
    return Printed(since, flavour, (), rows, sets or {})


def gone(since: str, flavour: str = "", archs: Sequence[str] = ()) -> Printed:
    """From here on the line is not printed."""
    return Printed(since, flavour, tuple(archs), [], {})


def kind(name: str, part: str, level: int, *variants: Printed, required: Iterable[str] = (), **about: Any) -> Kind:
    """A kind with its variants, oldest first. ``about``: the other attributes of ``Kind``.

    Keys are ``name/since``, with flavour or architectures and line where needed.
    """
    made = []
    for since, flavour, archs, lines, sets in variants:
        key = "-".join([f"{name}/{since}", *filter(None, [flavour]), *archs])
        rows = tuple(
            Row(key if len(lines) == 1 else f"{key}:{number}", name, Format(text, fields), sets, archs)
            for number, (text, fields) in enumerate(lines, 1)
        )
        made.append(Variant(version(since), rows, flavour, archs))
    return Kind(name, part, level, tuple(made), required=frozenset(required), **about)


@dataclass(frozen=True)
class PrintStep:
    """A step of printing a report: the kinds of line for the event, or for each item of a scope in turn.

    For each item the first kind of each tuple that can print it does. ``first`` and ``last`` cut the items.
    """

    kinds: tuple[tuple[Kind, ...], ...]
    scope: str = ""
    first: int = 0
    last: Optional[int] = None


def once(*kinds: Kind) -> PrintStep:
    """Lines that a report has once."""
    return PrintStep(tuple((each,) for each in kinds))
