"""Records → OomEvent. Needs nothing but the records, the facts of their machine and names for its addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from oomtrace.model import (
    Candidate,
    Failure,
    Kill,
    Machine,
    Memcg,
    MemcgLevel,
    MemcgStats,
    MemInfo,
    OomEvent,
    PageCounter,
    Stack,
    Summary,
    Task,
    Trigger,
    Wait,
)
from oomtrace.wire import around, meminfo, stack, statistics, taint
from oomtrace.wire.assemble import Oom
from oomtrace.wire.layout import Layout, Record, text_of
from oomtrace.wire.printed import Printed

Facts = Mapping[str, Any]

_CONSTRAINTS = ("CONSTRAINT_NONE", "CONSTRAINT_CPUSET", "CONSTRAINT_MEMORY_POLICY", "CONSTRAINT_MEMCG")
_KINDS = {1: "cpuset", 2: "mempolicy"}
_UNLIMITED_PAGES = (1 << 63) // 4096 - 1  # PAGE_COUNTER_MAX, include/linux/page_counter.h
_LONG_MIN = -(1 << 63)
_NOT_TRACKED = (1 << 64) - 1
_NO_GFP = (1 << 32) - 1  # a wait on a kernel that does not keep it


class Decoder:
    """Makes events of OOMs. ``name_of`` gives ``symbol+0x1/0x2`` for a return address, or None if it is none."""

    def __init__(self, layout: Layout, facts: Facts, name_of: Callable[[int], Optional[str]]) -> None:
        self._flags = {n: v for n, v in layout.constants.items() if n.startswith("TASK_")}
        self._facts = facts
        self._name_of = name_of
        self._page_kb = int(facts.get("page_kb", 4))

    def event(self, oom: Oom, source: str = "live", lost: int = 0) -> OomEvent:
        """The event that the records tell of. ``lost``: records known to be lost besides the gaps in the sequence."""
        by_kind: Dict[str, List[Any]] = {}
        for record in oom.records:
            by_kind.setdefault(record.kind, []).append(record.body)
        paths = _Paths(by_kind.get("REC_MEMCG", []))
        waiting = _first(by_kind, "REC_WAIT") or _first(by_kind, "REC_WAITED")
        failed = _first(by_kind, "REC_FAILED")
        begin, chosen = _first(by_kind, "REC_BEGIN") or waiting or failed, _first(by_kind, "REC_CHOSEN")
        report = _first(by_kind, "REC_HEADER") or _first(by_kind, "REC_NO_VICTIM")
        captured = _first(by_kind, "REC_STACK")
        candidates = self._candidates(by_kind, paths)
        victim = _first(by_kind, "REC_VICTIM")
        # Where the kernel prints no table, those that it weighed: the same tasks in the same order.
        rows = [r.row for r in by_kind.get("REC_TASK") or by_kind.get("REC_CANDIDATE", [])]
        table = "REC_TASK" in by_kind or getattr(report, "dump_tasks", -1) == 1  # which may have no rows
        decision = chosen or report
        printed = Printed(oom.records)
        memory = self._meminfo(by_kind, decision, printed)
        return OomEvent(
            kind=_kind(begin, decision),
            source=source,
            machine=self._machine(captured),
            trigger=self._trigger(begin, captured, decision, _first(by_kind, "REC_SUMMARY"), paths),
            stack=self._stack(captured, by_kind),
            memcg=self._memcg(begin, by_kind, paths),
            meminfo=memory,
            slab=tuple(printed.slab),
            slab_busy=printed.slab_busy,
            tasks=tuple(self._task(row, paths) for row in rows if self._printed(row))
            if rows or table else None,
            summary=self._summary(by_kind, decision, victim, begin, paths),
            tasks_printed=table if report else None,
            kills=self._kills(oom.records),
            oom_group=paths.of(by_kind["REC_GROUP"][0].memcg) if "REC_GROUP" in by_kind else None,
            victim_memcg=paths.of(victim.row.memcg) if victim else None,
            no_killable="REC_NO_VICTIM" in by_kind,
            missing=_missing(by_kind, begin) + (_no_slab(memory) if memory and report is None else ()),
            oom_id=oom.oom_id,
            totalpages=decision.totalpages if decision else None,
            chosen_points=chosen.chosen_points if chosen else None,
            candidates=candidates,
            printed=None if waiting or failed else report is not None,
            unprinted_reason=_unprinted_reason(by_kind),
            begin_ns=oom.oom_id,
            wait=_wait(waiting) if waiting else None,
            failure=_failure(by_kind) if failed else None,
            callbacks_suppressed=by_kind["REC_SUPPRESSED"][0].memcg if "REC_SUPPRESSED" in by_kind else None,
            exiting=around.exiting(oom.records),
            sharing=around.sharing(by_kind),
            reaps=around.reaps(by_kind),
            releases=around.releases(by_kind),
            growth=around.growth(by_kind, oom.oom_id, paths.of),
            reclaim=around.reclaim(by_kind, oom.oom_id),
            charges=self._facts.get("charges"),
            followed_ns=self._facts.get("followed_ns"),
            times_ns=_times(oom.records),
            records_lost=max(oom.lost, lost),
        )

    def _machine(self, captured: Any) -> Machine:
        facts = self._facts
        names, described = taint.describe(captured.taint, facts) if captured else (None, None)
        return Machine(
            release=facts.get("release"),
            version=facts.get("version"),
            package=facts.get("package"),
            preempt=facts.get("preempt"),
            taint=names,
            taint_flags=described,
            kdump_loaded=bool(captured.kdump) if captured else None,
            hardware=text_of(captured.hardware) or None if captured else None,
            page_kb=self._page_kb,
        )

    def _trigger(self, begin: Any, captured: Any, decision: Any, summary: Any, paths: "_Paths") -> Trigger:
        return Trigger(
            comm=text_of(begin.comm) if begin else None,
            pid=begin.pid if begin else captured.pid if captured else None,
            tgid=begin.tgid if begin else None,
            uid=begin.uid if begin else None,
            cpu=captured.cpu if captured else None,
            gfp_mask=begin.gfp_mask if begin and begin.gfp_mask != _NO_GFP else None,
            order=begin.order if begin and begin.gfp_mask != _NO_GFP else None,
            oom_score_adj=begin.oom_score_adj if begin else None,
            nodemask=_nodemask(decision) if decision else None,
            cpuset=text_of(summary.cpuset) or "/" if summary else None,
            mems_allowed=node_list(summary.mems_allowed) if summary else None,
            workqueue=stack.workqueue(captured, self._name_of) if captured else None,
            memcg=paths.of(begin.trigger_memcg) if begin else None,
        )

    def _stack(self, captured: Any, by_kind: Mapping[str, List[Any]]) -> Optional[Stack]:
        if captured is None:
            return around.failed_stack(by_kind, self._name_of)
        positions = [record.address for record in by_kind.get("REC_FRAME", [])]
        return stack.decode(captured, by_kind.get("REC_STACK_PIECE", []), positions, self._facts, self._name_of)

    def _meminfo(self, by_kind: Mapping[str, List[Any]], decision: Any, printed: Printed) -> Optional[MemInfo]:
        if decision is None or decision.memcg:
            return None
        held = meminfo.Structures(by_kind, self._facts, self._page_kb)
        nodemask = decision.nodemask if decision.has_nodemask else None
        return meminfo.overlaid(held.meminfo(nodemask, decision.gfp_mask), printed)

    def _memcg(self, begin: Any, by_kind: Mapping[str, List[Any]], paths: "_Paths") -> Optional[Memcg]:
        protection = _first(by_kind, "REC_PROTECTION")
        if not begin or not begin.memcg:
            return Memcg(**self._protection(protection)) if protection else None
        counters, stats = _last(by_kind, "REC_COUNTERS"), _last(by_kind, "REC_STATS")
        if counters is None and "REC_BEGIN" not in by_kind:  # a wait or a failure: there is no report to be like
            counters = next(iter(paths.chain(begin.memcg)), None)
        path = paths.of(begin.memcg)
        listed = statistics.values(stats, self._facts) if stats else None
        version = {0: 1, 1: 2}.get(counters.on_dfl) if counters else None
        printed = {record.line: record for record in by_kind.get("REC_USAGE", [])}
        return Memcg(
            path=path,
            memory=_usage(printed.get(0)) or self._counter(counters, "memory", version, "events_max"),
            swap=self._second(printed, counters, "swap", version, 2),
            memsw=self._second(printed, counters, "memsw", version, 1),
            kmem=self._third(printed, counters, version),
            stats=(MemcgStats(path, listed, "bytes"),) if listed else (),
            levels=tuple(self._level(record, paths) for record in paths.chain(begin.memcg)),
            version=version,
            **self._protection(protection),
        )

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

    def _level(self, record: Any, paths: "_Paths") -> MemcgLevel:
        kb = self._page_kb
        swap = record.swap if record.on_dfl else None
        return MemcgLevel(
            path=paths.of(record.memcg) or "",
            usage_kb=record.memory.usage * kb,
            limit_kb=_limit(record.memory.max, kb),
            min_kb=record.min * kb,
            low_kb=record.low * kb,
            high_kb=_limit(record.high, kb),
            swap_usage_kb=swap.usage * kb if swap else None,
            swap_limit_kb=_limit(swap.max, kb) if swap else None,
            oom_group=None if record.oom_group < 0 else bool(record.oom_group),
        )

    def _printed(self, row: Any) -> bool:
        """Whether dump_task prints the task (oom_unkillable_task, find_lock_task_mm)."""
        hidden = self._flags["TASK_KTHREAD"] | self._flags["TASK_INIT"]
        return bool(row.flags & self._flags["TASK_HAS_MM"]) and not row.flags & hidden

    def _task(self, row: Any, paths: "_Paths") -> Task:
        has_mm = row.flags & self._flags["TASK_HAS_MM"]
        return Task(
            pid=row.pid,
            comm=text_of(row.comm),
            uid=row.uid,
            tgid=row.tgid,
            total_vm_pages=row.total_vm if has_mm else None,
            rss_pages=row.file_pages + row.anon_pages + row.shmem_pages if has_mm else None,
            rss_anon_pages=row.anon_pages if has_mm else None,
            rss_file_pages=row.file_pages if has_mm else None,
            rss_shmem_pages=row.shmem_pages if has_mm else None,
            pgtables_bytes=row.pgtables_bytes if has_mm else None,
            swapents_pages=row.swap_entries if has_mm else None,
            oom_score_adj=row.oom_score_adj,
            memcg=paths.of(row.memcg),
        )

    def _candidates(self, by_kind: Mapping[str, List[Any]], paths: "_Paths") -> Tuple[Candidate, ...]:
        """In the kernel's order, with the points that oom_badness gave; it has none for a task that must not die."""
        records = by_kind.get("REC_BADNESS", [])
        points = {record.pid: record.points for record in records if record.points != _LONG_MIN}
        rows = [record.row for record in by_kind.get("REC_CANDIDATE", [])]
        return tuple(
            Candidate(self._task(row, paths), points.get(row.group_pid or row.pid), self._skipped(row)) for row in rows
        )

    def _skipped(self, row: Any) -> Optional[str]:
        reasons = (
            ("TASK_INIT", "init"),
            ("TASK_KTHREAD", "kernel thread"),
            ("TASK_OOM_SKIP", "MMF_OOM_SKIP"),
            ("TASK_IN_VFORK", "in_vfork"),
        )
        for flag, reason in reasons:
            if row.flags & self._flags[flag]:
                return reason
        if not row.flags & self._flags["TASK_HAS_MM"]:
            return "no mm"
        return "oom_score_adj" if row.oom_score_adj == -1000 else None

    def _summary(self, by_kind: Any, decision: Any, victim: Any, begin: Any, paths: "_Paths") -> Optional[Summary]:
        printed = _first(by_kind, "REC_SUMMARY")
        if decision is None or not (printed or victim):
            return None
        return Summary(
            constraint=_CONSTRAINTS[decision.constraint] if decision.constraint < len(_CONSTRAINTS) else None,
            nodemask=_nodemask(decision),
            cpuset=text_of(printed.cpuset) or "/" if printed else None,
            mems_allowed=node_list(printed.mems_allowed) if printed else None,
            global_oom=True if begin and not begin.memcg else None,  # the line has the word or has it not
            oom_memcg=paths.of(begin.memcg) if begin and begin.memcg else None,
            task_memcg=paths.of(printed.victim_memcg if printed else victim.row.memcg),
            task=text_of(printed.comm if printed else victim.row.comm),
            pid=printed.pid if printed else victim.row.pid,
            uid=printed.uid if printed else victim.row.uid,
        )

    def _kills(self, records: List[Record]) -> Tuple[Kill, ...]:
        kills, message = [], None
        for record in records:
            if record.kind == "REC_KILL":
                message = text_of(record.body.message)
            elif record.kind == "REC_KILLED":
                kills.append(self._kill(record.body.row, message, record.time_ns))
            elif record.kind == "REC_KILL_LINE" and kills and kills[-1].pid == record.body.pid:
                kills[-1] = _as_printed(kills[-1], record.body)
        return tuple(kills)

    def _kill(self, row: Any, message: Optional[str], time_ns: int) -> Kill:
        kb = self._page_kb
        return Kill(
            pid=row.pid,
            comm=text_of(row.comm),
            message=message,
            uid=row.uid,
            total_vm_kb=row.total_vm * kb,
            anon_rss_kb=row.anon_pages * kb,
            file_rss_kb=row.file_pages * kb,
            shmem_rss_kb=row.shmem_pages * kb,
            pgtables_kb=row.pgtables_bytes >> 10,
            oom_score_adj=row.oom_score_adj,
            time_ns=time_ns,
        )


