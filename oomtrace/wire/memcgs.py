"""Records → the memcgs: their paths, the full one as the report shows it, and the levels above it."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, Optional, Tuple

from oomtrace.history import limits
from oomtrace.model import Memcg, MemcgLevel, MemcgStats, PageCounter
from oomtrace.wire import statistics
from oomtrace.wire.layout import ByKind, first, last, text_of

_NOT_TRACKED = (1 << 64) - 1


class Memcgs:
    """The memcgs that the records of an OOM describe, by their addresses."""

    def __init__(self, by_kind: ByKind, facts: Mapping[str, Any], page_kb: int) -> None:
        self._by_kind = by_kind
        self._facts = facts
        self._page_kb = page_kb
        self._records = {record.memcg: record for record in by_kind.get("REC_MEMCG", [])}
        self._paths: Dict[int, Optional[str]] = {}  # as many tasks lie in one memcg

    def chain(self, memcg: int) -> List[Any]:
        """From the memcg up to the root."""
        found: List[Any] = []
        while memcg in self._records and len(found) <= len(self._records):
            found.append(self._records[memcg])
            memcg = self._records[memcg].parent
        return found

    def path_of(self, memcg: int) -> Optional[str]:
        """The path, None if a level of it is not known."""
        if memcg not in self._paths:
            chain = self.chain(memcg)
            known = chain and not chain[-1].parent
            names = [text_of(record.name) for record in reversed(chain[:-1])]
            self._paths[memcg] = "/" + "/".join(names) if known else None
        return self._paths[memcg]

    def full(self, begin: Any) -> Optional[Memcg]:
        """The memcg that ran out, where one did; else what there is of the machine's protection, which 6.19+ prints."""
        protection = first(self._by_kind, "REC_PROTECTION")
        if not begin or not begin.memcg:
            return Memcg(**self._protection(protection)) if protection else None
        counters, stats = last(self._by_kind, "REC_COUNTERS"), last(self._by_kind, "REC_STATS")
        if counters is None and "REC_BEGIN" not in self._by_kind:  # a wait or a failure: there is no report to be like
            counters = next(iter(self.chain(begin.memcg)), None)
        path = self.path_of(begin.memcg)
        listed = statistics.values(stats, self._facts) if stats else None
        version = {0: 1, 1: 2}.get(counters.on_dfl) if counters else None
        printed = {record.line: record for record in self._by_kind.get("REC_USAGE", [])}
        return Memcg(
            path=path,
            memory=_usage(printed.get(0)) or self._counter(counters, "memory", version, "events_max"),
            swap=self._second(printed, counters, "swap", version, 2),
            memsw=self._second(printed, counters, "memsw", version, 1),
            kmem=self._third(printed, counters, version),
            stats=(MemcgStats(path, listed, "bytes"),) if listed else (),
            version=version,
            **self._protection(protection),
        )

    def levels(self, begin: Any) -> Tuple[MemcgLevel, ...]:
        """The memcg that ran out and those above it, the root last."""
        return tuple(self._level(record) for record in self.chain(begin.memcg)) if begin and begin.memcg else ()

    def _protection(self, record: Any) -> Dict[str, Any]:
        if record is None:
            return {}
        return {
            "min_protection_kb": record.children_min_usage * self._page_kb,
            "low_protection_kb": record.children_low_usage * self._page_kb,
        }

    def _second(
        self, printed: Mapping[int, Any], counters: Any, name: str, version: Optional[int], only: int
    ) -> Optional[PageCounter]:
        """The second usage line: swap on cgroup v2, memory+swap on v1."""
        if version != only:
            return None
        return _usage(printed.get(1)) or self._counter(counters, name, version, "events_swap_max")

    def _third(self, printed: Mapping[int, Any], counters: Any, version: Optional[int]) -> Optional[PageCounter]:
        """The third one, kmem, on v1 alone."""
        return _usage(printed.get(2)) or self._counter(counters, "kmem", version) if version == 1 else None

    def _counter(self, record: Any, name: str, version: Optional[int], events: str = "") -> Optional[PageCounter]:
        if record is None:
            return None
        counter = getattr(record, name)
        if counter.usage == _NOT_TRACKED:
            return None
        # 6.15+, cgroup v2: the event counts are printed instead of the counter's own failcnt.
        from_events = events and version == 2 and self._facts.get("failcnt_from_events")
        failcnt = getattr(record, events) if from_events else counter.failcnt
        return PageCounter(counter.usage * self._page_kb, counter.max * self._page_kb, failcnt)

    def _level(self, record: Any) -> MemcgLevel:
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


def _usage(record: Any) -> Optional[PageCounter]:
    """As printk got it."""
    return PageCounter(record.usage_kb, record.limit_kb, record.failcnt) if record is not None else None


def _limit(pages: int, page_kb: int) -> Optional[int]:
    return None if pages >= limits.page_counter_max(page_kb) else pages * page_kb
