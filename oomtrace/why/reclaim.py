"""Step 3, second half: why reclaim could not help."""

from __future__ import annotations

from typing import List, Mapping, Optional

from oomtrace.model import OomEvent

from . import look, zones
from .account import KERNEL, Account, account
from .finding import CERTAIN, LIKELY, UNKNOWN, Fact, Finding, facts
from .pick import swap_counted
from .units import exact, human, plural, seconds, share

_TITLE = "why reclaim failed"
_FEW = 50  # under a 50th (2 %) of the total there is nothing worth to reclaim


class _Case:
    """Clauses and evidence, as they are gathered."""

    def __init__(self) -> None:
        self.clauses: List[str] = []
        self.why: List[str] = []
        self.evidence: List[Fact] = []
        self.confidence = CERTAIN

    def says(self, clause: str, **values: Optional[int]) -> None:
        self.clauses.append(clause)
        self.evidence += facts(**values)

    def means(self, conclusion: str, confidence: str = CERTAIN) -> None:
        self.why.append(conclusion)
        worse = [CERTAIN, LIKELY, UNKNOWN]
        self.confidence = max(self.confidence, confidence, key=worse.index)

    def finding(self) -> Finding:
        sentence = "; ".join(self.clauses)
        return Finding("reclaim", 3, _TITLE, sentence[:1].upper() + sentence[1:] + ".", tuple(self.evidence),
                       " ".join(self.why) or None, self.confidence)


def reclaim(event: OomEvent) -> Optional[Finding]:
    """What there was to reclaim, and what stood in the way."""
    scope = look.scope(event)
    if scope in (None, "sysrq"):
        return None
    case = _Case()
    _lowered(event, case)
    if scope == "memcg":
        found = account(event)
        if found is not None:
            _file_pages(found, case)
            _memcg_swap(event, found, case)
            _unevictable(found, case)
            _kernel(found, case)
    elif event.meminfo is not None:
        _machine(event, case)
    _protection(event, case)
    _effort(event, case)
    if not case.clauses:
        return Finding("reclaim", 3, _TITLE, "The source does not show what could have been reclaimed.",
                       confidence=UNKNOWN)
    return case.finding()


def _lowered(event: OomEvent, case: _Case) -> None:
    order = event.trigger.order
    if order is not None and order > 0:
        case.says(f"{1 << order} contiguous pages were asked for", trigger__order=order)


def _file_pages(found: Account, case: _Case) -> None:
    """Clean file pages can be dropped at once; dirty ones must be written first."""
    kb = found.details
    if "active_file_kb" not in kb or "inactive_file_kb" not in kb:
        return
    files = kb["active_file_kb"] + kb["inactive_file_kb"]
    busy = kb.get("file_dirty_kb", 0) + kb.get("file_writeback_kb", 0)
    case.says(f"file pages on the lists {exact(files)}", active_file_kb=kb["active_file_kb"],
              inactive_file_kb=kb["inactive_file_kb"], file_dirty_kb=kb.get("file_dirty_kb"),
              file_writeback_kb=kb.get("file_writeback_kb"))
    _judge_files(files, busy, found.total_kb, case)


def _judge_files(files: int, busy: int, total: Optional[int], case: _Case) -> None:
    if not total:
        return
    if files * _FEW <= total:
        case.means("No file cache was left to drop.")
    elif busy * 2 >= files:
        case.says(f"{human(busy)} of file pages dirty or under writeback")
        case.means("Most file pages waited to be written and could not be dropped at once.", LIKELY)
    else:
        case.means(f"File pages were left ({share(files, total)}); why they were not reclaimed in time the source does "
                   "not tell.", UNKNOWN)


def _anon(found: Account) -> int:
    kb = found.details
    return kb.get("active_anon_kb", 0) + kb.get("inactive_anon_kb", 0)


def _memcg_swap(event: OomEvent, found: Account, case: _Case) -> None:
    """Anonymous and tmpfs pages can only go to swap."""
    memcg = event.memcg
    if memcg is None or not found.total_kb or _anon(found) * _FEW <= found.total_kb:
        return
    limit, memory_limit, memsw_limit = (look.limit_kb(c) for c in (memcg.swap, memcg.memory, memcg.memsw))
    kb = found.details
    case.says(f"anonymous and tmpfs pages {exact(_anon(found))} can only go to swap",
              active_anon_kb=kb.get("active_anon_kb"), inactive_anon_kb=kb.get("inactive_anon_kb"))
    used = memcg.swap.usage_kb if memcg.swap is not None else found.details.get("swap_kb")
    if memcg.swap is not None and limit == 0:
        case.says("memory.swap.max is 0", swap__limit_kb=0)
        case.means("Swapping was not allowed.")
    elif memcg.swap is not None and limit is not None and used is not None and used >= limit:
        case.says(f"swap was at its limit of {exact(limit)}", swap__usage_kb=used, swap__limit_kb=limit)
        case.means("memory.swap.max was reached.")
    elif memory_limit is not None and memsw_limit is not None and memsw_limit <= memory_limit:
        case.says("the memory+swap limit equals the memory limit", memory__limit_kb=memory_limit,
                  memsw__limit_kb=memsw_limit)
        case.means("Swapping cannot make room below the memory+swap limit.")
    else:
        _swap_unclear(event, used, case)


