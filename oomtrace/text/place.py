"""How far a report has come: which line can be its next, and how well a line continues it.

The kernel prints the parts of a report in one order (formats.ORDER). Logs have gaps in it, and other lines between; so
a line may come later than expected, but never earlier.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from itertools import repeat
from operator import itemgetter
from typing import Callable, Optional

from oomtrace.formats import KINDS, RANK, ROWS, Kind, Row
from oomtrace.history import constraints

from .match import TABLES, companion

_STEPS: dict[tuple[int, int], int] = {rank: number for number, rank in enumerate(sorted(set(RANK.values())))}

# What may come before the line that says that there is an OOM.
_ANNOUNCING = frozenset(kind.name for kind in KINDS.values() if kind.opens and not kind.telling)

DOUBT = 100  # a line that the report has already, or that does not follow its last one


class LinePlace:
    """The lines that a report has had."""

    def __init__(self) -> None:
        self.kinds: dict[str, int] = {}  # lines by kind
        self.last: Optional[Row] = None
        self._rank = (-1, 0)
        self._seen: set[tuple[object, ...]] = set()
        self._side = ""  # a memcg's report has no Mem-Info, and the other way round
        self._called = ""  # the same, as the call trace lets expect

    @property
    def panic_first(self) -> bool:
        """Did the log begin with the panic? Its own trace follows."""
        return next(iter(self.kinds), "") == "panic"

    def allows(self, name: str) -> bool:
        """Can a line of this kind come next?"""
        kind = KINDS[name]
        if self.last is None:
            return not kind.loose
        if kind.loose and self.last.kind not in kind.follows:
            return False
        if kind.late:
            return True
        if name == "killed" and (name in self.kinds or "oom_group" in self.kinds):  # a group's
            return "oom_group" in self.kinds
        if kind.opens:
            return name not in self.kinds and self.kinds.keys() <= _ANNOUNCING
        if self._side and kind.side not in ("", self._side):
            return False
        rank = RANK[name]
        return rank > self._rank or (rank == self._rank and (bool(kind.scope) or self._within(kind)))

    def _within(self, kind: Kind) -> bool:
        """Is the last line a part of the same record, which has newlines?"""
        return self.last is not None and self.last.kind == kind.name and any(
            len(variant.rows) > 1 for variant in kind.variants)

    def cost(self, row: Row, values: Sequence[object]) -> int:
        """How far the line is from what the report's last one lets expect. For a choice between reports."""
        kind = KINDS[row.kind]
        if self.last is None or kind.late:
            return 0
        return abs(_STEPS[RANK[row.kind]] - _STEPS.get(self._rank, 0)) + DOUBT * sum((
            bool(kind.follows) and self.last.kind not in kind.follows,
            row.kind == "frame" and KINDS[self.last.kind].in_block,
            _key(row, values) in self._seen,
            bool(self._called) and kind.side not in ("", self._called),
            row.kind in TABLES and self.last.kind != row.kind and companion(self.last) is not row,
        ))

    def note(self, row: Row, values: Sequence[object]) -> None:
        """The report has this line now."""
        kind = KINDS[row.kind]
        self.kinds[row.kind] = self.kinds.get(row.kind, 0) + 1
        self.last = row
        key = _key(row, values)
        if key is not None:
            self._seen.add(key)
        self._side = self._side or kind.side
        if row.kind == "frame" and not self._called:
            self._called = _caller(row, values)
        if not kind.late and not (row.kind == "panic" and self.panic_first):
            self._rank = max(self._rank, RANK[row.kind])

    def note_rows(self, row: Row, rows: Sequence[Sequence[object]]) -> None:
        """The report has these lines now, which are like its last one."""
        self.kinds[row.kind] += len(rows)
        picked = _picker(row.key)
        if picked is not None:
            self._seen.update(zip(repeat(row.kind), map(picked, rows)))


def _caller(row: Row, values: Sequence[object]) -> str:
    """Which side a frame shows. A charge within a page allocation comes first in the trace."""
    kind = constraints.kind_of_caller(str(values[row.fields.index("symbol")]))
    return kind if kind in (constraints.MEMCG, constraints.GLOBAL) else ""


def _key(row: Row, values: Sequence[object]) -> Optional[tuple[object, ...]]:
    """What tells a line from the others of its kind; None if nothing needs to."""
    picked = _picker(row.key)
    return None if picked is None else (row.kind, picked(values))


@cache
def _picker(row_key: str) -> Optional[Callable[[Sequence[object]], object]]:
    row = ROWS[row_key]
    key = KINDS[row.kind].key
    if key is None:
        return None
    return itemgetter(*map(row.fields.index, key)) if key else tuple
