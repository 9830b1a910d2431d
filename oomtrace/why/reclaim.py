"""Step 3, second half: why reclaim could not help."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from . import look, zones
from .account import FREE, KERNEL, SLAB_UNRECLAIMABLE, Account, account
from .case import Case
from .finding import LIKELY, UNKNOWN, Finding
from .units import exact, human, plural, seconds, share

_FEW = 50  # under a 50th (2 %) of the total there is nothing worth to reclaim


def reclaim(event: OomEvent) -> Optional[Finding]:
    """What there was to reclaim besides what needs swap, and what stood in the way."""
    if look.scope(event) in (None, "sysrq"):
        return None
    case = Case("reclaim", 3, "reclaim")
    order = look.order(event)
    if order:
        case.says(f"{1 << order} contiguous pages were asked for", trigger__order=order)
    zones.judge(event, case)
    found = account(event)
    if found is not None:
        _file_pages(found, case)
        _unevictable(found, case)
        if look.scope(event) == "memcg":
            _kernel(found, case)
        else:
            _slab(found, case)
    _protection(event, case)
    _effort(event, case)
    nothing = Finding("reclaim", 3, "reclaim", "The source does not show what could have been reclaimed.",
                      confidence=UNKNOWN)
    return case.finding() or nothing


def _file_pages(found: Account, case: Case) -> None:
    """Clean file pages can be dropped at once; dirty ones must be written first."""
    kb = found.details
    if "active_file_kb" not in kb or "inactive_file_kb" not in kb:
        return
    files = kb["active_file_kb"] + kb["inactive_file_kb"]
    dirty = kb.get("file_dirty_kb", kb.get("dirty_kb"))
    writeback = kb.get("file_writeback_kb", kb.get("writeback_kb"))
    case.says(f"file pages on the lists {exact(files)}", active_file_kb=kb["active_file_kb"],
              inactive_file_kb=kb["inactive_file_kb"], file_dirty_kb=dirty, file_writeback_kb=writeback)
    busy = (dirty or 0) + (writeback or 0)
    if not found.total_kb or found.part(FREE) * 2 >= found.total_kb:
        return
    if files * _FEW <= found.total_kb:
        hardly = "No" if files * 1000 <= found.total_kb else "Hardly any"
        case.means(f"{hardly} file cache was left to drop.")
    elif busy * 2 >= files:
        case.says(f"{human(busy)} of them dirty or under writeback")
        case.means("Most file pages waited to be written and could not be dropped at once.", LIKELY)
    elif found.part(FREE) * 10 < found.total_kb:
        case.means(f"File pages were left ({share(files, found.total_kb)}); why they were not reclaimed in time the "
                   "source does not tell.", UNKNOWN)


def _unevictable(found: Account, case: Case) -> None:
    kb = found.details.get("unevictable_kb", 0)
    if found.total_kb and kb * 10 >= found.total_kb:
        case.says(f"unevictable {exact(kb)}", unevictable_kb=kb)
        case.means("A good part is locked or otherwise unevictable.")


def _kernel(found: Account, case: Case) -> None:
    kb = found.part(KERNEL)
    if not found.total_kb or kb * 4 < found.total_kb:
        return
    reclaimable = found.details.get("slab_reclaimable_kb")
    said = f", of it reclaimable slab {exact(reclaimable)}" if reclaimable is not None else ""
    case.says(f"kernel memory {exact(kb)}{said}", kernel_kb=kb, slab_reclaimable_kb=reclaimable)
    case.means("Kernel memory goes only when its owners free it, but for reclaimable slab.")


def _slab(found: Account, case: Case) -> None:
    """What the kernel itself holds of the machine."""
    kb = found.part(SLAB_UNRECLAIMABLE)
    if not found.total_kb or kb * 4 < found.total_kb:
        return
    case.says(f"unreclaimable slab {exact(kb)}", slab_unreclaimable_kb=kb)
    case.means("Unreclaimable slab goes only when the kernel's own users free it.")


def _protection(event: OomEvent, case: Case) -> None:
    """What memory.min and memory.low protect below: live, or in the line of 6.19+."""
    memcg = event.report.memcg
    if memcg is None:
        return
    if memcg.min_protection_kb:
        case.says(f"{exact(memcg.min_protection_kb)} used below is protected by memory.min",
                  min_protection_kb=memcg.min_protection_kb)
        case.means("What memory.min protects is not reclaimed.")
    if memcg.low_protection_kb:
        case.says(f"{exact(memcg.low_protection_kb)} used below is protected by memory.low",
                  low_protection_kb=memcg.low_protection_kb)


def _effort(event: OomEvent, case: Case) -> None:
    """What a live trace saw reclaim do."""
    tried = event.trace.reclaim
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
