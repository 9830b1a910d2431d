"""Records → Report: what the kernel prints of an OOM, or would have printed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Optional

from oomtrace import arch
from oomtrace.history import constraints
from oomtrace.model import Machine, MemInfo, Report, Stack, Summary, Trigger
from oomtrace.wire import charges, kills, meminfo, stack, taint
from oomtrace.wire.assemble import PANICS_ALWAYS
from oomtrace.wire.layout import text_of
from oomtrace.wire.memcgs import Memcgs
from oomtrace.wire.oom_records import OomRecords
from oomtrace.wire.printed import PrintedMeminfo
from oomtrace.wire.records import RecGroup, RecordKind, RecReport, RecSummary, RecSuppressed, TaskRow
from oomtrace.wire.tasks import Tasks

_NO_GFP = (1 << 32) - 1  # a wait on a kernel that does not keep it


def report(records: OomRecords, memcgs: Memcgs, tasks: Tasks) -> Report:
    """The report."""
    printed = PrintedMeminfo(records.in_order)
    victim = records.victim
    group = records.first(RecordKind.GROUP, RecGroup)
    suppressed = records.first(RecordKind.SUPPRESSED, RecSuppressed)
    panic = _panic(records)
    return Report(
        machine=machine(records),
        trigger=_trigger(records, memcgs),
        stack=_stack(records),
        memcg=memcgs.full(),
        meminfo=_meminfo(records, printed),
        slab=tuple(printed.slab),
        slab_busy=printed.slab_busy,
        tasks=tasks.table(),
        summary=_summary(records, memcgs),
        kills=kills.kills(records),
        oom_group=memcgs.path_of(group.memcg) if group else None,
        victim_memcg=memcgs.path_of(victim.memcg) if victim else None,
        no_killable=records.has(RecordKind.NO_VICTIM) and panic is None,
        panic=panic,
        callbacks_suppressed=suppressed.callbacks if suppressed else None,
        sysrq=kind_of(records) == constraints.SYSRQ,
        exiting=kills.exiting(records),
        sharing=kills.sharing(records),
        reaps=kills.reaps(records),
    )


def _panic(records: OomRecords) -> Optional[str]:
    """What the kernel panics with once it has printed the report (mm/oom_kill.c, check_panic_on_oom); None if it does
    not. It prints one without a chosen task before that, or where it finds nobody whom it may kill."""
    setting = records.facts.panic_on_oom
    if not setting or not records.has(RecordKind.NO_VICTIM):
        return None
    if setting == PANICS_ALWAYS:
        return None if kind_of(records) == constraints.SYSRQ else "Out of memory: compulsory panic_on_oom is enabled"
    return "Out of memory: system-wide panic_on_oom is enabled" if kind_of(records) == constraints.GLOBAL else None


def kind_of(records: OomRecords) -> Optional[str]:
    """Which kind of OOM it is; None if its beginning is not known."""
    begin, decision = records.begin, records.decision
    if begin is None:
        return None
    if begin.memcg:  # of a wait the order is not known
        return constraints.MEMCG
    number = decision.constraint if decision else 0
    return constraints.kind_of(constraints.constraint_name(number) or "", order=begin.order)


def machine(records: OomRecords) -> Machine:
    """The machine, as far as its records tell."""
    facts, captured, known = records.facts, records.stack, arch.find(records.facts.machine)
    flags = records.tracked(captured.taint) if captured else None
    kdump = records.tracked(captured.kdump) if captured else None
    names, described = taint.describe(facts.taint if flags is None else flags, facts) if captured else (None, None)
    return Machine(
        release=facts.release,
        version=facts.version,
        package=facts.package,
        preempt=facts.preempt,
        taint=names,
        taint_flags=described,
        kdump_loaded=(facts.kdump if kdump is None else bool(kdump)) if captured else None,
        hardware=text_of(captured.hardware) or facts.hardware if captured else None,
        page_kb=facts.page_kb,
        arch=known.dialect if known else None,
    )


def _trigger(records: OomRecords, memcgs: Memcgs) -> Trigger:
    begin, captured, decision = records.begin, records.stack, records.decision
    summary = records.first(RecordKind.SUMMARY, RecSummary)
    asked = begin if begin and begin.gfp_mask != _NO_GFP else None
    return Trigger(
        comm=text_of(begin.comm) if begin else None,
        pid=begin.pid if begin else captured.pid if captured else None,
        tgid=begin.tgid if begin else None,
        uid=begin.uid if begin else None,
        cpu=captured.cpu if captured else None,
        gfp_mask=asked.gfp_mask if asked else None,
        order=asked.order if asked else None,
        oom_score_adj=begin.oom_score_adj if begin else None,
        nodemask=_nodemask(decision) if decision else None,
        cpuset=text_of(summary.cpuset) or "/" if summary else None,
        mems_allowed=node_list(summary.mems_allowed) if summary else None,
        workqueue=stack.workqueue(captured, records.name_of) if captured else None,
        memcg=memcgs.path_of(begin.trigger_memcg) if begin else None,
    )


def _stack(records: OomRecords) -> Optional[Stack]:
    return stack.decode(records, records.stack) if records.stack else charges.failed_stack(records)


def _meminfo(records: OomRecords, printed: PrintedMeminfo) -> Optional[MemInfo]:
    decision = records.decision
    if decision is None or decision.memcg:
        return None
    return meminfo.overlaid(meminfo.held(records, decision), printed)


def _summary(records: OomRecords, memcgs: Memcgs) -> Optional[Summary]:
    printed, decision = records.first(RecordKind.SUMMARY, RecSummary), records.decision
    victim = _of_victim(printed, records.victim)
    if decision is None or victim is None:
        return None
    memcg, comm, pid, uid = victim
    begin = records.begin
    return Summary(
        constraint=constraints.constraint_name(decision.constraint),
        nodemask=_nodemask(decision),
        cpuset=text_of(printed.cpuset) or "/" if printed else None,
        mems_allowed=node_list(printed.mems_allowed) if printed else None,
        global_oom=True if begin and not begin.memcg else None,  # the line has the word or has it not
        oom_memcg=memcgs.path_of(begin.memcg) if begin and begin.memcg else None,
        task_memcg=memcgs.path_of(memcg),
        task=comm,
        pid=pid,
        uid=uid,
    )


def _of_victim(printed: Optional[RecSummary], chosen: Optional[TaskRow]) -> Optional[tuple[int, str, int, int]]:
    """The victim's memcg, comm, pid and uid: as printed, or as chosen."""
    if printed is not None:
        return printed.victim_memcg, text_of(printed.comm), printed.pid, printed.uid
    return (chosen.memcg, text_of(chosen.comm), chosen.pid, chosen.uid) if chosen is not None else None


def _nodemask(decision: RecReport) -> str:
    return node_list(decision.nodemask) if decision.has_nodemask else "(null)"


def node_list(words: Sequence[int]) -> str:
    """A node mask as ``%*pbl`` prints it: "0-1,3"."""
    nodes = [64 * i + bit for i, word in enumerate(words) if word for bit in range(64) if word >> bit & 1]
    ranges: list[list[int]] = []
    for node in nodes:
        if ranges and ranges[-1][1] == node - 1:
            ranges[-1][1] = node
        else:
            ranges.append([node, node])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
