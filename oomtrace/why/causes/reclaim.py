"""Step 3, second half: why reclaim could not help."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import look
from ..account import Account, Kind, account
from ..case import Case
from ..finding import LIKELY, UNKNOWN, Reason
from ..registry import cause
from ..shortage import short
from ..units import percent
from .full import hit

_FEW = 50  # under a 50th (2 %) of the total there is nothing worth to reclaim


class Reclaim(Reason):
    NOT_SHOWN = "not_shown"
    CONTIGUOUS = "contiguous"
    CHARGED_AT_ONCE = "charged_at_once"
    FILE_PAGES = "file_pages"
    NO_FILE_CACHE = "no_file_cache"  # or next to none
    LITTLE_FILE_CACHE = "little_file_cache"
    DIRTY = "dirty"
    FILE_CACHE_LEFT = "file_cache_left"
    UNEVICTABLE = "unevictable"
    KERNEL_MEMORY = "kernel_memory"
    SLAB = "slab"
    PROTECTED_MIN = "protected_min"
    PROTECTED_LOW = "protected_low"
    EFFORT = "effort"


@cause("reclaim", step=3, place=6, reasons=Reclaim, always=True)
def reclaim(event: OomEvent, case: Case) -> None:
    """What there was to reclaim besides what needs swap, and what stood in the way."""
    if look.scope(event) in (None, "sysrq"):
        return
    order = look.order(event)
    if order and look.scope(event) == "memcg":
        _charged(event, order, case)
    elif order:
        case.says(Reclaim.CONTIGUOUS, pages=1 << order, order=order)
    found = account(event)
    shortage = short(event)
    if found is not None:
        _file_pages(found, shortage is not None and shortage.elsewhere, case)
        _unevictable(found, case)
        if look.scope(event) == "memcg":
            _kernel(found, case)
        else:
            _slab(found, case)
    _protection(event, case)
    _effort(event, case)
    if not case.said:
        case.says(Reclaim.NOT_SHOWN, UNKNOWN)


def _charged(event: OomEvent, order: int, case: Case) -> None:
    """A counter knows no contiguity: smaller charges would have fitted, if there was any room."""
    _, counter = hit(event)
    limit_kb = look.limit_kb(counter)
    room = limit_kb - counter.usage_kb if counter is not None and counter.usage_kb is not None and limit_kb else None
    case.says(Reclaim.CHARGED_AT_ONCE, asked_kb=look.page_kb(event) << order, pages=1 << order, order=order,
              room_kb=room if room is not None and room > 0 else None)


def _file_pages(found: Account, elsewhere: bool, case: Case) -> None:
    """Clean file pages can be dropped at once; dirty ones must be written first."""
    kb = found.details
    if "active_file_kb" not in kb or "inactive_file_kb" not in kb:
        return
    files = kb["active_file_kb"] + kb["inactive_file_kb"]
    dirty = kb.get("file_dirty_kb", kb.get("dirty_kb"))
    writeback = kb.get("file_writeback_kb", kb.get("writeback_kb"))
    busy = (dirty or 0) + (writeback or 0)
    case.says(Reclaim.FILE_PAGES, file_kb=files, of_all_zones=elsewhere or None)
    case.knows(active_file_kb=kb["active_file_kb"], inactive_file_kb=kb["inactive_file_kb"], file_dirty_kb=dirty,
               file_writeback_kb=writeback)
    if not found.total_kb or found.part(Kind.FREE) * 2 >= found.total_kb or elsewhere:
        return
    if files * _FEW <= found.total_kb:
        none = files * 1000 <= found.total_kb
        case.means(Reclaim.NO_FILE_CACHE if none else Reclaim.LITTLE_FILE_CACHE, file_kb=files)
    elif busy * 2 >= files:
        case.means(Reclaim.DIRTY, LIKELY, busy_kb=busy)
    elif found.part(Kind.FREE) * 10 < found.total_kb:
        case.means(Reclaim.FILE_CACHE_LEFT, UNKNOWN, file_percent=percent(files, found.total_kb))


def _unevictable(found: Account, case: Case) -> None:
    kb = found.details.get("unevictable_kb", 0)
    if found.total_kb and kb * 10 >= found.total_kb:
        case.means(Reclaim.UNEVICTABLE, unevictable_kb=kb)


def _kernel(found: Account, case: Case) -> None:
    kb = found.part(Kind.KERNEL)
    if found.total_kb and kb * 4 >= found.total_kb:
        case.means(Reclaim.KERNEL_MEMORY, kernel_kb=kb,
                   slab_reclaimable_kb=found.details.get("slab_reclaimable_kb") or None)


def _slab(found: Account, case: Case) -> None:
    """What the kernel itself holds of the machine."""
    kb = found.part(Kind.SLAB_UNRECLAIMABLE)
    if found.total_kb and kb * 4 >= found.total_kb:
        case.means(Reclaim.SLAB, slab_unreclaimable_kb=kb)


def _protection(event: OomEvent, case: Case) -> None:
    """What memory.min and memory.low protect below: live, or in the line of 6.19+."""
    memcg = event.report.memcg
    if memcg is not None and memcg.min_protection_kb:
        case.means(Reclaim.PROTECTED_MIN, min_protection_kb=memcg.min_protection_kb)
    if memcg is not None and memcg.low_protection_kb:
        case.says(Reclaim.PROTECTED_LOW, low_protection_kb=memcg.low_protection_kb)


def _effort(event: OomEvent, case: Case) -> None:
    """What a live trace saw reclaim do."""
    tried = event.trace.reclaim
    if tried is not None:
        case.says(Reclaim.EFFORT, reclaim__attempts=tried.attempts, reclaim__scanned_pages=tried.scanned_pages,
                  reclaim__reclaimed_pages=tried.reclaimed_pages, reclaim__time_ns=tried.time_ns)
