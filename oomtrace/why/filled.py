"""Step 3, first half: what filled it."""

from __future__ import annotations

from typing import Optional, Tuple

from oomtrace.model import MemcgStats, OomEvent

from . import look
from .account import (
    ANON,
    CACHE,
    FREE,
    HUGETLB,
    KERNEL,
    SHMEM,
    SLAB_RECLAIMABLE,
    SLAB_UNRECLAIMABLE,
    SOCK,
    UNEVICTABLE,
    Account,
    Part,
    account,
)
from .finding import CERTAIN, LIKELY, UNKNOWN, Amount, Fact, Finding, facts
from .units import exact, human, percent, share

_TITLE = "filled by"
NOT_ACCOUNTED = "not accounted for"
_WHAT_IT_IS = {
    ANON: "heaps, stacks, private mappings",
    ANON + ", tmpfs and shared": "what processes have written, and files on tmpfs",
    CACHE: "pages of files, on disk or on tmpfs",
    SHMEM: "which no process needs to have mapped",
    KERNEL: "used by the kernel for these processes",
    SOCK: "data in socket buffers",
    SLAB_UNRECLAIMABLE: "kernel objects",
    SLAB_RECLAIMABLE: "kernel caches such as directory entries and inodes",
    UNEVICTABLE: "locked, or otherwise never reclaimed",
    HUGETLB: "set aside, whether used or not",
}


def filled(event: OomEvent) -> Optional[Finding]:
    """The parts of the full memory, largest first, and what is not accounted for."""
    if look.scope(event) in (None, "sysrq") and account(event) is None:
        return None
    found = account(event)
    if found is None:
        what = "memory statistics" if look.scope(event) == "memcg" else "Mem-Info"
        return Finding("filled", 3, _TITLE, f"What filled it is not in the source: no {what}.", confidence=UNKNOWN)
    whole = found.total_kb
    parts = sorted((part for part in found.parts if part.kb), key=lambda part: -part.kb)
    said = [_said(part, whole) for part in parts[:4]]
    rest = sum(part.kb for part in parts[4:])
    if rest:
        said.append(f"others {human(rest)}")
    left = _left(found, whole)
    sentence = "; ".join(said + ([left] if left else [])) or "all its counters are 0"
    interpretation, confidence = _verdict(found, whole, event.trace.printed is False)
    return Finding("filled", 3, _TITLE, sentence + ".", _facts(event, found, whole), interpretation, confidence)


def _said(part: Part, whole: Optional[int]) -> str:
    return f"{part.name} {exact(part.kb)} {share(part.kb, whole)}".rstrip()


def _left(found: Account, whole: Optional[int]) -> str:
    """What no part accounts for, if it matters: 1 % or more."""
    left = found.left_kb
    if left is None or not whole or abs(left) * 100 < whole:
        return ""
    if left > 0:
        return f"{NOT_ACCOUNTED} {exact(left)} {share(left, whole)}"
    return f"the statistics sum to {exact(-left)} more than the total: they are sampled apart and lag"


def biggest(found: Account) -> Optional[Part]:
    """The largest part that is in use."""
    used = [part for part in found.parts if part.name != FREE and part.kb]
    return max(used, key=lambda part: part.kb) if used else None


def in_words(name: str) -> str:
    """A part's name within a sentence."""
    if name.startswith(ANON):
        return name.replace(ANON, ANON + " memory", 1)
    if name in (SLAB_RECLAIMABLE, SLAB_UNRECLAIMABLE):
        return " ".join(reversed(name.split(", ")))
    return name + " memory" if name == KERNEL else name


