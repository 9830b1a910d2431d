"""Step 1: which memcg was full, or what else had no memory left."""

from __future__ import annotations

from dataclasses import replace
from typing import List, Optional, Tuple

from oomtrace.model import MemcgLevel, OomEvent, PageCounter

from . import look, names
from .account import managed_kb
from .callsite import LIMIT_LOWERED, call_site
from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Finding, facts
from .units import exact, human

_TITLE = "full"
LABELS = {"memory": "memory limit", "memsw": "memory+swap limit", "kmem": "kernel memory limit"}


def full(event: OomEvent) -> Optional[Finding]:
    """What had no memory left."""
    scope = look.scope(event)
    if scope is None:
        return Finding("full", 1, _TITLE, "The source does not show what was full: neither a memory cgroup's lines nor "
                       "Mem-Info.", confidence=UNKNOWN)
    if scope == "memcg":
        return _memcg(event)
    if scope == "sysrq":
        return Finding("full", 1, _TITLE, "Someone asked for a kill with SysRq-f.",
                       facts(trigger__order=event.report.trigger.order), "Nothing needs to have been full.")
    return _machine(event, scope)


def _memcg(event: OomEvent) -> Finding:
    path = look.full_path(event)
    memcg = event.report.memcg
    where = names.described(path) if path is not None else "A memory cgroup whose path is not in the report"
    if memcg is None or memcg.memory is None or memcg.memory.usage_kb is None:
        return Finding("full", 1, _TITLE, f"{where} was full; its usage is not in the report.", facts(memcg__path=path))
    evidence = facts(memcg__path=path) + _counters(event) + _level_facts(event.trace.levels)
    name, counter = hit(event)
    limit_kb = look.limit_kb(counter)
    if name is None or counter is None or limit_kb is None or counter.usage_kb is None:
        return _below_limit(event, where, evidence)
    sentence = f"{where} was at its {LABELS[name]} of {exact(limit_kb)}"
    if counter.usage_kb != limit_kb:
        sentence += f", usage {exact(counter.usage_kb)}"
    if counter.failcnt is not None:
        sentence += f", failcnt {counter.failcnt}"
    return _lowered(event, Finding("full", 1, _TITLE, sentence + ".", evidence, _context(event)))


