"""What to look at next: at most three suggestions, each following from a finding, none that fits every OOM."""

from __future__ import annotations

from typing import Callable, Optional, Tuple

from oomtrace.model import OomEvent, Task

from . import look, names
from .account import ANON, HUGETLB, KERNEL, SHMEM, SLAB_UNRECLAIMABLE, SOCK, account
from .filled import biggest, in_words
from .finding import Suggestion
from .pick import without_adj
from .ranking import rank
from .units import human, plural

MOST = 3


def suggestions(event: OomEvent) -> Tuple[Suggestion, ...]:
    """The first three that apply."""
    found = [make(event) for make in _RULES]
    return tuple(suggestion for suggestion in found if suggestion is not None)[:MOST]


def _top(event: OomEvent) -> Optional[Task]:
    rows = event.report.tasks or ()
    return max(rows, key=lambda task: task.rss_pages or 0) if rows else None


def _need(event: OomEvent) -> Optional[Suggestion]:
    """What the full memcg would have needed at least: its usage and what was in swap."""
    path, found, top = look.full_path(event), account(event), _top(event)
    if look.scope(event) != "memcg" or path is None or found is None or not found.total_kb or top is None:
        return None
    memcg = event.report.memcg
    swap = memcg.swap.usage_kb if memcg is not None and memcg.swap is not None else found.details.get("swap_kb")
    held = (top.rss_pages or 0) * look.page_kb(event)
    main = biggest(found)
    if main is None or main.name != ANON or held * 2 < found.total_kb:
        return None
    need = found.total_kb + (swap or 0)
    rows = event.report.tasks or ()
    alone = 2 * (top.rss_pages or 0) >= sum(task.rss_pages or 0 for task in rows)
    whose, it = (look.who(top.pid, top.comm), "it") if alone else (f"its {plural(len(rows), 'task')}", "they")
    return Suggestion("filled", f"{names.short(path)} needs more than {human(need)} for what {whose} held; or {it} "
                      "must hold less.")


def _tmpfs(event: OomEvent) -> Optional[Suggestion]:
    found = account(event)
    if found is None or not found.total_kb:
        return None
    kb = found.part(SHMEM) or (found.details.get("shmem_kb", 0) if look.scope(event) != "memcg" else 0)
    if kb * 4 < found.total_kb:
        return None
    where = "count against this memory cgroup" if look.scope(event) == "memcg" else "take RAM"
    return Suggestion("filled", f"{human(kb)} are tmpfs files or shared memory, which {where} until they are deleted: "
                      "look into /dev/shm, the tmpfs mounts and System V segments (ipcs -m).")


def _kernel(event: OomEvent) -> Optional[Suggestion]:
    found = account(event)
    if found is None or not found.total_kb:
        return None
    memcg = look.scope(event) == "memcg"
    kb = found.part(KERNEL if memcg else SLAB_UNRECLAIMABLE)
    if kb * 4 < found.total_kb:
        return None
    largest = max(event.report.slab, key=lambda cache: cache.total_kb) if event.report.slab else None
    if largest is not None:
        return Suggestion("filled", f"Kernel slabs hold {human(kb)}, the largest cache is {largest.name} with "
                          f"{human(largest.total_kb)}: find what allocates from it.")
    what = "kernel memory on behalf of its tasks (pipes, sockets, directory entries, page tables)" if memcg else "slabs"
    return Suggestion("filled", f"{human(kb)} are {what}: /proc/slabinfo or slabtop tells which.")


def _page_tables(event: OomEvent) -> Optional[Suggestion]:
    """A table whose rows are mostly page tables: memory mapped here and there, or swapped out."""
    found, rows = account(event), event.report.tasks or ()
    top = max(rows, key=lambda task: task.pgtables_bytes or 0) if rows else None
    kb = (top.pgtables_bytes or 0) // 1024 if top is not None else 0
    if top is None or found is None or not found.total_kb or kb * 4 < found.total_kb:
        return None
    return Suggestion("tasks", f"The page tables of {look.who(top.pid, top.comm)} take {human(kb)}: it has mapped far "
                      "more than is resident.")


