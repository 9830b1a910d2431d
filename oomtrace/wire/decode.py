"""Records → OomEvent. Needs nothing but the records, the facts of their machine and names for its addresses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from oomtrace.history import constraints
from oomtrace.model import (
    Exiting,
    Failure,
    Machine,
    MemInfo,
    OomEvent,
    Origin,
    Part,
    Report,
    Stack,
    Summary,
    Trace,
    Trigger,
    Unprinted,
    Wait,
)
from oomtrace.wire import around, meminfo, stack, taint
from oomtrace.wire.assemble import Oom
from oomtrace.wire.layout import ByKind, Layout, Record, by_kind, first, text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.printed import Printed
from oomtrace.wire.tasks import Tasks

Facts = Mapping[str, Any]

LATE = frozenset(("REC_RELEASED", "REC_REAPED"))  # what comes of an OOM at any time after the kill
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
        bodies = by_kind(oom.records)
        memcgs = Memcgs(bodies, self._facts, self._page_kb)
        tasks = Tasks(self._flags, self._page_kb, memcgs.path_of)
        waiting = first(bodies, "REC_WAIT") or first(bodies, "REC_WAITED")
        failed = first(bodies, "REC_FAILED")
        begin, chosen = first(bodies, "REC_BEGIN") or waiting or failed, first(bodies, "REC_CHOSEN")
        report = first(bodies, "REC_HEADER") or first(bodies, "REC_NO_VICTIM")
        captured = first(bodies, "REC_STACK")
        victim = first(bodies, "REC_VICTIM")
        # Where the kernel prints no table, those that it weighed: the same tasks in the same order.
        rows = [r.row for r in bodies.get("REC_TASK") or bodies.get("REC_CANDIDATE", [])]
        table = "REC_TASK" in bodies or getattr(report, "dump_tasks", -1) == 1  # which may have no rows
        decision = chosen or report
        printed = Printed(oom.records)
        memory = self._meminfo(bodies, decision, printed)
        exiting = around.exiting(oom.records)
        kind = _kind(begin, decision)
        printable = Report(
            machine=self._machine(captured),
            trigger=self._trigger(begin, captured, decision, first(bodies, "REC_SUMMARY"), memcgs),
            stack=self._stack(captured, bodies),
            memcg=memcgs.full(begin),
            meminfo=memory,
            slab=tuple(printed.slab),
            slab_busy=printed.slab_busy,
            tasks=tuple(tasks.task(row) for row in rows if tasks.printed(row))
            if rows or table else None,
            summary=self._summary(bodies, decision, victim, begin, memcgs),
            kills=tasks.kills(oom.records),
            oom_group=memcgs.path_of(bodies["REC_GROUP"][0].memcg) if "REC_GROUP" in bodies else None,
            victim_memcg=memcgs.path_of(victim.row.memcg) if victim else None,
            no_killable="REC_NO_VICTIM" in bodies,
            callbacks_suppressed=bodies["REC_SUPPRESSED"][0].memcg if "REC_SUPPRESSED" in bodies else None,
            sysrq=kind == "sysrq",
            exiting=exiting,
            sharing=around.sharing(bodies),
            reaps=around.reaps(bodies),
        )
        trace = Trace(
            oom_id=oom.oom_id,
            totalpages=decision.totalpages if decision else None,
            chosen_points=chosen.chosen_points if chosen else None,
            candidates=tasks.candidates(bodies),
            printed=None if waiting or failed else report is not None,
            unprinted_reason=_unprinted_reason(bodies),
            tasks_printed=table if report else None,
            begin_ns=oom.oom_id,
            wait=_wait(waiting) if waiting else None,
            failure=_failure(bodies) if failed else None,
            levels=memcgs.levels(begin),
            releases=around.releases(bodies),
            growth=around.growth(bodies, oom.oom_id, memcgs.path_of),
            reclaim=around.reclaim(bodies, oom.oom_id),
            charges=self._facts.get("charges"),
            followed_ns=self._facts.get("followed_ns"),
            times_ns=_times(oom.records),
            records_lost=max(oom.lost, lost),
        )
        missing = _missing(bodies, begin, exiting) + (_no_slab(memory) if memory and report is None else ())
        return OomEvent(kind, printable, trace, Origin(source, missing=missing))

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

    def _trigger(self, begin: Any, captured: Any, decision: Any, summary: Any, memcgs: Memcgs) -> Trigger:
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
            memcg=memcgs.path_of(begin.trigger_memcg) if begin else None,
        )

    def _stack(self, captured: Any, bodies: ByKind) -> Optional[Stack]:
        if captured is None:
            return around.failed_stack(bodies, self._name_of)
        positions = [record.address for record in bodies.get("REC_FRAME", [])]
        return stack.decode(captured, bodies.get("REC_STACK_PIECE", []), positions, self._facts, self._name_of)

    def _meminfo(self, bodies: ByKind, decision: Any, printed: Printed) -> Optional[MemInfo]:
        if decision is None or decision.memcg:
            return None
        held = meminfo.Structures(bodies, self._facts, self._page_kb)
        nodemask = decision.nodemask if decision.has_nodemask else None
        return meminfo.overlaid(held.meminfo(nodemask, decision.gfp_mask), printed)

    def _summary(self, bodies: Any, decision: Any, victim: Any, begin: Any, memcgs: Memcgs) -> Optional[Summary]:
        printed = first(bodies, "REC_SUMMARY")
        if decision is None or not (printed or victim):
            return None
        return Summary(
            constraint=constraints.constraint_name(decision.constraint),
            nodemask=_nodemask(decision),
            cpuset=text_of(printed.cpuset) or "/" if printed else None,
            mems_allowed=node_list(printed.mems_allowed) if printed else None,
            global_oom=True if begin and not begin.memcg else None,  # the line has the word or has it not
            oom_memcg=memcgs.path_of(begin.memcg) if begin and begin.memcg else None,
            task_memcg=memcgs.path_of(printed.victim_memcg if printed else victim.row.memcg),
            task=text_of(printed.comm if printed else victim.row.comm),
            pid=printed.pid if printed else victim.row.pid,
            uid=printed.uid if printed else victim.row.uid,
        )


def completed(event: OomEvent, oom: Oom, facts: Facts) -> OomEvent:
    """The event, made of the same OOM before it had LATE records, with what those tell."""
    late = by_kind(record for record in oom.records if record.kind in LATE)
    return replace(
        event,
        report=replace(event.report, reaps=around.reaps(late)),
        trace=replace(event.trace, releases=around.releases(late), followed_ns=facts.get("followed_ns")),
    )


def node_list(words: Any) -> str:
    """A node mask as ``%*pbl`` prints it: "0-1,3"."""
    nodes = [64 * i + bit for i, word in enumerate(words) if word for bit in range(64) if word >> bit & 1]
    ranges: List[List[int]] = []
    for node in nodes:
        if ranges and ranges[-1][1] == node - 1:
            ranges[-1][1] = node
        else:
            ranges.append([node, node])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)


def _nodemask(decision: Any) -> str:
    return node_list(decision.nodemask) if decision.has_nodemask else "(null)"


def _wait(record: Any) -> Wait:
    since_ns = record.waiting_since_ns
    return Wait(over=bool(since_ns), time_ns=record.header.time_ns - since_ns if since_ns else None)


def _failure(bodies: ByKind) -> Failure:
    effort = first(bodies, "REC_EFFORT")
    return Failure(effort.suppressed if effort else 0)


def _kind(begin: Any, decision: Any) -> Optional[str]:
    if begin is None:
        return None
    if begin.memcg:  # of a wait the order is not known
        return constraints.MEMCG
    number = decision.constraint if decision else 0
    return constraints.kind_of(constraints.constraint_name(number) or "", order=begin.order)


def _missing(bodies: ByKind, begin: Any, exiting: Optional[Exiting]) -> Tuple[Part, ...]:
    missing = [] if begin is not None else [Part.BEGINNING]
    if "REC_STACK" not in bodies and "REC_CHOSEN" in bodies:
        missing.append(Part.CALL_TRACE)
    if begin is not None and begin.memcg and "REC_CHOSEN" in bodies:
        missing += [] if "REC_COUNTERS" in bodies else [Part.MEMCG_USAGE]
        missing += [] if "REC_STATS" in bodies else [Part.MEMCG_STATS]
    elif "REC_CHOSEN" in bodies and "REC_MEMORY" not in bodies:
        missing.append(Part.MEMINFO)
    undecided = {"REC_KILLED", "REC_NO_VICTIM", "REC_DONE"}.isdisjoint(bodies) and exiting is None
    if undecided and not {"REC_CHOSEN", "REC_HEADER"}.isdisjoint(bodies):
        missing.append(Part.KILL)
    return tuple(missing)


def _no_slab(memory: MemInfo) -> Tuple[Part, ...]:
    """The slab caches of a report that the kernel did not print, but where it would have listed them: how much of one
    is in use is not in any counter."""
    return (Part.SLAB,) if meminfo.slab_outweighs(memory) else ()


def _unprinted_reason(bodies: ByKind) -> Optional[Unprinted]:
    if not {"REC_HEADER", "REC_NO_VICTIM", "REC_WAIT", "REC_WAITED", "REC_FAILED"}.isdisjoint(bodies):
        return None
    return Unprinted.RATE_LIMIT if "REC_KILL" in bodies else Unprinted.EXITING


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
