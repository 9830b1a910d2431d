"""One report in the making: which lines are its own, and what it says."""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional

from oomtrace.formats import KINDS, Dialect, choose
from oomtrace.model import Line, OomEvent

from .draft import Conflict, Draft
from .finish import finished
from .join import Logical
from .match import LOOSE, RANK, Reading, companion, cut, loose, readings

# Kinds that open a report, and those that only an OOM's report has: a trace and Mem-Info have other reasons too.
_OPENING = frozenset(["sysrq", "suppressed", "invoked"])
_TELLING = frozenset([
    "invoked", "task_in", "limit_of", "tasks_title", "tasks_head", "task", "summary_memcg", "summary_global", "verdict",
    "killed", "oom_group", "no_killable", "reaped", "unreaped", "stats_line", "stats_head", "usage_memory", "exiting",
    "sharing", "panic",
])
_TELLING_SYMBOLS = frozenset(["out_of_memory", "oom_kill_process", "mem_cgroup_out_of_memory", "dump_header"])
_ENDING = frozenset(["killed", "no_killable", "panic", "exiting", "sysrq_ignored"])
_AFTER_STATS = frozenset(["stats_head", "stat", "stat_line"])
_AFTER_CPU = frozenset(["cpu", "taints", "hardware", "workqueue", "raw_words", "call_trace"])
_LATE = frozenset(["reaped", "unreaped"])

_FOREIGN = re.compile(
    r"(?!(?:Hardware name|Call [Tt]race|Code|RIP|EIP|PC|LR|pc|lr|sp|psr|NIP|REGS|MSR|CFAR|GPR\d+|Node|Mem-Info|DMA"
    r"|Normal|Workqueue|Sched_ext|Memory|memory|kmem|swap|Tasks|Out of memory|oom_reaper|oom-kill|Stack|Exception stack"
    r"|CPU|Comm|Process|Modules linked in|Tainted|Backtrace|Killed process|r\d+|x\d+|era?|ra|tp|a0|t0|s0|\$\s*\d+)\b)"
    r"[A-Za-z][\w./()\[\]-]*(?: [\w.:()\[\]/-]+){0,4}: ?\S"
)
_EDITED = re.compile(r"[\s\W]*(?:snip(?:ped)?|\.\.\.|…|--|abridged|omitted|cut)?[\s\W]*")


class _Own(NamedTuple):
    """A line of the report: as a row reads it, or as it is."""

    logical: Logical
    reading: Optional[Reading] = None
    item: Optional[int] = None


