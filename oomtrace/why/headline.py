"""One sentence that a manager understands."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent, Wait

from . import look, names
from .account import FREE, Account, account, managed_kb
from .filled import biggest, in_words
from .full import LABELS, beyond, hit
from .units import human, plural


def headline(event: OomEvent) -> str:
    """What was full, of what, and who paid for it."""
    if event.trace.wait is not None:
        return _waiting(event, event.trace.wait)
    if event.trace.failure is not None:
        trigger = event.report.trigger
        return f"Charge failed, nobody killed: {trigger.comm} ({trigger.pid}) got ENOMEM. {_full(event)}."
    return f"{_full(event)}{_of(event)}{_end(event)}."


def _waiting(event: OomEvent, wait: Wait) -> str:
    """cgroup v1, memory.oom_control: nobody is killed."""
    who = f"{event.report.trigger.comm} ({event.report.trigger.pid})"
    where = look.full_path(event) or "its memory cgroup"
    if not wait.over:
        return f"{who} is waiting: {where} is at its limit, and OOM killing is disabled there."
    took = f" for {wait.time_ns / 1e9:.1f} s" if wait.time_ns is not None else ""
    return f"{who} has stopped waiting in {where}, where OOM killing is disabled; it had slept{took}."


def _full(event: OomEvent) -> str:
    scope = look.scope(event)
    if scope == "memcg":
        path = look.full_path(event)
        whose = names.short(path) if path is not None else "a memory cgroup"
        whose = f"{whose[:1].upper()}{whose[1:]}" if not whose.startswith("/") else whose
        name, counter = hit(event)
        if name is None and event.report.memcg is not None:
            counter = event.report.memcg.memory
        limit = look.limit_kb(counter)
        if beyond(event) and limit is not None:
            return f"{whose} held more than its memory limit, lowered to {human(limit)}"
        return f"{whose} reached its {LABELS[name or 'memory']}" + (f" of {human(limit)}" if limit is not None else "")
    if scope == "sysrq":
        return "Someone asked the kernel for a kill (SysRq-f)"
    if scope in ("global", "cpuset", "mempolicy"):
        return _machine(event, scope)
    return "Memory ran out; of what the source does not tell"


def _machine(event: OomEvent, scope: str) -> str:
    """With much free, it is not the machine that ran out: the allocation could not use what there was."""
    total, found = managed_kb(event), account(event)
    free = found.part(FREE) if found is not None else 0
    where = "the machine" if scope == "global" else "the NUMA nodes that the task may use"
    if total and free * 10 >= total:
        return f"An allocation found no memory that it could use, with {human(free)} of {human(total)} free in {where}"
    return f"{where[:1].upper()}{where[1:]} ran out of memory" + (f" ({human(total)} RAM)" if total else "")


def _of(event: OomEvent) -> str:
    """What most of it was, if one kind is more than half."""
    found: Optional[Account] = account(event)
    if look.scope(event) == "sysrq" or found is None or not found.total_kb:
        return ""
    top = biggest(found)
    if top is None or top.name == FREE or top.kb * 2 < found.total_kb:
        return ""
    amount = "almost all" if top.kb * 20 >= found.total_kb * 19 else f"{100 * top.kb // found.total_kb} %"
    return f", {amount} of it {in_words(top.name)}"


def _end(event: OomEvent) -> str:
    if event.report.kills:
        victim = event.report.kills[0]
        held = look.held_kb(victim)
        if look.was_exiting(event):
            return f"; {look.who(victim.pid, victim.comm)} was already exiting"
        said = f"; the kernel killed {look.who(victim.pid, victim.comm)}"
        others = len({kill.pid for kill in event.report.kills}) - 1
        if others:
            said += f" and {plural(others, 'other process', 'other processes')}"
        return said + (f", which held {human(held)}" if held is not None and not others else "")
    if event.report.panic is not None:
        return "; the kernel panicked"
    if event.report.no_killable:
        return "; there was nobody to kill"
    if event.report.exiting is not None:
        return f"; {look.who(event.report.exiting.pid, event.report.exiting.comm)} was already exiting"
    return "; who was killed the source does not tell"
