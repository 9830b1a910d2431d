"""Records → OomEvent. Needs nothing but the records, the facts of their machine and names for its addresses."""

from __future__ import annotations

from dataclasses import replace

from oomtrace.facts import Facts
from oomtrace.history import constraints
from oomtrace.model import OomEvent, Report, Trace, Witness
from oomtrace.wire import killed, kills, throttled, who
from oomtrace.wire.assemble import Oom
from oomtrace.wire.layout import Layout
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import NameOf, OomRecords
from oomtrace.wire.records import RecordKind
from oomtrace.wire.tasks import Tasks
from oomtrace.wire.to_origin import origin
from oomtrace.wire.to_report import kind_of, machine, report
from oomtrace.wire.to_trace import trace

KILLED = "killed"  # the kind of event that is no OOM
OF_KILLED = (RecordKind.SENDER, RecordKind.SIGNAL)
# What comes of an OOM at any time after the kill. User stacks are, or no part of what the kernel prints.
LATE = frozenset((RecordKind.RELEASED, RecordKind.REAPED, RecordKind.USER_STACK, RecordKind.USER_PIECE))


class Decoder:
    """Makes events of OOMs. ``name_of`` gives ``symbol+0x1/0x2`` for a return address, or None if it is none."""

    def __init__(self, layout: Layout, facts: Facts, name_of: NameOf) -> None:
        self._layout = layout
        self._facts = facts
        self._name_of = name_of

    def event(self, oom: Oom, source: str = "live", lost: int = 0) -> OomEvent:
        """The event that the records tell of. ``lost``: records known to be lost besides the gaps in the sequence."""
        records = OomRecords(oom.records, self._layout, self._facts, self._name_of)
        memcgs = Memcgs(records)
        if records.has(*OF_KILLED):
            return self._killed(records, memcgs, oom, source, max(oom.lost, lost))
        if records.has(RecordKind.THROTTLED):
            return self._throttled(records, memcgs, oom, source, max(oom.lost, lost))
        tasks = Tasks(records, memcgs)
        printable = report(records, memcgs, tasks)
        known = who.identities(records)
        return OomEvent(
            kind=kind_of(records),
            report=printable,
            trace=trace(records, memcgs, tasks, oom.oom_id, max(oom.lost, lost)),
            origin=origin(records, printable, source, oom.oom_id),
            witness=Witness(tasks=known) if known else None,
        )

    @staticmethod
    def _killed(records: OomRecords, memcgs: Memcgs, oom: Oom, source: str, lost: int) -> OomEvent:
        """A kill by somebody else, of which the kernel reports nothing."""
        printed = Report(machine=machine(records))
        return OomEvent(
            kind=KILLED,
            report=printed,
            trace=Trace(
                oom_id=oom.oom_id, begin_ns=oom.oom_id, levels=killed.levels(records, memcgs),
                releases=kills.releases(records), records_lost=lost,
            ),
            origin=origin(records, printed, source, oom.oom_id),
            killed=killed.killed(records, memcgs),
        )

    @staticmethod
    def _throttled(records: OomRecords, memcgs: Memcgs, oom: Oom, source: str, lost: int) -> OomEvent:
        """A process that was slowed down, of which the kernel reports nothing either."""
        printed = throttled.report(records, memcgs)
        return OomEvent(
            kind=constraints.MEMCG,
            report=printed,
            trace=throttled.trace(records, memcgs, oom.oom_id, lost),
            origin=origin(records, printed, source, oom.oom_id),
        )

    def completed(self, event: OomEvent, oom: Oom) -> OomEvent:
        """The event, made of the same OOM before it had LATE records, with what those tell."""
        late = (record for record in oom.records if record.kind in LATE)
        records = OomRecords(late, self._layout, self._facts, self._name_of)
        return replace(
            event,
            report=replace(event.report, reaps=kills.reaps(records)),
            trace=replace(event.trace, releases=kills.releases(records), followed_ns=self._facts.followed_ns),
        )
