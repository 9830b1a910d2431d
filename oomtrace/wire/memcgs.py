"""Records → the memcgs: their paths, the full one as the report shows it, and the levels above it."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from oomtrace.history import limits
from oomtrace.model import Memcg, MemcgLevel, MemcgStats, PageCounter
from oomtrace.wire import statistics
from oomtrace.wire.layout import text_of
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.records import Counter, RecMemcg, RecordKind, RecUsage


class Memcgs:
    """The memcgs that the records of an OOM describe, by their addresses."""

    def __init__(self, records: OomRecords) -> None:
        self._records = records
        self._facts = records.facts
        self._page_kb = records.facts.page_kb
        self._by_address = {record.memcg: record for record in records.all(RecordKind.MEMCG, RecMemcg)}
        self._paths: dict[int, Optional[str]] = {}  # as many tasks lie in one memcg

    def chain(self, memcg: int) -> list[RecMemcg]:
        """From the memcg up to the root."""
        found: list[RecMemcg] = []
        while memcg in self._by_address and len(found) <= len(self._by_address):
            found.append(self._by_address[memcg])
            memcg = self._by_address[memcg].parent
        return found

    def path_of(self, memcg: int) -> Optional[str]:
        """The path, None if a level of it is not known."""
        if memcg not in self._paths:
            chain = self.chain(memcg)
            known = chain and not chain[-1].parent
            names = [text_of(record.name) for record in reversed(chain[:-1])]
            self._paths[memcg] = "/" + "/".join(names) if known else None
        return self._paths[memcg]

    def full(self) -> Optional[Memcg]:
        """The memcg that ran out, where one did; else what there is of the machine's protection, which 6.19+ prints."""
        begin, protection = self._records.begin, self._records.first(RecordKind.PROTECTION, RecMemcg)
        if begin is None or not begin.memcg:
            return self._protected(Memcg(), protection) if protection else None
        counters = self._records.last(RecordKind.COUNTERS, RecMemcg)
        if counters is None and not self._records.has(RecordKind.BEGIN):
            # A wait or a failure: there is no report to be like.
            counters = next(iter(self.chain(begin.memcg)), None)
        path = self.path_of(begin.memcg)
        listed = statistics.listed(self._records)
        version = {0: 1, 1: 2}.get(counters.on_dfl) if counters else None
        printed = {record.line: record for record in self._records.all(RecordKind.USAGE, RecUsage)}
        memcg = Memcg(
            path=path,
            memory=_usage(printed.get(0)) or self._memory(counters, version),
            swap=self._swap(printed.get(1), counters) if version == 2 else None,
            memsw=self._v1(printed.get(1), counters.memsw) if counters and version == 1 else None,
            kmem=self._v1(printed.get(2), counters.kmem) if counters and version == 1 else None,
            stats=(MemcgStats(path, listed, "bytes"),) if listed else (),
            version=version,
        )
        return self._protected(memcg, protection) if protection else memcg

    def levels(self) -> tuple[MemcgLevel, ...]:
        """The memcg that ran out and those above it, the root last."""
        begin = self._records.begin
        return self.levels_from(begin.memcg) if begin and begin.memcg else ()

    def levels_from(self, memcg: int) -> tuple[MemcgLevel, ...]:
        """A memcg and those above it."""
        return tuple(self._level(record) for record in self.chain(memcg))

    def _protected(self, memcg: Memcg, record: RecMemcg) -> Memcg:
        least, low = record.children_min_usage * self._page_kb, record.children_low_usage * self._page_kb
        return replace(memcg, min_protection_kb=least, low_protection_kb=low)

    def _memory(self, record: Optional[RecMemcg], version: Optional[int]) -> Optional[PageCounter]:
        if record is None:
            return None
        return self._counter(record.memory, record.events_max if version == 2 else None)

    def _swap(self, printed: Optional[RecUsage], record: Optional[RecMemcg]) -> Optional[PageCounter]:
        """The second usage line of cgroup v2."""
        return _usage(printed) or (self._counter(record.swap, record.events_swap_max) if record else None)

    def _v1(self, printed: Optional[RecUsage], counter: Counter) -> Optional[PageCounter]:
        """The second or third usage line of cgroup v1: memory+swap, kmem."""
        return _usage(printed) or self._counter(counter)

    def _counter(self, counter: Counter, events: Optional[int] = None) -> Optional[PageCounter]:
        """A counter's line. ``events``: what cgroup v2 counts in memory.events (6.15+: that is printed as failcnt)."""
        if self._records.tracked(counter.usage) is None:
            return None
        failcnt = events if events is not None and self._facts.failcnt_from_events else counter.failcnt
        return PageCounter(counter.usage * self._page_kb, counter.max * self._page_kb, failcnt)

    def _level(self, record: RecMemcg) -> MemcgLevel:
        kb = self._page_kb
        swap = record.swap if record.on_dfl else None
        return MemcgLevel(
            path=self.path_of(record.memcg) or "",
            usage_kb=record.memory.usage * kb,
            limit_kb=_limit(record.memory.max, kb),
            min_kb=record.min * kb,
            low_kb=record.low * kb,
            high_kb=_limit(record.high, kb),
            swap_usage_kb=swap.usage * kb if swap else None,
            swap_limit_kb=_limit(swap.max, kb) if swap else None,
            oom_group=None if record.oom_group < 0 else bool(record.oom_group),
        )


def _usage(record: Optional[RecUsage]) -> Optional[PageCounter]:
    """As printk got it."""
    return PageCounter(record.usage_kb, record.limit_kb, record.failcnt) if record is not None else None


def _limit(pages: int, page_kb: int) -> Optional[int]:
    return None if pages >= limits.page_counter_max(page_kb) else pages * page_kb
