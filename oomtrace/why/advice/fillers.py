"""What filled it, and where to look for who did."""

from __future__ import annotations

from typing import Optional

from oomtrace.model import OomEvent

from .. import look
from ..account import Kind, account
from ..finding import Reason, Statement, facts
from ..registry import Cases, advice

_DEBUG = frozenset(("kmemleak_object", "page_owner", "stack_depot", "debug_objects_cache"))


class Fillers(Reason):
    TMPFS = "tmpfs"
    SHARED_BUFFERS = "shared_buffers"
    SLAB_CACHE = "slab_cache"
    SLAB_DEBUG = "slab_debug"
    SLAB = "slab"
    KERNEL = "kernel"
    PAGETABLES = "pagetables"
    SOCKETS = "sockets"
    HUGE_PAGES = "huge_pages"


@advice("filled", 20)
def tmpfs(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Files on tmpfs and shared memory stay until somebody deletes them."""
    found = account(event)
    if found is None or not found.total_kb:
        return None
    memcg = look.scope(event) == "memcg"
    kb = found.part(Kind.SHMEM) or (found.details.get("shmem_kb", 0) if not memcg else 0)
    if kb * 4 < found.total_kb:
        return None
    victim = event.report.victim
    if victim is not None and (victim.shmem_rss_kb or 0) * 2 >= kb:
        return Statement(Fillers.SHARED_BUFFERS, facts(shmem_kb=kb, comm=victim.comm))
    if found.biggest is not None and kb * 2 < found.biggest.kb:
        return None
    return Statement(Fillers.TMPFS, facts(shmem_kb=kb, scope=look.scope(event)))


@advice("filled", 30)
def kernel(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """The kernel's own memory."""
    found = account(event)
    if found is None or not found.total_kb:
        return None
    memcg = look.scope(event) == "memcg"
    kb = found.part(Kind.KERNEL) if memcg else found.part(Kind.SLAB_UNRECLAIMABLE, Kind.SLAB_RECLAIMABLE)
    if kb * 4 < found.total_kb or kb < found.part(Kind.PAGETABLES):
        return None
    caches = look.slab_caches(event)
    if caches and caches[0].name in _DEBUG and len(caches) > 1:
        largest, other = caches[:2]
        return Statement(Fillers.SLAB_DEBUG, facts(slab_kb=kb, cache=largest.name, cache_kb=largest.total_kb,
                                                   next_cache=other.name, next_kb=other.total_kb))
    if caches:
        largest = caches[0]
        return Statement(Fillers.SLAB_CACHE, facts(slab_kb=kb, cache=largest.name, cache_kb=largest.total_kb))
    return Statement(Fillers.KERNEL if memcg else Fillers.SLAB, facts(kernel_kb=kb))


@advice("tasks", 40)
def page_tables(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """A table whose rows are mostly page tables: memory mapped here and there, or swapped out."""
    found = account(event)
    top = max(event.report.tasks or (), key=lambda task: task.pgtables_bytes or 0, default=None)
    kb = (top.pgtables_bytes or 0) // 1024 if top is not None else 0
    if top is None or found is None or not found.total_kb or kb * 4 < found.total_kb:
        return None
    return Statement(Fillers.PAGETABLES, facts(task=look.who(top), pgtables_kb=kb))


@advice("filled", 50)
def sockets(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Data that waits in socket buffers."""
    found = account(event)
    if found is None or not found.total_kb or found.part(Kind.SOCK) * 4 < found.total_kb:
        return None
    return Statement(Fillers.SOCKETS, facts(sock_kb=found.part(Kind.SOCK)))


@advice("filled", 60)
def pools(event: OomEvent, cases: Cases) -> Optional[Statement]:
    """Huge pages that are set aside and not used."""
    meminfo, found = event.report.meminfo, account(event)
    if meminfo is None:
        return None
    free = sum(pool.free * pool.size_kb for pool in meminfo.hugepages)
    if found is None or not found.total_kb or free * 10 < found.total_kb:
        return None
    return Statement(Fillers.HUGE_PAGES, facts(free_hugepages_kb=free))