def _swap_unclear(event: OomEvent, used: Optional[int], case: _Case) -> None:
    """Whether the machine has swap stands in no memcg report; sometimes the score tells."""
    counted = swap_counted(event)
    if used is not None:
        case.says(f"swap used {exact(used)}", swap_kb=used)
    if counted is not None and counted.interpretation is not None and "no swap" in counted.interpretation:
        case.means("Without swap it could not be reclaimed.", counted.confidence)
    elif used:
        case.means("Why no more went to swap (full, or slow) the source does not tell.", UNKNOWN)
    else:
        case.means("None was swapped: whether there is any swap the source does not tell.", UNKNOWN)


def _unevictable(found: Account, case: _Case) -> None:
    kb = found.details.get("unevictable_kb", 0)
    if found.total_kb and kb * 10 >= found.total_kb:
        case.says(f"unevictable {exact(kb)}", unevictable_kb=kb)
        case.means("A good part is locked or otherwise unevictable.")


def _kernel(found: Account, case: _Case) -> None:
    kb = found.part(KERNEL)
    if not found.total_kb or kb * 4 < found.total_kb:
        return
    reclaimable = found.details.get("slab_reclaimable_kb")
    said = f", of it reclaimable slab {exact(reclaimable)}" if reclaimable is not None else ""
    case.says(f"kernel memory {exact(kb)}{said}", kernel_kb=kb, slab_reclaimable_kb=reclaimable)
    case.means("Kernel memory goes only when its owners free it, but for reclaimable slab.")


def _machine(event: OomEvent, case: _Case) -> None:
    assert event.meminfo is not None
    found = account(event)
    zones.judge(event, case.says, case.means)
    tail = event.meminfo.tail
    if found is not None and "active_file_kb" in found.details:
        kb = found.details
        files = kb["active_file_kb"] + kb.get("inactive_file_kb", 0)
        case.says(f"file pages on the lists {exact(files)}", active_file_kb=kb["active_file_kb"],
                  inactive_file_kb=kb.get("inactive_file_kb"), dirty_kb=kb.get("dirty_kb"),
                  writeback_kb=kb.get("writeback_kb"))
        _judge_files(files, kb.get("dirty_kb", 0) + kb.get("writeback_kb", 0), found.total_kb, case)
        _unevictable(found, case)
    _machine_swap(tail, case)


def _machine_swap(tail: Mapping[str, int], case: _Case) -> None:
    total, free = tail.get("total_swap_kb"), tail.get("free_swap_kb")
    if total == 0:
        case.says("no swap", total_swap_kb=0)
        case.means("Without swap, anonymous memory could not be reclaimed.")
    elif total is not None and free is not None:
        case.says(f"swap free {exact(free)} of {exact(total)}", total_swap_kb=total, free_swap_kb=free)
        if free * _FEW <= total:
            case.means("Swap was full.")


def _protection(event: OomEvent, case: _Case) -> None:
    """memory.min and memory.low of the levels: live, or in the line of 6.19+."""
    memcg = event.memcg
    if memcg is None:
        return
    for name, kb in (("memory.min", memcg.min_protection_kb), ("memory.low", memcg.low_protection_kb)):
        if kb:
            case.says(f"{exact(kb)} used below is protected by {name}", **{name.replace(".", "_") + "_kb": kb})
            if name == "memory.min":
                case.means("What memory.min protects is not reclaimed.")


def _effort(event: OomEvent, case: _Case) -> None:
    tried = event.reclaim
    if tried is None:
        return
    said = [plural(tried.attempts, "attempt")] if tried.attempts is not None else []
    if tried.scanned_pages is not None and tried.reclaimed_pages is not None:
        said.append(f"{tried.reclaimed_pages} of {tried.scanned_pages} scanned pages reclaimed")
    if tried.time_ns is not None:
        said.append(f"in {seconds(tried.time_ns)}")
    case.says("the kernel tried: " + ", ".join(said), reclaim__attempts=tried.attempts,
              reclaim__scanned_pages=tried.scanned_pages, reclaim__reclaimed_pages=tried.reclaimed_pages,
              reclaim__time_ns=tried.time_ns)


