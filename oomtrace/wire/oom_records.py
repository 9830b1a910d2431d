"""The records of one OOM, and what it takes to read them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Callable, Optional

from oomtrace.facts import Facts
from oomtrace.wire.layout import Layout, S, TraceRecord
from oomtrace.wire.records import RecBegin, RecordKind, RecReport, RecStack, RecTask, TaskRow

NameOf = Callable[[int], Optional[str]]  # "symbol+0x1/0x2" for a return address, None for what is no code


class OomRecords:
    """The records of one OOM by their kind, in the kernel's order, with the facts of their machine and names for its
    addresses.

    Each question names the kind and the struct that records of that kind are (``records.py``).
    """

    def __init__(self, records: Iterable[TraceRecord], layout: Layout, facts: Facts, name_of: NameOf) -> None:
        self.in_order = tuple(records)
        self.facts = facts
        self.name_of = name_of
        self.constants = layout.constants
        self._by_kind: dict[RecordKind, list[TraceRecord]] = {}
        for record in self.in_order:
            self._by_kind.setdefault(record.kind, []).append(record)

    def has(self, *kinds: RecordKind) -> bool:
        """Whether there is a record of one of these kinds."""
        return any(kind in self._by_kind for kind in kinds)

    def all(self, kind: RecordKind, struct: type[S]) -> list[S]:
        """All records of a kind."""
        return [record.read(struct) for record in self._by_kind.get(kind, ())]

    def of(self, kinds: frozenset[RecordKind]) -> list[TraceRecord]:
        """Those of some kinds, in order."""
        return [record for record in self.in_order if record.kind in kinds]

    def first(self, kind: RecordKind, struct: type[S]) -> Optional[S]:
        """The first of a kind, or None."""
        found = self._by_kind.get(kind)
        return found[0].read(struct) if found else None

    def last(self, kind: RecordKind, struct: type[S]) -> Optional[S]:
        """The last of a kind, or None."""
        found = self._by_kind.get(kind)
        return found[-1].read(struct) if found else None

    @cached_property
    def incomplete(self) -> bool:
        """Whether records are lost before the last that came."""
        numbers = {record.seq for record in self.in_order if record.seq is not None}
        return bool(numbers) and len(numbers) <= max(numbers)

    def tracked(self, value: int) -> Optional[int]:
        """An unsigned 64-bit number; None where the kernel has no such counter."""
        return None if value == self.constants["NOT_TRACKED"] else value

    @cached_property
    def waiting(self) -> Optional[RecBegin]:
        """A wait of a memcg whose OOM killing is disabled, or its end."""
        return self.first(RecordKind.WAIT, RecBegin) or self.first(RecordKind.WAITED, RecBegin)

    @cached_property
    def failed(self) -> Optional[RecBegin]:
        """A charge that failed without a kill."""
        return self.first(RecordKind.FAILED, RecBegin)

    @cached_property
    def begin(self) -> Optional[RecBegin]:
        """With what it began."""
        return self.first(RecordKind.BEGIN, RecBegin) or self.waiting or self.failed

    @cached_property
    def chosen(self) -> Optional[RecReport]:
        """The decision, at oom_kill_process."""
        return self.first(RecordKind.CHOSEN, RecReport)

    @cached_property
    def header(self) -> Optional[RecReport]:
        """The beginning of what the kernel printed; None if it has printed nothing."""
        return self.first(RecordKind.HEADER, RecReport) or self.first(RecordKind.NO_VICTIM, RecReport)

    @cached_property
    def decision(self) -> Optional[RecReport]:
        """What oom_control held, from whichever of the two there is."""
        return self.chosen or self.header

    @cached_property
    def stack(self) -> Optional[RecStack]:
        """The stack of the task that invoked the OOM killer."""
        return self.first(RecordKind.STACK, RecStack)

    @cached_property
    def victim(self) -> Optional[TaskRow]:
        """The task that was chosen."""
        found = self.first(RecordKind.VICTIM, RecTask)
        return found.row if found else None