def _verdict(found: Account, whole: Optional[int], unprinted: bool) -> Tuple[Optional[str], str]:
    top = biggest(found)
    left = found.left_kb or 0
    if not whole:
        return "What part of the whole that is the source does not tell.", UNKNOWN
    if found.part(FREE) * 2 >= whole:
        return f"Most of it was free; of what was used, most was {in_words(top.name)}." if top else None, CERTAIN
    if unprinted and left * 4 > whole:
        return ("What most of it is cannot be told: the kernel sums its statistics up when it prints them, and for "
                "this OOM it did not."), UNKNOWN
    if top is None or left > top.kb:
        if found.kernel_listed:
            return "Most of it is in no statistics: what it is cannot be told.", UNKNOWN
        return ("Most of it is in no statistics: on this kernel that is usually kernel memory without a counter of its "
                "own, such as pipe buffers."), LIKELY
    if top.kb * 2 < whole:
        return f"No kind of memory makes up half of it; the largest is {in_words(top.name)}.", CERTAIN
    what = _kernel_parts(found) or _WHAT_IT_IS[KERNEL] if top.name == KERNEL else _WHAT_IT_IS.get(top.name)
    said = f"Filled by {in_words(top.name)}" + (f" ({what})." if what else ".")
    return said, CERTAIN if abs(left) * 10 < whole else LIKELY


# Kernel memory with counters of its own (mm/memcontrol.c, memory_stats); what else there is has none.
_KERNEL_PARTS = {
    "slab": ("slab_reclaimable_kb", "slab_unreclaimable_kb"),
    "page tables": ("pagetables_kb", "sec_pagetables_kb"),
    "stacks": ("kernel_stack_kb",),
    "vmalloc": ("vmalloc_kb",),
    "per-CPU memory": ("percpu_kb",),
}


def _kernel_parts(found: Account) -> str:
    """What the kernel's memory is, as far as it is counted: "slab 14.0 MiB, stacks 1.2 MiB", "" if it is not."""
    whole, kb = found.part(KERNEL), found.details
    sizes = {what: sum(kb.get(name, 0) for name in names) for what, names in _KERNEL_PARTS.items()}
    if not whole or "slab_unreclaimable_kb" not in kb:
        return ""
    largest = sorted(sizes.items(), key=lambda item: -item[1])[:3]
    said = [f"{what} {human(size)}" for what, size in largest if size * 20 >= whole]
    left = whole - sum(sizes.values())
    if left * 10 >= whole:
        said.append(f"{human(left)} without a counter of its own, as pipe buffers are")
    return ", ".join(said)


def amounts(event: OomEvent) -> Tuple[Amount, ...]:
    """The same as rows to show."""
    found = account(event)
    if found is None:
        return ()
    whole = found.total_kb
    rows = [Amount(part.name, part.kb, percent(part.kb, whole)) for part in found.parts if part.kb]
    rows.sort(key=lambda row: -row.kb)
    left = found.left_kb
    if left is not None and left > 0:
        rows.append(Amount(NOT_ACCOUNTED, left, percent(left, whole)))
    return tuple(rows)


def _facts(event: OomEvent, found: Account, whole: Optional[int]) -> Tuple[Fact, ...]:
    values = [Fact("total_kb", found.total_kb)] if found.total_kb is not None else []
    for part in found.parts:
        values.append(Fact(f"{part.name}.kb", part.kb))
        if whole:
            values.append(Fact(f"{part.name}.percent", percent(part.kb, whole)))
    if found.left_kb is not None:
        values.append(Fact("not_accounted_for_kb", found.left_kb))
    values += [Fact(name, value) for name, value in found.details.items()]
    return tuple(values) + _swap_facts(event) + _largest_below(event)


def _swap_facts(event: OomEvent) -> Tuple[Fact, ...]:
    memcg = event.report.memcg
    if memcg is None or memcg.swap is None:
        return ()
    return facts(swap__usage_kb=memcg.swap.usage_kb)


def _largest_below(event: OomEvent) -> Tuple[Fact, ...]:
    """Up to 5.2 every memcg below has its own line: the largest one."""
    stats = [s for s in event.report.memcg.stats if s.unit == "KB"] if event.report.memcg is not None else []
    if len(stats) < 2:
        return ()
    top = max(stats, key=_held)
    return facts(largest__path=top.path, largest__kb=_held(top), memcgs=len(stats))


def _held(stats: MemcgStats) -> int:
    return stats.values.get("rss", 0) + stats.values.get("cache", 0)