def _as_printed(kill: Kill, line: Any) -> Kill:
    """With the sizes that printk got."""
    return replace(
        kill, total_vm_kb=line.total_vm_kb, anon_rss_kb=line.anon_kb, file_rss_kb=line.file_kb,
        shmem_rss_kb=line.shmem_kb, pgtables_kb=line.pgtables_kb,
    )


class _Paths:
    """Memcgs by address, as the records of an OOM describe them, and the paths that their names make."""

    def __init__(self, records: List[Any]) -> None:
        self._records = {record.memcg: record for record in records}

    def chain(self, memcg: int) -> List[Any]:
        """From the memcg up to the root."""
        found: List[Any] = []
        while memcg in self._records and len(found) <= len(self._records):
            found.append(self._records[memcg])
            memcg = self._records[memcg].parent
        return found

    def of(self, memcg: int) -> Optional[str]:
        """The path, None if a level of it is not known."""
        chain = self.chain(memcg)
        if not chain or chain[-1].parent:
            return None
        return "/" + "/".join(text_of(record.name) for record in reversed(chain[:-1]))


def node_list(words: Any) -> str:
    """A node mask as ``%*pbl`` prints it: "0-1,3"."""
    nodes = [64 * i + bit for i, word in enumerate(words) for bit in range(64) if word >> bit & 1]
    ranges: List[List[int]] = []
    for node in nodes:
        if ranges and ranges[-1][1] == node - 1:
            ranges[-1][1] = node
        else:
            ranges.append([node, node])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _nodemask(decision: Any) -> str:
    return node_list(decision.nodemask) if decision.has_nodemask else "(null)"


