"""Which records belong together, and when an OOM is over.

Each CPU has a buffer of its own, and the task that runs the OOM killer may change CPUs between two lines; so records
come in any order and are put back by their sequence numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Optional

from oomtrace.wire.layout import TraceRecord, text_of
from oomtrace.wire.records import RecBegin, RecMemcg, RecordKind, RecReaped, RecReleased, RecSignal, RecTask

# After the last record of an OOM whose end no record marks (a group kill, no victim, lost records).
QUIET_NS = 250_000_000

# After that, for a victim's memory to come back. And for the decision, as its task may be held up: by its CPU quota, a
# slow console, a hypervisor.
RELEASE_NS = 3_000_000_000

# The same, until the oom_reaper has told what it took of a victim. It comes 2 s after the kill (OOM_REAPER_DELAY), and
# to take much, or what has been swapped out, takes it seconds on a slow machine (seen: 5.4 s after the kill).
REAPER_NS = 10_000_000_000

# After what was told last of a process that is slowed down: it is told of once a second while that goes on.
THROTTLE_NS = 5_000_000_000

# The most that one takes, records or not: longer than a report of 10,000 tasks at 115,200 baud. A task that has killed
# without the oom_reaper's help goes on to tell of its signals.
AGE_NS = 120_000_000_000

PANICS_ALWAYS = 2  # vm.panic_on_oom: and not only where the whole machine is out of memory

_MATTERS = frozenset((
    RecordKind.CHOSEN, RecordKind.NO_VICTIM, RecordKind.KILLED, RecordKind.HEADER,
    RecordKind.WAIT, RecordKind.WAITED, RecordKind.FAILED, RecordKind.THROTTLED,
))
_OPENS = frozenset((RecordKind.BEGIN, RecordKind.CHOSEN, RecordKind.HEADER))  # what a decision comes after
_DECIDES = frozenset((RecordKind.NO_VICTIM, RecordKind.KILLED, RecordKind.DONE))
# What tells where an OOM stands. Most records do not (tasks, by the thousands), and are not looked at further.
_TELLING = _MATTERS | _OPENS | _DECIDES | {RecordKind.RELEASED, RecordKind.REAPED, RecordKind.SIGNAL}
_OF_CALLS = frozenset((RecordKind.BEGIN, RecordKind.CHOSEN))


@dataclass
class Oom:
    """The records of one OOM so far; in a storm many are open at once, so what ``ready`` asks is kept, not looked for.

    ``memcg``: address of the memcg that is full, 0 for the machine, None if it is not known. ``matters`` is False for
    a call of out_of_memory that found an earlier victim still exiting, and did nothing.
    """

    oom_id: int
    since_ns: int = 0  # when its first record arrived
    records: list[TraceRecord] = field(default_factory=list)
    last_arrival_ns: int = 0
    followed_ns: Optional[int] = None  # when the next OOM in the same memcg began, if it is known to have
    memcg: Optional[int] = None
    matters: bool = False
    _opened: bool = False
    _decided: bool = False
    _numbers: set[int] = field(default_factory=set)
    _last_number: int = -1
    _done: bool = False
    told: bool = False  # that its kill is over
    nobody: bool = False  # its report begins, and nobody has been chosen
    _killed: set[int] = field(default_factory=set)  # by their mm
    _victims: dict[int, int] = field(default_factory=dict)  # of the OOM killer: the pid, by the mm
    _reaped: set[int] = field(default_factory=set)  # by their pid: the oom_reaper is done with them
    _released: set[int] = field(default_factory=set)
    throttles: bool = False  # a process that is slowed down: it may go on for minutes
    shown: int = 0  # how many of its records have been shown before it was decided
    _asked: set[int] = field(default_factory=set)  # by their mm: processes that a signal only asks to end

    def add(self, record: TraceRecord, now_ns: int) -> None:
        """Take a record that arrived now."""
        self.records.append(record)
        self.last_arrival_ns = now_ns
        if record.seq is not None:
            self._numbers.add(record.seq)
            self._last_number = max(self._last_number, record.seq)
        if record.kind in _TELLING:
            self._learn(record)

    def _learn(self, record: TraceRecord) -> None:
        self.matters = self.matters or record.kind in _MATTERS
        self._opened = self._opened or record.kind in _OPENS
        self._decided = self._decided or record.kind in _DECIDES
        if record.kind is RecordKind.BEGIN:
            self.memcg = record.read(RecBegin).memcg
        elif record.kind is RecordKind.NO_VICTIM:
            self.nobody = True
        elif record.kind is RecordKind.DONE:
            self._done = True
        elif record.kind is RecordKind.KILLED:
            row = record.read(RecTask).row
            self._killed.add(row.mm)
            self._victims[row.mm] = row.pid
        elif record.kind is RecordKind.REAPED:
            self._reaped.add(record.read(RecReaped).pid)
        elif record.kind is RecordKind.RELEASED:
            self._released.add(record.read(RecReleased).mm)
            self._ends()
        elif record.kind is RecordKind.THROTTLED:
            self.throttles = True
        elif record.kind is RecordKind.SIGNAL:
            signal = record.read(RecSignal)
            (self._killed if signal.fatal else self._asked).add(signal.row.mm)
            self.matters = self.matters or bool(signal.fatal)
            self._ends()

    def _ends(self) -> None:
        """One who was asked to end has. Each CPU has a buffer of its own, so that the end may be read first."""
        self.matters = self.matters or not self._asked.isdisjoint(self._released)

    def sort(self) -> None:
        """Put the records in the kernel's order; those of other tasks, which came afterwards, last."""
        self.records.sort(key=lambda record: (record.seq is None, record.seq or 0, record.time_ns))

    @property
    def lost(self) -> int:
        """Gaps in the sequence numbers."""
        return self._last_number + 1 - len(self._numbers)

    def panics(self, panic_on_oom: int) -> bool:
        """Whether the kernel panics, as that is set (vm.panic_on_oom), unless it tells of a kill yet. It prints its
        report before."""
        able = panic_on_oom == PANICS_ALWAYS or (panic_on_oom != 0 and not self.memcg)
        return able and self._opened and not (self._killed or self._done)

    @property
    def undecided(self) -> bool:
        """Whether it is not told yet who dies, or that nobody does."""
        return self._opened and not self._decided

    def ended(self) -> bool:
        """Whether the records say so themselves: a kill is over, nothing is missing, and no group follows."""
        return self._done and not self.lost and not self._group_kill()

    def released(self) -> bool:
        """Whether the memory of all that were killed is known to have come back."""
        return self._killed <= self._released and (not self.matters or self._asked <= self._released)

    @property
    def awaits_reaper(self) -> bool:
        """Whether the oom_reaper may still have a victim before it. Nobody is chosen in a memcg while an earlier victim
        there is (mm/oom_kill.c, oom_evaluate_task: MMF_OOM_SKIP), so the next choice proves that it is done."""
        return self.followed_ns is None and any(
            mm not in self._released and pid not in self._reaped for mm, pid in self._victims.items())

    @property
    def asks(self) -> bool:
        """Whether it is a signal that has ended nobody yet: then there may be nothing to tell, ever."""
        return bool(self._asked) and not self.matters

    def _group_kill(self) -> bool:
        """Whether memory.oom.group applies, which adds kills after the first: from the victim's memcg up to the full
        one (mm/memcontrol.c, mem_cgroup_get_oom_group; the root of the hierarchy does not count)."""
        found = (record.read(RecMemcg) for record in self.records if record.kind is RecordKind.MEMCG)
        memcgs = {record.memcg: record for record in found}
        victims = [record.read(RecTask) for record in self.records if record.kind is RecordKind.VICTIM]
        at = victims[0].row.memcg if victims else 0
        while at in memcgs and memcgs[at].parent:
            if memcgs[at].oom_group > 0:
                return True
            if at == self.memcg:
                break
            at = memcgs[at].parent
        return False