def _sockets(event: OomEvent) -> Optional[Suggestion]:
    found = account(event)
    if found is None or not found.total_kb or found.part(SOCK) * 4 < found.total_kb:
        return None
    return Suggestion("filled", f"{human(found.part(SOCK))} wait in socket buffers: see who does not read (ss -m).")


def _pools(event: OomEvent) -> Optional[Suggestion]:
    meminfo = event.report.meminfo
    if meminfo is None:
        return None
    free = sum(pool.free * pool.size_kb for pool in meminfo.hugepages)
    found = account(event)
    if found is None or not found.total_kb or free * 10 < found.total_kb:
        return None
    return Suggestion("filled", f"{human(free)} are reserved as {HUGETLB} and unused: vm.nr_hugepages is too high.")


def _adj(event: OomEvent) -> Optional[Suggestion]:
    finding = without_adj(event)
    if finding is None or finding.interpretation != "oom_score_adj decided the pick.":
        return None
    values = {fact.name: fact.value for fact in finding.facts}
    other = f"{values.get('then.comm')} ({values.get('then.pid')})"
    return Suggestion("adj", f"oom_score_adj chose the victim; without it {other} would have been killed: check "
                      "whether that is meant.")


def _exempt(event: OomEvent) -> Optional[Suggestion]:
    ranking = rank(event)
    found = account(event)
    if ranking is None or found is None or not found.total_kb or not ranking.exempt:
        return None
    top = ranking.exempt[0]
    held = (top.task.rss_pages or 0) * look.page_kb(event)
    if held * 4 < found.total_kb:
        return None
    return Suggestion("exempt", f"{look.who(top.task.pid, top.task.comm)} holds {human(held)} and cannot be chosen "
                      f"({top.exempt}).")


def _swap(event: OomEvent) -> Optional[Suggestion]:
    memcg = event.report.memcg
    if look.scope(event) != "memcg" or memcg is None or memcg.swap is None or look.limit_kb(memcg.swap) != 0:
        return None
    return Suggestion("reclaim", "memory.swap.max is 0: anonymous memory of this memory cgroup could only grow.")


def _no_swap(event: OomEvent) -> Optional[Suggestion]:
    tail = event.report.meminfo.tail if event.report.meminfo is not None else {}
    found = account(event)
    if tail.get("total_swap_kb") != 0 or found is None or not found.total_kb or look.scope(event) == "sysrq":
        return None
    top = biggest(found)
    if top is None or not top.name.startswith(ANON):
        return None
    return Suggestion("reclaim", f"There is no swap: {human(top.kb)} of {in_words(top.name)} could only grow.")


def _growing(event: OomEvent) -> Optional[Suggestion]:
    """A machine-wide OOM with one large process."""
    top, found = _top(event), account(event)
    if look.scope(event) == "memcg" or top is None or found is None or not found.total_kb:
        return None
    held = (top.rss_pages or 0) * look.page_kb(event)
    if held * 2 < found.total_kb:
        return None
    return Suggestion("tasks", f"{look.who(top.pid, top.comm)} alone holds {human(held)} of {human(found.total_kb)}: "
                      "a limit of its own would confine the next OOM to it.")


def _false_global(event: OomEvent) -> Optional[Suggestion]:
    if look.scope(event) == "memcg" or event.report.trigger.gfp_mask != 0 or event.report.trigger.order == -1:
        return None
    return Suggestion("full", "gfp_mask is 0: look for a memory cgroup at its limit at that time (memory.failcnt, "
                      "memory.events); kernels with 60e2793d440a no longer kill for that.")


_RULES: Tuple[Callable[[OomEvent], Optional[Suggestion]], ...] = (
    _false_global, _tmpfs, _kernel, _page_tables, _sockets, _pools, _need, _growing, _adj, _exempt, _swap, _no_swap,
)