def beyond(event: OomEvent) -> bool:
    """Was there far more in it than its limit? Charges that must not fail go a little beyond."""
    name, counter = hit(event)
    limit_kb = look.limit_kb(counter)
    if name != "memory" or counter is None or counter.usage_kb is None or limit_kb is None:
        return False
    return counter.usage_kb - limit_kb > max(limit_kb // 10, 1024)


def _lowered(event: OomEvent, finding: Finding) -> Finding:
    if not beyond(event):
        return finding
    written = call_site(event)
    if written is not None and written[0] == LIMIT_LOWERED:
        said, confidence = "The limit is being lowered below what is in it: nothing had to grow.", CERTAIN
    else:
        said, confidence = "There is far more in it than its limit: the limit had just been lowered.", LIKELY
    context = f" {finding.interpretation}" if finding.interpretation else ""
    return replace(finding, interpretation=said + context, confidence=confidence)


def hit(event: OomEvent) -> Tuple[Optional[str], Optional[PageCounter]]:
    """The counter with no room for the charge: memory, on v1 also memory+swap or kernel memory."""
    need_kb = look.page_kb(event) << (look.order(event) or 0)
    for name in ("memory", "memsw", "kmem") if event.report.memcg is not None else ():
        counter = getattr(event.report.memcg, name)
        limit_kb = look.limit_kb(counter)
        if limit_kb is not None and counter.usage_kb is not None and counter.usage_kb + need_kb > limit_kb:
            return name, counter
    return None, None


def _below_limit(event: OomEvent, where: str, evidence: Tuple[Fact, ...]) -> Finding:
    """The report samples usage after the decision: something may have been freed in between."""
    assert event.report.memcg is not None and event.report.memcg.memory is not None
    memory = event.report.memcg.memory
    limit_kb = look.limit_kb(memory)
    usage = exact(memory.usage_kb or 0)
    sentence = f"{where} had no room for a charge; when the report was printed its usage was {usage}"
    if limit_kb is not None and memory.usage_kb is not None:
        sentence += f" of {exact(limit_kb)}, {human(limit_kb - memory.usage_kb)} below the limit"
    elif look.unlimited(memory):
        sentence += " and it had no memory limit"
    memcg = event.report.memcg
    others = [counter for counter in (memcg.memsw, memcg.kmem) if look.limit_kb(counter) is not None]
    return Finding("full", 1, _TITLE, sentence + ".", evidence,
                   "The usage is read after the decision; what freed memory in between is not in the report.",
                   LIKELY if others else CERTAIN)


def _context(event: OomEvent) -> Optional[str]:
    """Whose limit it is, and which levels above are full too."""
    said: List[str] = []
    path, victim = look.full_path(event), look.victim_path(event)
    above, below = names.owner(path) if path else None, names.owner(victim) if victim else None
    if above is not None and above.kind == "pod" and below is not None and below.kind == "container":
        said.append("It is the pod's limit, not the container's.")
    tight = [level.path for level in event.trace.levels[1:] if _at_limit(level)]
    if tight:
        said.append(f"Full above it too: {', '.join(tight)}.")
    return " ".join(said) or None


def _at_limit(level: MemcgLevel) -> bool:
    return level.limit_kb is not None and level.usage_kb is not None and level.usage_kb >= level.limit_kb


def _counters(event: OomEvent) -> Tuple[Fact, ...]:
    found: List[Fact] = []
    for name in ("memory", "swap", "memsw", "kmem"):
        counter = getattr(event.report.memcg, name)
        if counter is None:
            continue
        limit = "max" if look.unlimited(counter) else counter.limit_kb
        values = (("usage_kb", counter.usage_kb), ("limit_kb", limit), ("failcnt", counter.failcnt))
        found += [Fact(f"{name}.{field}", value) for field, value in values if value is not None]
    return tuple(found)


def _level_facts(levels: Tuple[MemcgLevel, ...]) -> Tuple[Fact, ...]:
    """Every level up to the root, as a live trace saw it."""
    found: List[Fact] = []
    for level in levels:
        for name in ("usage_kb", "limit_kb", "min_kb", "low_kb", "high_kb", "swap_usage_kb", "swap_limit_kb"):
            value = getattr(level, name)
            if value is not None and (value or name == "usage_kb"):
                found.append(Fact(f"{level.path} {name}", value))
    return tuple(found)


def _machine(event: OomEvent, scope: str) -> Finding:
    """No memcg: the machine, or the nodes that the task was allowed."""
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    total_kb = managed_kb(event)
    swap_kb = tail.get("total_swap_kb")
    summary = event.report.summary
    nodes = event.report.trigger.mems_allowed or (summary.mems_allowed if summary is not None else None)
    if scope == "mempolicy":
        nodes = (summary.nodemask if summary is not None else None) or event.report.trigger.nodemask
    evidence = facts(
        kind=scope, managed_kb=total_kb, total_swap_kb=swap_kb, free_swap_kb=tail.get("free_swap_kb"),
        constraint=summary.constraint if summary is not None else None,
        nodes=nodes if scope in ("cpuset", "mempolicy") else None,
    )
    if scope == "global":
        what = "The machine as a whole"
    else:
        by = "cpuset" if scope == "cpuset" else "memory policy"
        what = f"NUMA node {nodes}, all that the task's {by} allows," if nodes else f"What the task's {by} allows"
    size = f" ({_size(total_kb, swap_kb)})" if total_kb is not None else ""
    lost = _lost_context(event)
    return Finding("full", 1, _TITLE, f"{what}{size} had no memory that this allocation could use; no memory cgroup's "
                   "limit was hit.", evidence, lost, UNKNOWN if lost else CERTAIN)


def _size(total_kb: int, swap_kb: Optional[int]) -> str:
    swap = "" if swap_kb is None else ", no swap" if swap_kb == 0 else f", {human(swap_kb)} swap"
    return f"{exact(total_kb)} RAM{swap}"


def _lost_context(event: OomEvent) -> Optional[str]:
    """pagefault_out_of_memory() has nothing but the fault: gfp_mask 0, and the failed charge or allocation unknown.

    Removed by 60e2793d440a (5.16) and its backports, because of the OOMs of the whole machine that it declared for a
    memcg's.
    """
    if event.report.trigger.gfp_mask != 0 or event.report.trigger.order == -1:
        return None
    return ("gfp_mask is 0: a page fault had failed without saying what it could not get. On these kernels a charge to "
            "a full memory cgroup could end here as well; the report does not tell.")