class Report:
    """What is known of one report so far."""

    def __init__(self, number: int, source: str, caller: str) -> None:
        self.number = number  # of its first line
        self.source = source
        self.caller = caller
        self.draft = Draft()
        self.kinds: Dict[str, int] = {}  # lines by kind
        self.since = 0  # lines of the log since the last one of the report
        self.telling = False  # certainly an OOM
        self.ended = False  # its last line has come; more may follow: a group's kills, the reaper
        self._own: List[_Own] = []
        self._pending: List[Logical] = []  # lines that no row reads, since the last one that one did
        self._rank = (-1, 0)
        self._last: Optional[Reading] = None
        self._dialect: Optional[Dialect] = None

    @property
    def panicked(self) -> bool:
        """Was a panic its last line? Its trace follows, which tells nothing new."""
        return "panic" in self.kinds and len(self.kinds) > 1

    def take(self, logical: Logical) -> bool:
        """Adds a line if it is this report's next."""
        if not self._same_source(logical):
            return False
        first = companion(self._last.row) if self._last is not None else None
        for reading in readings(logical.text, self._dialect, first):
            if self.fits(reading.row.kind, logical) and self._add(logical, reading):
                return True
        found = loose(logical.text)
        return found is not None and self._take_values(logical, found)

    def _same_source(self, logical: Logical) -> bool:
        stripped = logical.stripped
        return logical.bare or stripped.source == self.source

    def fits(self, kind: str, logical: Logical) -> bool:
        """Can a line of that kind come next?"""
        last = self._last.row.kind if self._last is not None else ""
        if kind in LOOSE:
            wanted = _AFTER_STATS if kind != "raw_words" else _AFTER_CPU
            if last not in wanted or (kind == "raw_words" and "call_trace" in self.kinds):
                return False
        if kind in _LATE:
            return True
        if kind == "killed" and kind in self.kinds:
            return "oom_group" in self.kinds
        if kind in _OPENING and self.kinds and not set(self.kinds) <= {"sysrq", "suppressed"}:
            return False
        if logical.stripped.caller != self.caller and self.caller and logical.stripped.caller:
            return False
        rank = RANK[kind]
        if kind == last and (KINDS[kind].scope or kind == "counters"):
            return True
        return rank > self._rank or (rank == self._rank and bool(KINDS[kind].scope))

    def _add(self, logical: Logical, reading: Reading) -> bool:
        row = reading.row
        try:
            index = self.draft.take(row, reading.values)
        except Conflict:
            return False
        if KINDS[row.kind].scope in ("kills", "reaps") and index is not None and logical.stripped.time_ns is not None:
            self.draft.items[KINDS[row.kind].scope][index]["time_ns"] = logical.stripped.time_ns
        self._settle(logical)
        self._own.append(_Own(logical, reading, index))
        self._noted(row.kind, reading)
        return True

    def _noted(self, kind: str, reading: Reading) -> None:
        self.kinds[kind] = self.kinds.get(kind, 0) + 1
        self.since = 0
        self.ended = self.ended or kind in _ENDING
        self._last = reading
        if kind not in _LATE and not (kind == "panic" and len(self.kinds) == 1):
            self._rank = max(self._rank, RANK[kind])
        if kind in _TELLING or (kind == "frame" and not _TELLING_SYMBOLS.isdisjoint(map(str, reading.values))):
            self.telling = True
        if kind == "cpu":
            values = self.draft.values
            self._dialect = choose(values.get("machine.release"), values.get("machine.package"))

    # Lines that no row reads.

    def hold(self, logical: Logical) -> None:
        """A line that nothing reads: it may belong to the report, if more of that follows."""
        if self._same_source(logical):
            self._pending.append(logical)

    def take_cut(self, logical: Logical) -> bool:
        """Adds a line whose end is missing: kept as it is, but what it says is known."""
        found = cut(logical.text) if self._same_source(logical) else None
        return found is not None and self._take_values(logical, Reading(found.row, found.values, logical.text))

    def _take_values(self, logical: Logical, found: Reading) -> bool:
        """Adds a damaged line: what it says is known, but it is kept as it is."""
        if not self.fits(found.row.kind, logical):
            return False
        try:
            self.draft.take(found.row, found.values)
        except Conflict:
            return False
        self._settle(logical)
        self._own.append(_Own(logical))
        self._noted(found.row.kind, found)
        return True

    def _settle(self, logical: Logical) -> None:
        """The lines before this one are inside the report: its own, if nothing shows that they are another's."""
        counts: Dict[str, int] = {}
        for pending in self._pending:
            counts[pending.text] = counts.get(pending.text, 0) + 1
        for pending in self._pending:
            if counts[pending.text] < 3 and not self._foreign(pending):
                self._own.append(_Own(pending))
        self._pending = []

    def _foreign(self, logical: Logical) -> bool:
        stripped = logical.stripped
        if not stripped.kernel or (self.caller and stripped.caller and stripped.caller != self.caller):
            return True
        return bool(_EDITED.fullmatch(logical.text) or _FOREIGN.match(logical.text))

    # The end.

    def event(self) -> OomEvent:
        """The event that the report tells."""
        own = sorted(self._own, key=lambda line: line.logical.number)
        lines = tuple(
            Line(
                number=line.logical.number, row=line.reading.row.key if line.reading else None, index=line.item,
                text=line.reading.text if line.reading else line.logical.text,
                time_ns=line.logical.stripped.time_ns, prefix=line.logical.stripped.prefix,
            )
            for line in own
        )
        return finished(self.draft, lines, frozenset(self.kinds))
