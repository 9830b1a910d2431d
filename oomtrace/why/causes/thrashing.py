"""Step 3: what the memcg's event counters say of the time before: pages read back that reclaim had just dropped."""

from __future__ import annotations

from oomtrace.model import OomEvent

from .. import look
from ..account import account
from ..case import Case
from ..finding import LIKELY, Reason
from ..registry import cause
from ..units import percent


class Thrashing(Reason):
    READ_BACK = "read_back"
    RECLAIM_IN_VAIN = "reclaim_in_vain"
    THRASHED = "thrashed"


@cause("thrashing", step=3, place=8, reasons=Thrashing)
def thrashing(event: OomEvent, case: Case) -> None:
    """More than twice what the memcg may hold was read back after reclaim: it had long been short of memory."""
    # The counters are of pages (mm/memcontrol.c, memory_stats and memcg_vm_event_stat), and do not say when.
    memcg, found = event.report.memcg, account(event)
    if memcg is None or not memcg.stats or memcg.stats[0].unit != "bytes" or found is None or not found.total_kb:
        return
    values, size = memcg.stats[0].values, look.page_kb(event)
    files = values.get("workingset_refault_file", values.get("workingset_refault", 0)) * size
    anon = values.get("workingset_refault_anon", 0) * size
    scanned, stolen = values.get("pgscan", 0), values.get("pgsteal", 0)
    back = files + anon
    if back < found.total_kb * 2:
        return
    case.says(Thrashing.READ_BACK, refault_file_kb=files, refault_anon_kb=anon, refault_kb=back,
              times=round(back / found.total_kb))
    if scanned and stolen * 10 < scanned:
        case.says(Thrashing.RECLAIM_IN_VAIN, pgscan=scanned, pgsteal=stolen, stolen_percent=percent(stolen, scanned))
    case.means(Thrashing.THRASHED, LIKELY)