def _usage(record: Any) -> Optional[PageCounter]:
    """As printk got it."""
    return PageCounter(record.usage_kb, record.limit_kb, record.failcnt) if record is not None else None


def _wait(record: Any) -> Wait:
    since_ns = record.waiting_since_ns
    return Wait(over=bool(since_ns), time_ns=record.header.time_ns - since_ns if since_ns else None)


def _failure(by_kind: Mapping[str, List[Any]]) -> Failure:
    effort = _first(by_kind, "REC_EFFORT")
    return Failure(effort.suppressed if effort else 0)


def _limit(pages: int, page_kb: int) -> Optional[int]:
    return None if pages >= _UNLIMITED_PAGES else pages * page_kb


def _kind(begin: Any, decision: Any) -> Optional[str]:
    if begin is None:
        return None
    if begin.memcg:
        return "memcg"
    if begin.order == -1:
        return "sysrq"
    return _KINDS.get(decision.constraint, "global") if decision else "global"


def _first(by_kind: Mapping[str, List[Any]], kind: str) -> Any:
    return by_kind[kind][0] if kind in by_kind else None


def _last(by_kind: Mapping[str, List[Any]], kind: str) -> Any:
    return by_kind[kind][-1] if kind in by_kind else None


def _missing(by_kind: Mapping[str, List[Any]], begin: Any) -> Tuple[str, ...]:
    missing = [] if begin is not None else ["the beginning"]
    if "REC_STACK" not in by_kind and "REC_CHOSEN" in by_kind:
        missing.append("call trace")
    if begin is not None and begin.memcg and "REC_CHOSEN" in by_kind:
        missing += [] if "REC_COUNTERS" in by_kind else ["memcg usage"]
        missing += [] if "REC_STATS" in by_kind else ["memcg statistics"]
    elif "REC_CHOSEN" in by_kind and "REC_MEMORY" not in by_kind:
        missing.append("memory state")
    return tuple(missing)