class Assembler:
    """Puts records together into OOMs. ``releases`` False: nothing tells when a victim's memory is free."""

    def __init__(self, releases: bool = True) -> None:
        self._open: dict[int, Oom] = {}
        self._releases = releases
        self._last_begin = 0  # the last call of out_of_memory
        self.panic_on_oom = 0  # the sysctl

    def add(self, record: TraceRecord, now_ns: int) -> None:
        """Take a record that arrived now (any monotonic clock, the same for ``ready``)."""
        oom = self._open.get(record.oom_id)
        if oom is None:
            oom = self._open[record.oom_id] = Oom(record.oom_id, now_ns)
        oom.add(record, now_ns)
        if record.kind not in _OF_CALLS:
            return
        if record.kind is RecordKind.BEGIN:
            self._last_begin = max(self._last_begin, record.oom_id)
        else:
            self._follows(oom)

    def _follows(self, oom: Oom) -> None:
        """Tell the one before it in the same memcg."""
        before = [o for o in self._open.values() if o.oom_id < oom.oom_id and o.memcg == oom.memcg is not None]
        if before:
            last = max(before, key=lambda found: found.oom_id)
            last.followed_ns = min(last.followed_ns or oom.oom_id, oom.oom_id)

    def ready(self, now_ns: int) -> list[Oom]:
        """The OOMs that are over, oldest first; they are forgotten here. One waits for an earlier one of its memcg:
        a victim may meet the OOM killer once more on its way out."""
        over: list[Oom] = []
        unfinished: set[Optional[int]] = set()
        for oom in sorted(self._open.values(), key=lambda found: found.oom_id):
            if self._over(oom, now_ns) and (oom.memcg is None or oom.memcg not in unfinished):
                over.append(oom)
            elif oom.matters:
                unfinished.add(oom.memcg)
        return self._take(over)

    def killed(self) -> list[Oom]:
        """Those whose kill is over and who wait for the victim's memory, each once. They stay in hand."""
        found = [oom for oom in self._open.values() if not oom.told and oom.matters and oom.ended()]
        for oom in found:
            oom.told = True
            oom.sort()
        return found

    def panicking(self) -> list[Oom]:
        """Those at which the kernel panics, as far as is known, and of which more has come since the last call. They
        stay in hand."""
        found = [oom for oom in self._open.values()
                 if oom.panics(self.panic_on_oom) and len(oom.records) > oom.shown]
        for oom in found:
            oom.shown = len(oom.records)
            oom.sort()
        return found

    def _over(self, oom: Oom, now_ns: int) -> bool:
        quiet_ns = now_ns - oom.last_arrival_ns
        if oom.throttles:
            return quiet_ns >= THROTTLE_NS
        if now_ns - oom.since_ns >= AGE_NS:
            return True
        if oom.asks or (oom.nobody and oom.panics(self.panic_on_oom)):
            return False
        if (self._releases and not oom.released()) or self._goes_on(oom):
            return quiet_ns >= (REAPER_NS if self._releases and oom.awaits_reaper else RELEASE_NS)
        return oom.ended() or quiet_ns >= QUIET_NS

    def _goes_on(self, oom: Oom) -> bool:
        """Whether more is to come, late as it may be: out_of_memory is called under oom_lock, so a later call of it
        proves that this one has returned."""
        return oom.undecided and self._last_begin <= oom.oom_id

    def flush(self) -> list[Oom]:
        """All that is left, finished or not."""
        return self._take(list(self._open.values()))

    def _take(self, ooms: list[Oom]) -> list[Oom]:
        for oom in ooms:
            del self._open[oom.oom_id]
            oom.sort()
        return sorted((oom for oom in ooms if oom.matters), key=lambda oom: oom.oom_id)

    def path_of(self, memcg: int) -> Optional[str]:
        """The path of a memcg in which an OOM is in hand, by its address; None if it is not known yet."""
        for oom in self._open.values():
            if oom.memcg == memcg:
                records = (record.read(RecMemcg) for record in oom.records if record.kind is RecordKind.MEMCG)
                by_address = {record.memcg: record for record in records}
                names: list[str] = []
                at = memcg
                while at in by_address and len(names) <= len(by_address):
                    if not by_address[at].parent:
                        return "/" + "/".join(reversed(names))
                    names.append(text_of(by_address[at].name))
                    at = by_address[at].parent
        return None

    @property
    def pending(self) -> bool:
        """Whether an OOM is in hand."""
        return any(not oom.asks for oom in self._open.values())

    @property
    def events(self) -> int:
        """How many of those in hand will be events, as far as is known."""
        return sum(oom.matters for oom in self._open.values())

    @property
    def leisurely(self) -> bool:
        """Whether nothing in hand can be over soon."""
        return all(oom.asks or oom.throttles for oom in self._open.values())
