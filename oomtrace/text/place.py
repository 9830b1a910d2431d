"""How far a report has come: which line can be its next, and how well a line continues it.

The kernel prints the parts of a report in one order (formats.ORDER). Logs have gaps in it, and other lines between; so
a line may come later than expected, but never earlier.
"""

from __future__ import annotations

from typing import Dict, FrozenSet, Optional, Sequence, Set, Tuple

from oomtrace.formats import KINDS, Row, memory
from oomtrace.history import constraints

from .match import LOOSE, RANK

OPENING: FrozenSet[str] = frozenset(["sysrq", "suppressed", "invoked"])
ENDING: FrozenSet[str] = frozenset(["killed", "no_killable", "panic", "exiting", "sysrq_ignored"])
LATE: FrozenSet[str] = frozenset(["reaped", "unreaped"])

_MEMCG = frozenset(["task_in", "limit_of", "usage_memory", "usage_swap", "usage_memsw", "usage_kmem", "stats_line",
                    "stats_head", "stat", "stat_line", "summary_memcg"])
_GLOBAL = frozenset(["mem_info", "counters", "node", "zone", "lowmem_reserve", "buddy", "hugepages", "summary_global"]
                    + [kind.name for kind in memory.TAIL])
_SIDES = {**{kind: _MEMCG for kind in _MEMCG}, **{kind: _GLOBAL for kind in _GLOBAL}}
_AFTER_STATS = frozenset(["stats_head", "stat", "stat_line"])
_AFTER_CPU = frozenset(["cpu", "taints", "hardware", "workqueue", "raw_words", "call_trace"])
# The lines of a register block follow one another.
_BLOCK = ("rip", "code", "rsp", "general_rax", "general_rdx", "general_rbp", "general_r10", "general_r13")
_BEFORE = {after: before for before, after in zip(_BLOCK, _BLOCK[1:])}
# Records with newlines, of which each line is a row.
_RECORDS = frozenset(kind.name for kind in KINDS.values() if any(len(variant.rows) > 1 for variant in kind.variants))
_STEPS: Dict[Tuple[int, int], int] = {rank: number for number, rank in enumerate(sorted(set(RANK.values())))}

DOUBT = 100  # a line that the report has already, or that does not follow its last one
_TWICE: Dict[str, Tuple[int, ...]] = {  # values that no two lines of a report share
    "task": (0,), "stat": (0,), "stat_line": (0,), "buddy": (0, 1), "node": (0,), "slab": (0,),
}


class Place:
    """The lines that a report has had."""

    def __init__(self) -> None:
        self.kinds: Dict[str, int] = {}  # lines by kind
        self.last: Optional[Row] = None
        self._rank = (-1, 0)
        self._seen: Set[Tuple[object, ...]] = set()
        self._side: Optional[FrozenSet[str]] = None  # a memcg's report has no Mem-Info, and the other way round
        self._called: Optional[FrozenSet[str]] = None  # the same, as the call trace lets expect

    @property
    def panic_first(self) -> bool:
        """Did the log begin with the panic? Its own trace follows."""
        return next(iter(self.kinds), "") == "panic"

    def allows(self, kind: str) -> bool:
        """Can a line of this kind come next?"""
        if self.last is None:
            return kind not in LOOSE
        last = self.last.kind
        if kind in LOOSE:
            wanted = _AFTER_STATS if kind != "raw_words" else _AFTER_CPU
            if last not in wanted or (kind == "raw_words" and "call_trace" in self.kinds):
                return False
        if kind in LATE:
            return True
        if kind == "killed" and (kind in self.kinds or "oom_group" in self.kinds):  # a group's
            return "oom_group" in self.kinds
        if kind in OPENING:
            return self.kinds.keys() <= {"sysrq", "suppressed"} and kind not in self.kinds
        if self._side is not None and self._side is not _SIDES.get(kind, self._side):
            return False
        rank = RANK[kind]
        repeats = bool(KINDS[kind].scope) or (kind == last and kind in _RECORDS)
        return rank > self._rank or (rank == self._rank and repeats)

    def cost(self, row: Row, values: Sequence[object]) -> int:
        """How far the line is from what the report's last one lets expect. For a choice between reports."""
        if self.last is None or row.kind in LATE:
            return 0
        cost = abs(_STEPS[RANK[row.kind]] - _STEPS.get(self._rank, 0))
        if row.kind in _BEFORE and self.last.kind != _BEFORE[row.kind]:
            cost += DOUBT
        if row.kind == "frame" and self.last.kind.startswith("general_"):
            cost += DOUBT
        key = _key(row, values)
        if key is not None and key in self._seen:
            cost += DOUBT
        if self._called is not None and self._called is not _SIDES.get(row.kind, self._called):
            cost += DOUBT
        if row.kind == "task" and row.key.replace("task", "tasks_head") != self.last.key and self.last.kind != "task":
            cost += DOUBT
        return cost

    def note(self, row: Row, values: Sequence[object]) -> None:
        """The report has this line now."""
        kind = row.kind
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.last = row
        key = _key(row, values)
        if key is not None:
            self._seen.add(key)
        self._side = self._side or _SIDES.get(kind)
        if kind == "frame" and self._called is None:
            self._called = _caller(row, values)
        if kind not in LATE and not (kind == "panic" and self.panic_first):
            self._rank = max(self._rank, RANK[kind])


def _caller(row: Row, values: Sequence[object]) -> Optional[FrozenSet[str]]:
    """Which kind of OOM a frame shows. A charge within a page allocation comes first in the trace."""
    kind = constraints.kind_of_caller(str(values[row.fields.index("symbol")]))
    return {constraints.MEMCG: _MEMCG, constraints.GLOBAL: _GLOBAL}.get(kind or "")


def _key(row: Row, values: Sequence[object]) -> Optional[Tuple[object, ...]]:
    """What tells a line from the others of its kind."""
    if row.kind == "frame":
        return tuple(values)
    places = _TWICE.get(row.kind)
    return (row.kind,) + tuple(values[place] for place in places) if places is not None else None
