"""Which row printed this line?

A row reads a line only if it prints it back, byte for byte; so any order of trial finds the right words. The order
matters where several rows print the same text: the kernel's own dialect goes first, if it is known.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from oomtrace.formats import DIALECTS, KINDS, ORDER, ROWS, Dialect, Row

# Kinds whose formats would read nearly anything: only where they are expected.
LOOSE = frozenset(["stat", "stat_line", "raw_words"])


class Reading(NamedTuple):
    """A line as a row reads it."""

    row: Row
    values: Sequence[Any]
    text: str  # as the row prints it


def _places() -> Dict[str, Tuple[int, int]]:
    """Each kind's place in a report. Kinds that take turns share it."""
    places: Dict[str, Tuple[int, int]] = {}
    for number, step in enumerate(ORDER):
        for position, kinds in enumerate(step.kinds):
            for kind in kinds:
                places.setdefault(kind.name, (number, 0 if step.scope else position))
    return places


RANK = _places()


@lru_cache(maxsize=64)
def _ordered(name: Optional[str]) -> Tuple[Row, ...]:
    """All rows: those of a dialect in printing order, then the others, the newest and mainline's first."""
    dialect = DIALECTS[name] if name is not None else None
    own: List[Row] = [row for rows in dialect.rows.values() for row in rows] if dialect is not None else []
    rest = [
        (bool(variant.flavour), tuple(-part for part in variant.since), number, row)
        for kind in KINDS.values() for variant in kind.variants for number, row in enumerate(variant.rows)
    ]
    keys = {row.key for row in own}
    others = [row for *_, row in sorted(rest, key=lambda item: item[:3]) if row.key not in keys]
    return tuple(own + others)


def readings(text: str, dialect: Optional[Dialect] = None, first: Optional[Row] = None) -> Iterator[Reading]:
    """All rows that print ``text``. ``first`` is tried first: the row that read the line before."""
    if first is not None:
        values = first.format.read(text)
        if values is not None:
            yield Reading(first, values, text)
    found = False
    for row in _ordered(dialect.name if dialect is not None else None):
        if row is first:
            continue
        values = row.format.read(text)
        if values is not None:
            found = True
            yield Reading(row, values, text)
    if not found:
        yield from _mended(text)


def _mended(text: str) -> Iterator[Reading]:
    """Blanks that logs lose or add at the ends of lines, where the row leaves no doubt about them."""
    bare = text.rstrip(" ")
    for row in _ordered(None):
        if bare != text:
            values = row.format.read(bare)
            if values is not None:
                yield Reading(row, values, bare)
        shape = row.format.text
        if bare and not bare.startswith(" ") and (shape.startswith(" ") or row.kind == "raw_words"):
            values = row.format.read(" " + bare)
            if values is not None:
                yield Reading(row, values, " " + bare)
        elif shape.endswith(" "):
            values = row.format.read(bare + " ")
            if values is not None:
                yield Reading(row, values, bare + " ")


def is_read(text: str) -> bool:
    """Does any row that leaves no doubt read it as it is?"""
    return any(row.kind not in LOOSE and row.format.read(text) is not None for row in _ordered(None))


class Cut(NamedTuple):
    """The beginning of a line as far as it is there."""

    row: Row
    values: Sequence[Any]


def cut(text: str) -> Optional[Cut]:
    """A line that ends too early: the row whose beginning it is, and the values that are there in full."""
    best: Optional[Cut] = None
    for row in ROWS.values():
        values = row.format.read_cut(text)
        if values is not None and (best is None or _known(values) > _known(best.values)):
            best = Cut(row, values)
    return best


def _known(values: Sequence[Any]) -> int:
    return sum(value is not None for value in values)
