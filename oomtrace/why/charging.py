"""Step 1 as well: who asked for the memory, how, and doing what."""

from __future__ import annotations

from typing import List, Optional, Tuple

from oomtrace.model import Growth, OomEvent, Task

from . import look
from .account import account
from .callsite import LIMIT_LOWERED, SYSRQ, call_site
from .finding import CERTAIN, LIKELY, UNKNOWN, Finding, facts
from .units import human, plural, seconds

# gfp names for people (include/linux/gfp_types.h). A charge to a memcg is made with the mask of how to reclaim for it:
# GFP_KERNEL does not tell that the page is the kernel's.
_WORDS = {
    "GFP_KERNEL": "all reclaim allowed",
    "GFP_KERNEL_ACCOUNT": "charged to the memory cgroup, all reclaim allowed",
    "GFP_USER": "for user space",
    "GFP_HIGHUSER": "for user space",
    "GFP_HIGHUSER_MOVABLE": "for user space, movable",
    "GFP_TRANSHUGE": "a huge page for user space",
    "GFP_TRANSHUGE_LIGHT": "a huge page for user space, without reclaim",
    "GFP_NOFS": "may not enter file systems to reclaim",
    "GFP_NOIO": "may not start I/O to reclaim",
    "GFP_ATOMIC": "may not wait",
    "GFP_NOWAIT": "may not wait",
    "GFP_TEMPORARY": "for a short time",
    "GFP_DMA": "from zone DMA",
    "GFP_DMA32": "from the lowest 4 GiB",
    "__GFP_ZERO": "zeroed",
    "__GFP_ACCOUNT": "charged to the memory cgroup",
    "__GFP_COMP": "compound",
    "__GFP_NOFAIL": "must not fail",
    "__GFP_NORETRY": "may fail early",
    "__GFP_RETRY_MAYFAIL": "may fail after some tries",
    "__GFP_REPEAT": "tries again",
    "__GFP_THISNODE": "from one node only",
    "__GFP_HARDWALL": "from the cpuset's nodes only",
    "__GFP_WRITE": "for the page cache, to be written",
    "__GFP_COLD": "for the page cache",
    "__GFP_RECLAIMABLE": "reclaimable",
}


def charging(event: OomEvent) -> Optional[Finding]:
    """The task that asked last, which need not be the one that filled the memory."""
    trigger = event.report.trigger
    if trigger.comm is None and trigger.pid is None and event.report.stack is None:
        return Finding("charging", 1, "asked by", "Who asked for the memory is not in the report: it has no "
                       "\"invoked oom-killer\" line.", confidence=UNKNOWN)
    site = call_site(event)
    doing = site[0] if site is not None else None
    sentence = look.who(trigger.pid, trigger.comm)
    if doing is not None:
        sentence += f": {doing}"
    sentence += "; " + asked(event) if asked(event) else ""
    evidence = facts(
        trigger__comm=trigger.comm, trigger__pid=trigger.pid, trigger__memcg=trigger.memcg,
        trigger__gfp_mask=trigger.gfp_mask, trigger__gfp_flags=trigger.gfp_flags or None, trigger__order=trigger.order,
        stack__function=site[1] if site is not None else None,
    )
    interpretation, confidence = _interpretation(event, doing)
    return Finding("charging", 1, "asked by", sentence + ".", evidence, interpretation, confidence)


def asked(event: OomEvent) -> str:
    """The request in words: "4 kB of kernel memory, zeroed (GFP_KERNEL|__GFP_ZERO)"."""
    trigger = event.report.trigger
    if trigger.order == -1:
        return ""
    said: List[str] = []
    order = look.order(event)
    if order is not None:
        said.append(f"{plural(1 << order, 'page')} (order {order})")
    if trigger.gfp_mask == 0:
        said.append("gfp_mask 0")
    elif trigger.gfp_flags:
        words = [_WORDS[name] for name in trigger.gfp_flags.split("|") if name in _WORDS]
        said.append(", ".join(words) + f" [{trigger.gfp_flags}]" if words else trigger.gfp_flags)
    elif trigger.gfp_mask is not None:
        said.append(f"gfp_mask {trigger.gfp_mask:#x}")
    return ", ".join(said)


def _interpretation(event: OomEvent, doing: Optional[str]) -> Tuple[Optional[str], str]:
    """What the call trace leaves open, and whether the trigger is who filled the memory."""
    said: List[str] = []
    confidence = CERTAIN
    if event.report.stack is None and doing is None:
        said.append("What it was doing is unknown: the report has no call trace.")
        confidence = UNKNOWN
    elif doing is None:
        said.append("What it was doing is unknown: the call trace has no function that tells.")
        confidence = UNKNOWN
    elif doing == "a page fault":
        source = "the call trace" if event.report.stack is not None else "the trace"
        said.append(f"On what kind of memory the fault was, {source} does not tell.")
        confidence = UNKNOWN
    asked_none = doing in (LIMIT_LOWERED, SYSRQ)  # it wanted no memory: it cannot have been the last of those who did
    differs = None if asked_none else _filler_differs(event)
    if differs is not None:
        said.append(differs)
        confidence = confidence if confidence == UNKNOWN else LIKELY
    return " ".join(said) or None, confidence


def _filler_differs(event: OomEvent) -> Optional[str]:
    """Who charged last is not who charged most: by growth if a trace has watched it, otherwise by what is held."""
    trigger, holder = event.report.trigger, _holder(event)
    size = look.page_kb(event)
    top = _grown_most(event)
    if top is not None:
        charged = human(top.charged_pages * size)
        span = f" in the last {seconds(top.window_ns)}" if top.window_ns else ""
        if top.pid not in (trigger.pid, trigger.tgid):
            return f"It was only the last: {look.who(top.pid, top.comm)} charged most, {charged}{span}."
        said = f"It also charged most: {charged}{span}."
        if holder is None:
            return said
        return f"{said} Yet {look.who(holder.pid, holder.comm)} holds most, from before: {_held(holder, size)}."
    if holder is None:
        return None
    own = next(task for task in event.report.tasks or () if trigger.pid in (task.pid, task.tgid))
    return (f"It was only the last to ask: it holds {_held(own, size)}, {look.who(holder.pid, holder.comm)} "
            f"{_held(holder, size)}.")


def _grown_most(event: OomEvent) -> Optional[Growth]:
    """Who charged most. Of the whole machine only what is a good part of it counts: what processes in the root memcg
    take is not charged, so that others seem to have taken most."""
    top = max(event.trace.growth, key=lambda growth: growth.charged_pages, default=None)
    if top is None or look.scope(event) == "memcg":
        return top
    found = account(event)
    if found is None or found.total_kb is None:
        return None
    return top if top.charged_pages * look.page_kb(event) * 4 >= found.total_kb else None


def _held(task: Task, size: int) -> str:
    return human((task.rss_pages or 0) * size)


def _holder(event: OomEvent) -> Optional[Task]:
    """The task that holds far more than the trigger, and a good part of what is full."""
    trigger, rows, found = event.report.trigger, event.report.tasks or (), account(event)
    if trigger.pid is None or not rows or found is None or not found.total_kb:
        return None
    top = max(rows, key=lambda task: task.rss_pages or 0)
    if (top.rss_pages or 0) * look.page_kb(event) * 4 < found.total_kb:
        return None
    known = [task for task in rows if trigger.pid in (task.pid, task.tgid)]
    return top if known and (known[0].rss_pages or 0) * 2 <= (top.rss_pages or 0) else None
