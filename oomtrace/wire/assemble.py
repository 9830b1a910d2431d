"""Which records belong together, and when an OOM is over.

Each CPU has a buffer of its own, and the task that runs the OOM killer may change CPUs between two lines; so records
come in any order and are put back by their sequence numbers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, List

from oomtrace.wire.layout import Record

# After the last record of an OOM whose end no record marks (a group kill, no victim, lost records).
QUIET_NS = 250_000_000


_MATTERS = frozenset(("REC_CHOSEN", "REC_NO_VICTIM", "REC_KILLED", "REC_HEADER", "REC_WAIT", "REC_WAITED"))


@dataclass
class Oom:
    """The records of one OOM so far. ``lost`` counts the sequence numbers that never came."""

    oom_id: int
    records: List[Record] = field(default_factory=list)
    last_arrival_ns: int = 0
    superseded: bool = False  # a later OOM has begun

    @property
    def lost(self) -> int:
        """Gaps in the sequence numbers."""
        numbers = {record.seq for record in self.records}
        return max(numbers) + 1 - len(numbers) if numbers else 0

    def ended(self) -> bool:
        """Whether the records say so themselves: a kill is over, nothing is missing, and no group follows."""
        kinds = {record.kind for record in self.records}
        return "REC_DONE" in kinds and not self._group_kill() and not self.lost

    def _group_kill(self) -> bool:
        """Whether memory.oom.group applies, which adds kills after the first: from the victim's memcg up to the full
        one (mm/memcontrol.c, mem_cgroup_get_oom_group; the root of the hierarchy does not count)."""
        memcgs = {r.body.memcg: r.body for r in self.records if r.kind == "REC_MEMCG"}
        victims = [r.body for r in self.records if r.kind == "REC_VICTIM"]
        full = [r.body.memcg for r in self.records if r.kind == "REC_BEGIN"]
        at = victims[0].row.memcg if victims else 0
        while at in memcgs and memcgs[at].parent:
            if memcgs[at].oom_group > 0:
                return True
            if full and at == full[0]:
                break
            at = memcgs[at].parent
        return False

    @property
    def matters(self) -> bool:
        """False for a call of out_of_memory that found an earlier victim still exiting, and did nothing."""
        return any(record.kind in _MATTERS for record in self.records)


class Assembler:
    """Puts records together into OOMs."""

    def __init__(self) -> None:
        self._open: Dict[int, Oom] = {}
        self._newest = 0

    def add(self, record: Record, now_ns: int) -> None:
        """Take a record that arrived now (any monotonic clock, the same for ``ready``)."""
        oom = self._open.setdefault(record.oom_id, Oom(record.oom_id))
        oom.records.append(record)
        oom.last_arrival_ns = now_ns

    def ready(self, now_ns: int) -> List[Oom]:
        """The OOMs that are over, oldest first; they are forgotten here."""
        done = [oom for oom in self._open.values() if oom.ended() or now_ns - oom.last_arrival_ns >= QUIET_NS]
        return self._take(done)

    def flush(self) -> List[Oom]:
        """All that is left, finished or not."""
        return self._take(list(self._open.values()))

    def _take(self, ooms: List[Oom]) -> List[Oom]:
        for oom in ooms:
            del self._open[oom.oom_id]
            oom.records.sort(key=lambda record: record.seq)
        return sorted((oom for oom in ooms if oom.matters), key=lambda oom: oom.oom_id)

    @property
    def pending(self) -> bool:
        """Whether an OOM is in hand."""
        return bool(self._open)