def _no_slab(memory: MemInfo) -> Tuple[str, ...]:
    """The slab caches of a report that the kernel did not print, but where it would have listed them: how much of one
    is in use is not in any counter."""
    return ("unreclaimable slab",) if meminfo.slab_outweighs(memory) else ()


def _unprinted_reason(by_kind: Mapping[str, List[Any]]) -> Optional[str]:
    if not {"REC_HEADER", "REC_NO_VICTIM", "REC_WAIT", "REC_WAITED", "REC_FAILED"}.isdisjoint(by_kind):
        return None
    return "rate limit" if "REC_KILL" in by_kind else "victim already exiting"


# The part of the report that a record's sampling time stands for.
_PARTS = {
    "REC_HEADER": "header",
    "REC_NO_VICTIM": "header",
    "REC_STACK": "stack",
    "REC_COUNTERS": "memcg",
    "REC_STATS": "stats",
    "REC_PROTECTION": "protection",
    "REC_MEMORY": "meminfo",
    "REC_TASK": "tasks",
    "REC_SUMMARY": "summary",
    "REC_KILLED": "kill",
    "REC_GROUP": "group",
}


def _times(records: List[Record]) -> Dict[str, int]:
    times: Dict[str, int] = {}
    for record in records:
        part = _PARTS.get(record.kind)
        if part:
            times.setdefault(part, record.time_ns)
    return times
