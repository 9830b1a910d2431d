"""What a person reads first: what happened, what filled it, how it ended; as statements."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Optional

from oomtrace.model import Kill, OomEvent, Throttle, Wait

from . import ended, look, witnessed
from .account import Kind, account, managed_kb
from .causes.full import beyond, declared_by_bpf, hit, lost_context
from .finding import Reason, Statement, facts
from .shortage import Short, Shortage, short
from .units import whole_percent
from .zones import highest_zone, none_usable, verdicts


class Headline(Reason):
    WAITING = "waiting"
    WAITED = "waited"
    CHARGE_FAILED = "charge_failed"
    THROTTLED = "throttled"
    MEMCG = "memcg"
    LIMIT_LOWERED = "limit_lowered"
    SYSRQ = "sysrq"
    MACHINE = "machine"
    NODES = "nodes"
    LOWMEM = "lowmem"
    NODE_FULL = "node_full"
    FRAGMENTED = "fragmented"
    FREE_BUT_UNUSABLE = "free_but_unusable"
    NO_USABLE_ZONE = "no_usable_zone"
    UNKNOWN = "unknown"
    BPF = "bpf"
    CONTEXT_LOST = "context_lost"
    NOT_ACCOUNTED = "not_accounted"
    FILLED_BY = "filled_by"
    VICTIM_EXITING = "victim_exiting"
    KILLED = "killed"
    PANIC = "panic"
    NOBODY = "nobody"
    CHOSEN_EXITING = "chosen_exiting"
    REAPED = "reaped"  # the kill is not in the source
    NOT_SHOWN = "not_shown"


def headline(event: OomEvent) -> tuple[Statement, ...]:
    """What was full, of what, and who paid for it."""
    if event.killed is not None:
        return ended.headline(event, event.killed)
    if event.trace.throttle is not None:
        return (_throttled(event, event.trace.throttle),)
    if event.trace.wait is not None:
        return (_waiting(event, event.trace.wait),)
    if event.trace.failure is not None:
        return Statement(Headline.CHARGE_FAILED, facts(trigger=look.trigger(event))), _full(event)
    return (_full(event), *_of(event), _end(event))


def _throttled(event: OomEvent, throttle: Throttle) -> Statement:
    """memory.high: nobody is killed."""
    return Statement(Headline.THROTTLED, facts(
        trigger=look.trigger(event), memcg__path=look.full_path(event), slept_ns=throttle.slept_ns,
        span_ns=throttle.span_ns))


def _waiting(event: OomEvent, wait: Wait) -> Statement:
    """cgroup v1, memory.oom_control: nobody is killed."""
    known = facts(trigger=look.trigger(event), memcg__path=look.full_path(event), wait_ns=wait.time_ns)
    return Statement(Headline.WAITED if wait.over else Headline.WAITING, known)


def _full(event: OomEvent) -> Statement:
    scope = look.scope(event)
    if scope == "memcg":
        return _memcg(event)
    if scope == "sysrq":
        return Statement(Headline.SYSRQ)
    return _machine(event, scope) if scope is not None else Statement(Headline.UNKNOWN)


def _memcg(event: OomEvent) -> Statement:
    if declared_by_bpf(event):
        return Statement(Headline.BPF, facts(memcg__path=look.full_path(event)))
    name, counter = hit(event)
    if name is None and event.report.memcg is not None:
        counter = event.report.memcg.memory
    path = look.full_path(event)
    known = facts(memcg__path=path, counter=name or "memory", limit_kb=look.limit_kb(counter),
                  container=witnessed.name_of(event, path))
    return Statement(Headline.LIMIT_LOWERED if beyond(event) else Headline.MEMCG, known)


def _machine(event: OomEvent, scope: str) -> Statement:
    """With much free, it is not the machine that ran out: the allocation could not use what there was."""
    total, found = managed_kb(event), account(event)
    free = found.part(Kind.FREE) if found is not None else 0
    if lost_context(event):
        much = total is not None and free * 10 >= total
        return Statement(Headline.CONTEXT_LOST, facts(managed_kb=total, free_kb=free if much else None))
    shortage = short(event)
    if shortage is not None and shortage.kind != Shortage.ALL_LOW:
        return _short(event, shortage)
    if none_usable(event):
        listed = {verdict.zone.name for verdict in verdicts(event)}
        return Statement(Headline.NO_USABLE_ZONE, facts(scope=scope, free_kb=free, zones_listed=tuple(sorted(listed)),
                                                        highest_zone=highest_zone(event.report.trigger.gfp_flags)))
    if total and free * 10 >= total:
        return Statement(Headline.FREE_BUT_UNUSABLE, facts(free_kb=free, managed_kb=total, scope=scope))
    return Statement(Headline.MACHINE if scope == "global" else Headline.NODES, facts(managed_kb=total))


def _short(event: OomEvent, shortage: Short) -> Statement:
    """Not the machine was short of memory, but what the allocation could use of it."""
    if shortage.kind == Shortage.FRAGMENTED:
        order = look.order(event) or 0
        return Statement(Headline.FRAGMENTED, facts(block_kb=look.page_kb(event) << order, order=order,
                                                    free_in_pieces_kb=shortage.free_kb))
    total, parts = shortage.managed_kb, shortage.parts()
    most = parts[0] if total and parts and parts[0][1] * 2 >= total else None
    known = facts(free_elsewhere_kb=shortage.free_elsewhere_kb, short_managed_kb=total,
                  filler=most[0] if most else None,
                  filler_percent=whole_percent(most[1], total) if most and total else None)
    if shortage.kind == Shortage.NODE:
        others = {verdict.zone.node for verdict in shortage.others}
        return Statement(Headline.NODE_FULL, known + facts(
            nodes_full=_listed(shortage.nodes), nodes_elsewhere=_listed(node for node in others if node is not None)))
    return Statement(Headline.LOWMEM, known + facts(
        nearly=shortage.nearly or None,
        highest_zone=highest_zone(event.report.trigger.gfp_flags),
        zones_elsewhere=tuple(dict.fromkeys(verdict.zone.name for verdict in shortage.others))))


def _listed(nodes: Iterable[int]) -> str:
    return ", ".join(map(str, sorted(nodes)))


def _of(event: OomEvent) -> tuple[Statement, ...]:
    """What most of it was, if one kind is more than half; and what no counter has, if that is more than a tenth."""
    found, shortage = account(event), short(event)
    if shortage is not None and shortage.kind != Shortage.ALL_LOW:
        return ()  # said with what was short
    if look.scope(event) == "sysrq" or lost_context(event) or found is None or not found.total_kb:
        return ()
    top, left = found.biggest, found.left_kb or 0
    unknown = Statement(Headline.NOT_ACCOUNTED, facts(left_kb=left, left_percent=whole_percent(left, found.total_kb)))
    also = (unknown,) if left * 10 >= found.total_kb else ()
    if top is None or left > top.kb or top.kb * 2 < found.total_kb:
        return also
    cached = found.part(Kind.SWAPCACHE) if top.kind == Kind.ANON else 0
    if cached * 3 < top.kb:
        cached = 0
    elif top.kb == found.part(Kind.ANON):  # not counted in
        top = replace(top, kb=top.kb + cached)
    filled = Statement(Headline.FILLED_BY, facts(
        filler=top.kind, filler_percent=whole_percent(top.kb, found.total_kb),
        swapcache_percent=whole_percent(cached, found.total_kb) if cached else None))
    return (filled, *also)


def _shared_kb(victim: Kill) -> Optional[int]:
    """What of it is shared memory, which need not go with the victim; None if that is little."""
    held, shared = look.held_kb(victim) or 0, victim.shmem_rss_kb or 0
    return shared if held and shared * 4 >= held else None


def _end(event: OomEvent) -> Statement:
    report = event.report
    if report.kills:
        victim = report.kills[0]
        others = len({kill.pid for kill in report.kills}) - 1
        reason = Headline.VICTIM_EXITING if look.was_exiting(event) else Headline.KILLED
        return Statement(reason, facts(victim=look.who(victim), others=others or None,
                                       held_kb=look.held_kb(victim) if not others else None,
                                       shared_kb=_shared_kb(victim) if not others else None))
    if report.panic is not None:
        return Statement(Headline.PANIC)
    if report.no_killable:
        return Statement(Headline.NOBODY)
    if report.exiting is not None:
        return Statement(Headline.CHOSEN_EXITING, facts(exiting=look.who(report.exiting)))
    reaped = [reap for reap in report.reaps if reap.reaped]
    if reaped:
        return Statement(Headline.REAPED, facts(reaped=look.who(reaped[0])))
    return Statement(Headline.NOT_SHOWN)


